import numpy as np
import pytest

from cnn_vs_ros.estimation.fine.robust_weights import tukey_weights, visibility

GRID = (30, 40)


def samples(noise, foreign=None, seed=0):
    """Samples, eight a cell, of a scene with `noise`; something else of equal contrast on `foreign` cells."""
    rng = np.random.default_rng(seed)
    cells = np.repeat(np.arange(GRID[0] * GRID[1]), 8)
    desired = rng.standard_normal(len(cells)).astype(np.float32)
    current = desired + np.float32(noise) * rng.standard_normal(len(cells)).astype(np.float32)
    if foreign is not None:
        other = foreign.ravel()[cells]
        current[other] = rng.standard_normal(other.sum())
    return cells, GRID, current - desired, current, desired


@pytest.fixture
def covered():
    mask = np.zeros(GRID, bool)
    mask[8:22, 5:20] = True
    return mask


@pytest.mark.parametrize('noise', [0.1, 0.4, 0.8])
def test_what_is_in_front_is_found_even_when_the_scene_is_noisy(covered, noise):
    found = visibility(*samples(noise, covered))
    inside, outside = np.zeros_like(covered), np.ones_like(covered)
    inside[11:19, 8:17] = True
    outside[5:25, 2:23] = False
    assert found.probability[inside].max() < 0.05
    assert found.probability[outside].min() > 0.95
    assert 0.6 < found.share < 1.02 - covered.mean()  # with a margin about what is in front


def test_an_uncovered_scene_is_all_visible():
    assert visibility(*samples(0.5)).probability.min() > 0.9


def test_evidence_grows_with_agreement_and_vanishes_between_strangers():
    fine, poor = visibility(*samples(0.2)).evidence, visibility(*samples(0.8)).evidence
    stranger = visibility(*samples(0.0, np.ones(GRID, bool))).evidence
    assert fine > 2 * poor > 20 * stranger


def test_of_a_scene_of_which_most_has_changed_the_rest_is_found_once_the_fit_has_settled():
    """It begins with the median cell, which shows something else."""
    kept = np.zeros(GRID, bool)
    kept[:, 25:] = True
    found = samples(0.8, ~kept)
    first, settled = visibility(*found), visibility(*found, settled=True)
    changed = np.s_[:, :21]
    assert settled.probability[changed].mean() < 0.1 * first.probability[changed].mean()
    assert settled.probability[:, 29:].min() > 0.9


def test_a_tight_scale_rejects_what_a_loose_one_still_uses():
    residual = np.concatenate([np.full(700, 0.05), np.full(700, -0.05), np.full(600, 1.5)]).astype(np.float32)
    loose, _ = tukey_weights(residual, tight=False)
    tight, deviation = tukey_weights(residual, tight=True)
    assert tight[-1] == 0 < loose[-1]
    assert deviation == pytest.approx(1.4826 * 0.05, rel=1e-3)
