from dataclasses import replace

import numpy as np
import pytest

from cnn_vs_ros.estimation.fine.alignment import ACQUIRE_STAGES, TRACK_STAGES, PhotometricAlignment, Stage
from cnn_vs_ros.estimation.plane import ScenePlane
from cnn_vs_ros.estimation.pyramid import SATURATED, ImagePyramid
from cnn_vs_ros.geometry import se3
from test.scenes import CAMERA, DEPTH, drawn_texture, view, wide_texture

PLANE = ScenePlane(DEPTH)
KNOWN = ScenePlane.with_normal(DEPTH, (0, 0, 1))
OFFSET = se3.from_pose_vector([0.012, -0.008, 0.01, 0.05, -0.04, 0.15])


@pytest.fixture(scope='module')
def texture():
    return drawn_texture()


@pytest.fixture(scope='module')
def aligner(texture):
    return PhotometricAlignment(ImagePyramid(view(texture, np.eye(4), seed=1), CAMERA), PLANE)


def camera_error(alignment, desired_T_current):
    return se3.pose_error(se3.inverse(desired_T_current) @ se3.inverse(alignment.current_T_desired))


def near(desired_T_current, size=1.0):
    push = size * np.array([0.002, -0.002, 0.002, 0.008, 0.008, -0.008])
    return se3.exp(push) @ se3.inverse(desired_T_current)


def test_finds_the_pose_to_a_fraction_of_a_millimetre(texture, aligner):
    image = ImagePyramid(view(texture, OFFSET, seed=2), CAMERA)
    found = aligner.align(image, near(OFFSET), PLANE)
    translation, rotation = camera_error(found, OFFSET)
    assert translation < 8e-4
    assert rotation < np.deg2rad(0.2)
    assert found.correlation > 0.97


def test_at_the_goal_it_is_ten_times_finer(texture, aligner):
    image = ImagePyramid(view(texture, np.eye(4), seed=3), CAMERA)
    translation, rotation = camera_error(aligner.align(image, near(np.eye(4), 0.3), PLANE), np.eye(4))
    assert translation < 5e-5
    assert rotation < np.deg2rad(0.01)


def test_light_does_not_move_the_pose(texture, aligner):
    clean = view(texture, OFFSET)
    columns, rows = np.meshgrid(np.arange(640), np.arange(480))
    lamp = 0.45 + 0.7 * np.exp(-((columns - 500) ** 2 + (rows - 100) ** 2) / (2 * 200.0**2))
    lit = np.clip(clean * lamp + 10, 0, 255).astype(np.uint8)
    found = aligner.align(ImagePyramid(lit, CAMERA), near(OFFSET), PLANE)
    assert camera_error(found, OFFSET)[0] < 1e-3


def test_what_covers_the_scene_is_rejected(texture, aligner):
    image = view(texture, OFFSET, seed=4)
    image[120:330, 60:330] = drawn_texture(seed=9)[:210, :270]  # 18 % of the image
    found = aligner.align(ImagePyramid(image, CAMERA), near(OFFSET), PLANE)
    assert camera_error(found, OFFSET)[0] < 2e-3
    assert found.correlation > 0.9 > found.correlation_unweighted


def test_another_scene_does_not_correlate(aligner):
    other = ImagePyramid(view(drawn_texture(seed=5), OFFSET, seed=6), CAMERA)
    found = aligner.align(other, near(OFFSET), PLANE)
    assert found is None or found.correlation_unweighted < 0.4


def test_too_little_overlap_is_no_result(texture, aligner):
    away = se3.from_pose_vector([0.3, 0, 0, 0, 0, 0])
    image = ImagePyramid(view(texture, away), CAMERA)
    assert aligner.align(image, se3.inverse(away), PLANE, TRACK_STAGES) is None


def test_a_plane_that_runs_into_the_limit_is_no_result(texture, aligner):
    """At the reference no slope shows, so it stays where it begins."""
    image = ImagePyramid(view(texture, np.eye(4), seed=2), CAMERA)
    unknown = ScenePlane(DEPTH, information=1e-9 * np.eye(2))
    assert aligner.align(image, np.eye(4), unknown, slope=np.array([2.8, 2.8])) is not None
    assert aligner.align(image, np.eye(4), unknown, slope=np.array([3.9, 3.9])) is None


def test_a_black_image_yields_no_confidence(aligner):
    black = ImagePyramid(np.zeros((480, 640), np.uint8), CAMERA)
    found = aligner.align(black, np.eye(4), PLANE, TRACK_STAGES)
    assert found is None or abs(found.correlation) < 0.5


def test_an_image_that_is_all_saturated_is_no_result(aligner):
    white = np.full((CAMERA.height, CAMERA.width), 255, np.uint8)
    assert aligner.align(ImagePyramid(white, CAMERA), np.eye(4), PLANE) is None


def test_one_step_brings_the_projections_nearer(texture, aligner):
    image = ImagePyramid(view(texture, OFFSET), CAMERA)
    corners = CAMERA.rays(np.array([[20, 20], [620, 20], [620, 460], [20, 460]])) * DEPTH

    def misses(current_T_desired):
        true = se3.inverse(OFFSET)
        shown, right = (corners @ pose[:3, :3].T + pose[:3, 3] for pose in (current_T_desired, true))
        return np.linalg.norm(CAMERA.project(shown) - CAMERA.project(right), axis=1).mean()

    start = near(OFFSET, 0.5)
    found = aligner.align(image, start, PLANE, (Stage(1, 1),))
    assert misses(found.current_T_desired) < 0.6 * misses(start)


def test_translation_scales_with_the_depth_told(texture):
    reference = ImagePyramid(view(texture, np.eye(4)), CAMERA)
    image = ImagePyramid(view(texture, OFFSET), CAMERA)
    true = PhotometricAlignment(reference, PLANE).align(image, near(OFFSET), PLANE, ACQUIRE_STAGES)
    start = near(OFFSET)
    start[:3, 3] *= 2
    twice = ScenePlane(2 * DEPTH)
    doubled = PhotometricAlignment(reference, twice).align(image, start, twice, ACQUIRE_STAGES)
    np.testing.assert_allclose(doubled.current_T_desired[:3, 3], 2 * true.current_T_desired[:3, 3], atol=5e-4)
    np.testing.assert_allclose(doubled.current_T_desired[:3, :3], true.current_T_desired[:3, :3], atol=2e-3)


def test_covariance_tells_the_spread_of_the_error(texture, aligner):
    """Over noise, the scatter of the pose is of the size that the normal equations say."""
    errors, predicted = [], []
    for seed in range(12):
        found = aligner.align(ImagePyramid(view(texture, OFFSET, seed=seed), CAMERA), near(OFFSET, 0.2), PLANE)
        errors.append(se3.log(found.current_T_desired @ OFFSET))
        predicted.append(np.sqrt(np.diag(found.covariance)))
    ratio = np.std(errors, axis=0) / np.mean(predicted, axis=0)
    assert (ratio > 0.1).all()
    assert (ratio < 3.0).all()


@pytest.mark.parametrize('seed', range(3))
def test_lamps_over_a_faint_texture_do_not_move_the_pose(texture, seed):
    """The light's own contrast is ten times that of the scene."""
    faint = np.clip(np.rint(130 + 0.12 * (texture.astype(float) - texture.mean())), 0, 255).astype(np.uint8)
    aligner = PhotometricAlignment(ImagePyramid(view(faint, np.eye(4), seed=1), CAMERA), PLANE)
    rng = np.random.default_rng(seed)
    columns, rows = np.meshgrid(np.arange(640), np.arange(480))
    gain = np.full((480, 640), 0.5)
    for _ in range(3):
        x, y, spread = rng.uniform(0, 640), rng.uniform(0, 480), rng.uniform(90, 250)
        gain += rng.uniform(0.2, 0.6) * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * spread**2))
    lit = view(faint, OFFSET) * gain + rng.normal(0, 2, gain.shape)
    image = ImagePyramid(np.clip(np.rint(lit), 0, 255).astype(np.uint8), CAMERA)
    found = aligner.align(image, near(OFFSET, 0.5), PLANE)
    assert camera_error(found, OFFSET)[0] < 1e-3


TURN, SHIFT = np.array([0, 0, 0, 0, 0, 1.0]), np.array([DEPTH, 0, 0, 0, 0, 0])
WHOLE = (Stage(0, 8), Stage(1, 8))


@pytest.mark.parametrize(
    ('push', 'stages', 'left'),
    [
        (0.05 * TURN, (Stage(0, 1),), 0.25),
        (0.05 * SHIFT, (Stage(0, 3),), 0.2),
        (0.1 * SHIFT, WHOLE, 0.05),
        (0.3 * TURN, WHOLE, 0.05),
    ],
    ids=['a turn in one step', 'a shift in three', 'a wide shift', 'a wide turn'],
)
def test_the_gradients_of_both_images_lead_there_faster_and_from_farther(texture, push, stages, left):
    """With the gradients of one image alone the share of the motion that is left is twice that and more."""
    aligner = PhotometricAlignment(ImagePyramid(view(texture, np.eye(4)), CAMERA), KNOWN)
    image = ImagePyramid(view(texture, np.eye(4)), CAMERA)
    found = aligner.align(image, se3.exp(push), KNOWN, stages)
    after, before = (
        KNOWN.image_shift(pose, np.eye(4), CAMERA) for pose in (found.current_T_desired, se3.exp(push))
    )
    assert after < left * before


@pytest.mark.parametrize(('reference', 'current'), [(0.5, 0.125), (0.125, 0.5)], ids=['four times', 'a quarter'])
@pytest.mark.parametrize('roll', [0.4, 2.2])
def test_an_image_of_another_scale_is_compared_where_both_show_as_much(reference, current, roll):
    """Level with level of the same sizes in pixels, the evidence would be 0.03 to 0.09."""
    desired = se3.from_pose_vector([0, 0, DEPTH - reference, 0, 0, 0])
    place = se3.from_pose_vector([0, 0, DEPTH - current, 0, 0, 0])
    place = place @ se3.from_pose_vector([0, 0, 0, 0.04, -0.03, roll])
    plane = ScenePlane.with_normal(reference, (0, 0, 1))
    aligner = PhotometricAlignment(ImagePyramid(view(wide_texture(), desired, seed=1), CAMERA), plane)
    push = se3.exp(0.7 * np.array([0.002, -0.002, 0.002, 0.008, 0.008, -0.008]))
    image = ImagePyramid(view(wide_texture(), place, seed=2), CAMERA)
    found = aligner.align(image, push @ se3.inverse(place) @ desired, plane)
    assert found.evidence > 0.13


def test_what_is_saturated_tells_nothing_of_the_pose(texture, aligner):
    image = ImagePyramid(view(texture, OFFSET, seed=2), CAMERA)
    level = image.levels[1]
    lit = ImagePyramid(image.grey, CAMERA)
    grey = level.grey.copy()
    grey[30:90, 40:120] = SATURATED  # a quarter of it, with the contrast that it would have
    lit.levels[1] = replace(level, grey=grey)
    whole, part = (
        np.trace(aligner.align(each, se3.inverse(OFFSET), PLANE, (Stage(1, 1),)).information)
        for each in (image, lit)
    )
    assert part < 0.9 * whole
