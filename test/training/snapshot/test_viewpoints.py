from __future__ import annotations

import numpy as np
import pytest

from cnn_vs_ros.geometry import se3
from training.errors import TrainingError
from training.snapshot.viewpoints import ViewpointDraw

PAPER = np.array([0.01, 0.01, 0.01, *np.deg2rad([10, 10, 20])])


def draws(depth: float, *, fine: bool) -> np.ndarray:
    rng = np.random.default_rng(3)
    return np.array([se3.pose_vector(ViewpointDraw().sample(rng, depth, fine=fine)) for _ in range(4000)])


@pytest.mark.parametrize(('fine', 'scale'), [(False, 1.0), (True, 0.01)])
def test_the_draws_have_the_paper_s_statistics_at_20_cm(fine: bool, scale: float) -> None:
    vectors = draws(0.20, fine=fine)
    # Deviations of 4000 draws are known to 1.1 %, means to 1.6 % of a deviation, correlations to 0.016.
    np.testing.assert_allclose(vectors.std(axis=0), scale * PAPER, rtol=0.05)
    np.testing.assert_allclose(vectors.mean(axis=0) / (scale * PAPER), 0, atol=0.07)
    np.testing.assert_allclose(np.corrcoef(vectors.T), np.eye(6), atol=0.07)
    kurtosis = ((vectors / vectors.std(axis=0)) ** 4).mean(axis=0)
    np.testing.assert_allclose(kurtosis, 3, atol=0.4)  # 1.8 for a uniform draw


def test_translations_scale_with_the_depth_and_rotations_do_not() -> None:
    near, far = draws(0.20, fine=False), draws(0.50, fine=False)
    np.testing.assert_allclose(far[:, :3], 2.5 * near[:, :3], atol=1e-12)
    np.testing.assert_allclose(far[:, 3:], near[:, 3:], atol=1e-12)


def test_no_camera_stands_behind_the_plane() -> None:
    draw = ViewpointDraw(translation=(0.0, 0.0, 0.1))
    rng = np.random.default_rng(0)
    assert max(draw.sample(rng, 0.2)[2, 3] for _ in range(500)) < 0.18


@pytest.mark.parametrize(
    'wrong',
    [
        {'translation': (0.01, -0.01, 0.01)},
        {'rotation': (0.1, 0.1, float('nan'))},
        {'translation': (0.01, 0.01, 0.2)},
        {'depth': 0.0},
        {'fine_scale': -1.0},
    ],
)
def test_deviations_that_make_no_sense_are_refused(wrong: dict) -> None:
    with pytest.raises(TrainingError, match='expected'):
        ViewpointDraw(**wrong)
