from __future__ import annotations

from dataclasses import replace
from functools import cache

import cv2
import numpy as np
import pytest

from training.images import lighting, occlusion, sensor, textures, views

SAMPLING = views.ViewSampling(width=160, height=120, perturbed=False, framed=0.0)


@cache
def texture(seed: int = 2) -> np.ndarray:
    drawn = textures.draw(np.random.default_rng(seed), 448)
    drawn.flags.writeable = False
    return drawn


def group(seed: int, sampling: views.ViewSampling) -> views.ViewGroup:
    return views.sample_group(texture(), sampling, np.random.default_rng(seed), texture)


@pytest.mark.parametrize(
    'sampling', [SAMPLING, views.ViewSampling(width=160, height=120)], ids=['nominal', 'perturbed']
)
def test_views_are_a_function_of_the_seed(sampling: views.ViewSampling) -> None:
    first, again, other = group(7, sampling), group(7, sampling), group(8, sampling)
    np.testing.assert_array_equal(first.images, again.images)
    np.testing.assert_array_equal(first.homographies, again.homographies)
    np.testing.assert_array_equal(first.visible, again.visible)
    assert not np.array_equal(first.images, other.images)
    assert first.images.shape == (4, 120, 160)
    assert first.images.dtype == np.uint8


def test_homographies_carry_one_view_onto_another() -> None:
    correlations = []
    for seed in range(6):
        drawn = group(seed, SAMPLING)
        between = drawn.homographies[1] @ np.linalg.inv(drawn.homographies[0])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        back = cv2.warpPerspective(drawn.images[1].astype(np.float32), between, (160, 120), flags=flags)
        seen = cv2.warpPerspective(drawn.visible[1].astype(np.float32), between, (160, 120), flags=flags) > 0.99
        seen &= drawn.visible[0]
        if seen.sum() > 1000:
            correlations.append(np.corrcoef(back[seen], drawn.images[0].astype(np.float32)[seen])[0, 1])
    assert len(correlations) >= 4
    assert min(correlations) > 0.97


def test_the_reference_view_nearly_faces_the_plane_and_the_others_move() -> None:
    rng = np.random.default_rng(1)
    tilts = {
        is_reference: [
            np.arccos(views.sample_pose(SAMPLING, rng, is_reference=is_reference)[2, 2]) for _ in range(300)
        ]
        for is_reference in (True, False)
    }
    assert np.median(tilts[True]) < np.deg2rad(4)
    assert np.median(tilts[False]) > np.deg2rad(8)
    assert max(tilts[False]) < np.pi / 2


def test_frame_copy_hides_everything_but_a_rectangle() -> None:
    view = texture()[:120, :160].astype(np.float32)
    framed, hidden = views.frame_copy(view, np.random.default_rng(0))
    np.testing.assert_array_equal(framed[~hidden], view[~hidden])
    assert np.unique(framed[hidden]).size == 1
    assert 0.1 < hidden.mean() < 0.8


def test_one_gaussian_light_is_the_gaussian_of_equation_9() -> None:
    gain = lighting.gaussian_lights((60, 80), np.random.default_rng(4), count=1, ambient=0.0).astype(np.float64)
    logarithm = np.log(gain)
    for axis in (0, 1):  # the logarithm is a quadratic of negative curvature along each axis, without cross term
        curvature = np.diff(logarithm, 2, axis=axis)
        assert curvature.max() < 0
        np.testing.assert_allclose(curvature, curvature.mean(), atol=2e-4)
    np.testing.assert_allclose(np.diff(np.diff(logarithm, axis=0), axis=1), 0, atol=1e-4)


def test_lights_add_up_over_the_ambient_one() -> None:
    dark = lighting.gaussian_lights((60, 80), np.random.default_rng(4), count=2, ambient=0.0)
    lit = lighting.gaussian_lights((60, 80), np.random.default_rng(4), count=2, ambient=0.5)
    np.testing.assert_allclose(lit - dark, 0.5, atol=1e-6)


def test_an_occluder_changes_only_what_it_reports() -> None:
    view = np.full((120, 160), -50.0, np.float32)
    shares = []
    for seed in range(40):
        occluded, covered = occlusion.occlude(view, np.random.default_rng(seed), 0.3, texture)
        np.testing.assert_array_equal(occluded[~covered], view[~covered])
        assert (occluded[covered] != view[covered]).all()
        shares.append(covered.mean())
    assert 0.1 < np.mean(shares) < 0.4


def test_low_contrast_keeps_the_picture_and_scales_its_deviation() -> None:
    view = texture()[:120, :160].astype(np.float32)
    faint = sensor.reduce_contrast(view, np.random.default_rng(0))
    ratio = faint.std() / view.std()
    assert 0.1 <= ratio <= 0.65
    np.testing.assert_allclose(np.corrcoef(faint.ravel(), view.ravel())[0, 1], 1.0, atol=1e-5)


@pytest.mark.parametrize('kind', list(textures.KINDS))
def test_every_kind_of_texture_is_drawn_anew_with_contrast(kind: str) -> None:
    function = textures.KINDS[kind][0]
    first, again, other = (function(np.random.default_rng(seed), 256, lambda: texture(9)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert first.shape == (256, 256)
    assert not np.array_equal(first, other)
    assert np.std(first) > 3


def test_smaller_views_are_possible() -> None:
    drawn = group(0, replace(SAMPLING, width=96, height=72, views=2))
    assert drawn.images.shape == (2, 72, 96)
