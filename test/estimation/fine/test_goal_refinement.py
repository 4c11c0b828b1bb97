from dataclasses import replace

import cv2
import numpy as np
import pytest

from cnn_vs_ros.estimation.fine.goal_refinement import GoalRefinement
from cnn_vs_ros.estimation.plane import ScenePlane
from cnn_vs_ros.estimation.pyramid import SATURATED, ImagePyramid, PyramidLevel
from cnn_vs_ros.geometry import se3
from test.scenes import CAMERA, DEPTH, drawn_texture, slope_of, tilted, view

PLANE = ScenePlane(DEPTH)
GRID = CAMERA.resized(40, 30)
ALL_SEEN = np.ones((30, 40), np.float32)
NEAR = se3.from_pose_vector([0.8e-4, -0.5e-4, 1e-4, 2e-4, -3e-4, 4e-4])


@pytest.fixture(scope='module')
def texture():
    return drawn_texture()


@pytest.fixture(scope='module')
def refinement(texture):
    reference = ImagePyramid(view(texture, np.eye(4), seed=1), CAMERA)
    return GoalRefinement(reference.full, GRID, PLANE)


def miss(refined, desired_T_current):
    return se3.pose_error(se3.inverse(desired_T_current) @ se3.inverse(refined.current_T_desired))


# Away from the goal the views of these tests are themselves drawn to 1/32 pixel only.
@pytest.mark.parametrize(('pose', 'limit'), [(np.eye(4), 1e-5), (NEAR, 1e-4)], ids=['goal', 'near'])
def test_a_pose_at_the_goal_is_found_to_microns(texture, refinement, pose, limit):
    full = ImagePyramid(view(texture, pose, seed=2), CAMERA).full
    translation, rotation = miss(refinement.refine(full, ALL_SEEN, PLANE), pose)
    assert translation < limit
    assert rotation < limit / DEPTH


def test_only_images_that_nearly_coincide_are_near(refinement):
    assert refinement.is_near(np.eye(4), PLANE)
    assert refinement.is_near(NEAR, PLANE)
    assert not refinement.is_near(se3.from_pose_vector([0, 0, 0, 0, 0, 0.01]), PLANE)  # 2.5 pixels at the border
    assert not refinement.is_near(se3.from_pose_vector([0, 0, -1.0, 0, 0, 0]), PLANE)  # the plane is behind


def test_what_leads_away_from_the_goal_is_no_result(texture, refinement):
    """A step that would be far outside of the linear range is refused."""
    far = ImagePyramid(cv2.flip(view(texture, np.eye(4)), 1), CAMERA).full
    refined = refinement.refine(far, ALL_SEEN, PLANE)
    assert refined is None or refinement.is_near(refined.current_T_desired, PLANE)


def test_cells_that_are_covered_do_not_count(texture, refinement):
    image = view(texture, NEAR, seed=3)
    image[:240, :320] = view(drawn_texture(seed=9), np.eye(4))[:240, :320]
    seen = ALL_SEEN.copy()
    seen[:16, :21] = 0.0
    full = ImagePyramid(image, CAMERA).full
    assert miss(refinement.refine(full, seen, PLANE), NEAR)[0] < 1e-4


def test_its_covariance_tells_the_noise(texture, refinement):
    poses, predicted = [], []
    for seed in range(16):
        image = ImagePyramid(view(texture, np.eye(4), seed=100 + seed), CAMERA)
        refined = refinement.refine(image.full, ALL_SEEN, PLANE)
        poses.append(se3.log(refined.current_T_desired))
        predicted.append(np.sqrt(np.diag(np.linalg.inv(refined.information))) * refined.residual_scale)
    ratio = np.std(poses, axis=0) / np.mean(predicted, axis=0)
    assert ((ratio > 0.2) & (ratio < 2.5)).all()


def test_the_step_over_a_faint_texture_is_as_long_as_the_motion(texture):
    """Noise is the better part of its gradients: with those of one image alone the step would be a third."""

    def faint(pose, seed):
        noise = np.random.default_rng(seed).normal(0, 2, (CAMERA.height, CAMERA.width))
        return as_level(120 + 0.14 * (view(texture, pose) - 120.0) + noise)

    refinement = GoalRefinement(faint(np.eye(4), 1), GRID, PLANE)
    truth = np.array([0, 0, 2e-4, 0, 0, 8e-4])
    images = [faint(se3.from_pose_vector(truth), seed) for seed in range(2, 8)]
    refined = [refinement.refine(image, ALL_SEEN, PLANE) for image in images]
    found = np.mean([se3.pose_vector(se3.inverse(each.current_T_desired)) for each in refined], axis=0)
    np.testing.assert_allclose(found[[2, 5]] / truth[[2, 5]], 1.0, atol=0.4)


def as_level(image):
    return ImagePyramid(np.clip(np.rint(image), 0, 255).astype(np.uint8), CAMERA).full


PATCH = np.s_[150:300, 200:420]


def saturated(level: PyramidLevel) -> PyramidLevel:
    """Return the level with the patch, and what the gradients beside it reach, saturated."""
    grey = level.grey.copy()
    grey[147:303, 197:423] = SATURATED
    return replace(level, grey=grey)


def with_patch(level: PyramidLevel, patch: np.ndarray) -> PyramidLevel:
    flat = level.flat.copy()
    flat[PATCH] = patch
    return replace(level, flat=flat)


def test_what_saturated_pixels_of_the_image_show_does_not_count(texture, refinement):
    level = as_level(view(texture, NEAR, seed=4))
    pulled = with_patch(level, np.roll(level.flat, 1, axis=1)[PATCH])  # a tenth of the image, a pixel aside

    def pose(level):
        return refinement.refine(level, ALL_SEEN, PLANE).current_T_desired

    clean = pose(saturated(level))
    assert np.linalg.norm(se3.pose_vector(clean @ NEAR)[:3]) < 1e-4
    assert np.abs(pose(pulled) - clean).max() > 2e-4
    np.testing.assert_allclose(pose(saturated(pulled)), clean, atol=2e-5)


def test_what_saturated_pixels_of_the_reference_show_does_not_count(texture):
    reference = as_level(view(texture, np.eye(4), seed=1))
    inverted = with_patch(reference, -reference.flat[PATCH])  # of the same contrast
    level = as_level(view(texture, NEAR, seed=4))

    def pose(reference):
        return GoalRefinement(reference, GRID, PLANE).refine(level, ALL_SEEN, PLANE).current_T_desired

    clean = pose(saturated(reference))
    assert np.abs(pose(inverted) - clean).max() > 1e-5
    np.testing.assert_allclose(pose(saturated(inverted)), clean, atol=1e-12)


def test_what_the_reference_shows_where_it_is_not_valid_does_not_count(texture):
    reference = as_level(view(texture, np.eye(4), seed=1))
    inverted = with_patch(reference, -reference.flat[PATCH])
    valid = np.ones(reference.grey.shape, bool)
    valid[147:303, 197:423] = False
    level = as_level(view(texture, NEAR, seed=4))
    clean, masked = (
        GoalRefinement(replace(each, valid=valid), GRID, PLANE).refine(level, ALL_SEEN, PLANE)
        for each in (reference, inverted)
    )
    np.testing.assert_allclose(masked.current_T_desired, clean.current_T_desired, atol=1e-12)
    assert miss(clean, NEAR)[0] < 1e-4


def test_over_an_oblique_plane_it_is_as_fine_and_takes_the_plane_as_it_is_told_last(texture):
    desired = tilted(45, 0.6)
    oblique = ScenePlane(DEPTH).at(slope_of(desired))
    reference = as_level(view(texture, desired, seed=1))
    level = as_level(view(texture, desired @ NEAR, seed=2))
    poses = [
        GoalRefinement(reference, GRID, laid).refine(level, ALL_SEEN, plane).current_T_desired
        for laid, plane in ((oblique, oblique), (PLANE, oblique), (PLANE, PLANE))
    ]
    assert se3.pose_error(NEAR @ poses[0])[0] < 5e-5 < se3.pose_error(NEAR @ poses[2])[0]
    np.testing.assert_array_equal(poses[1], poses[0])
