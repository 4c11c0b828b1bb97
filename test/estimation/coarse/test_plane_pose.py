import numpy as np
import pytest

from cnn_vs_ros.estimation.coarse.plane_pose import PlanePose, plane_pose_of, solve_plane_pose
from cnn_vs_ros.estimation.plane import ScenePlane
from cnn_vs_ros.geometry import se3
from test.scenes import CAMERA, DEPTH

SMALL = CAMERA.resized(160, 120)
PLANE = ScenePlane(DEPTH)


def correspondences(current_T_desired, count=120, noise=0.0, outliers=0.0, seed=0, slope=(0.0, 0.0)):
    rng = np.random.default_rng(seed)
    desired = rng.uniform((0, 0), (159, 119), size=(count, 2))
    rays = SMALL.rays(desired)
    points = rays * (DEPTH / (rays @ np.array([*slope, 1.0])))[:, None]
    current = SMALL.project(points @ current_T_desired[:3, :3].T + current_T_desired[:3, 3])
    current += rng.normal(scale=noise, size=current.shape)
    wrong = rng.random(count) < outliers
    current[wrong] = rng.uniform((0, 0), (159, 119), size=(wrong.sum(), 2))
    return desired, current, np.ones(count)


def solve(*matches):
    return solve_plane_pose(*matches, SMALL, PLANE, inlier_pixels=3.0)


@pytest.mark.parametrize('seed', range(8))
def test_exact_points_give_the_exact_pose(seed):
    spread = [0.05, 0.05, 0.03, 0.35, 0.35, 1.5]
    pose = se3.from_pose_vector(np.random.default_rng(seed).normal(size=6) * spread)
    found = solve(*correspondences(pose, seed=seed))
    np.testing.assert_allclose(found.current_T_desired, pose, atol=1e-5)
    assert found.support == pytest.approx(120)


@pytest.mark.parametrize('slope', [(0.4, -0.2), (-0.8, 0.3), (0.1, 1.1)])
def test_an_oblique_plane_is_found_with_the_pose(slope):
    """Over a motion that shows it; the prior, of 17 degrees, gives way.

    The motion is sideways: the other plane that its homography leaves open is too steep to be seen.
    """
    pose = se3.from_pose_vector([0.06, -0.05, 0.0, 0.3, 0.2, 1.0])
    found = solve(*correspondences(pose, slope=slope, noise=0.1))
    np.testing.assert_allclose(found.slope, slope, atol=0.06)
    translation, rotation = se3.pose_error(se3.inverse(pose) @ found.current_T_desired)
    assert translation < 0.004
    assert rotation < np.deg2rad(1.0)


@pytest.mark.parametrize(('slope', 'twin'), [((-0.8, 0.3), (-0.31, -0.69)), ((0.1, 1.1), (-0.13, -0.54))])
def test_of_the_two_planes_that_a_motion_leaves_open_the_believed_one_is_taken(slope, twin):
    """Both explain the points alike, each with a pose of its own."""
    pose = se3.from_pose_vector([0.06, -0.05, 0.04, 0.3, 0.2, 1.0])
    matches = correspondences(pose, slope=slope, noise=0.1)
    for believed, expected in ((slope, slope), (twin, twin), ((0.0, 0.0), twin)):
        plane = ScenePlane(DEPTH, np.array(believed))
        found = solve_plane_pose(*matches, SMALL, plane, inlier_pixels=3.0)
        np.testing.assert_allclose(found.slope, expected, atol=0.06)
        assert found.support == pytest.approx(120)
        rotation = se3.pose_error(se3.inverse(pose) @ found.current_T_desired)[1]
        assert (rotation < np.deg2rad(1)) == (expected == slope)


@pytest.mark.parametrize('slope', [(-0.8, 0.3), (0.1, 1.1)])
def test_of_the_planes_of_a_homography_the_one_nearer_to_the_belief_is_taken(slope):
    pose = se3.from_pose_vector([0.06, -0.05, 0.04, 0.3, 0.2, 1.0])
    true = PLANE.at(np.array(slope))
    homography = true.homography(pose, SMALL)
    twin = true.twin(pose, SMALL)
    for wanted_pose, wanted_slope in ((pose, true.slope), twin):
        believed = PLANE.at(0.8 * wanted_slope)
        found = plane_pose_of(homography, SMALL, believed, 0.05)
        np.testing.assert_allclose(found.slope, wanted_slope, atol=1e-4)
        np.testing.assert_allclose(found.current_T_desired, wanted_pose, atol=1e-4)


def test_a_homography_that_the_believed_plane_explains_teaches_no_other():
    """It is that of matches, half a pixel off, over a motion of a centimetre."""
    pose = se3.from_pose_vector([0.01, 0.0, 0.005, 0.1, 0, 0.4])
    known = ScenePlane.with_normal(DEPTH, (0.5, -0.3, 1.0))
    noisy = known.homography(pose, SMALL) + np.array([[3e-3, 2e-3, 0.5], [-2e-3, 3e-3, -0.4], [0, 0, 0]])
    found = plane_pose_of(noisy, SMALL, known, 3.0)
    np.testing.assert_array_equal(found.slope, known.slope)
    assert se3.pose_error(se3.inverse(pose) @ found.current_T_desired)[1] < np.deg2rad(2)


def test_a_start_at_another_slope_is_drawn_to_the_belief_where_the_motion_shows_none():
    turned = se3.from_pose_vector([0, 0, 0, 0, 0, 0.4])
    known = ScenePlane.with_normal(DEPTH, (0.5, -0.3, 1.0))
    start = PlanePose(turned, np.array([0.2, 0.1]), 0.0)
    matches = correspondences(turned, slope=(0.5, -0.3))
    found = solve_plane_pose(*matches, SMALL, known, inlier_pixels=3.0, start=start)
    np.testing.assert_allclose(found.slope, known.slope, atol=0.02)


def test_a_motion_that_does_not_show_the_slope_leaves_the_belief():
    known = ScenePlane.with_normal(DEPTH, (0.5, -0.3, 1.0))
    matches = correspondences(se3.from_pose_vector([0, 0, 0, 0, 0, 0.4]), slope=(0.5, -0.3), noise=0.5)
    found = solve_plane_pose(*matches, SMALL, known, inlier_pixels=3.0)
    np.testing.assert_allclose(found.slope, (0.5, -0.3), atol=0.05)


def test_a_third_of_wrong_matches_does_no_harm():
    pose = se3.from_pose_vector([0.03, -0.02, 0.02, 0.2, -0.3, 1.0])
    found = solve(*correspondences(pose, noise=0.5, outliers=0.35))
    translation, rotation = se3.pose_error(se3.inverse(pose) @ found.current_T_desired)
    assert translation < 0.004
    assert rotation < np.deg2rad(1.0)
    assert 60 < found.support < 90


def test_no_pose_is_made_of_too_few_points():
    assert solve(*correspondences(np.eye(4), count=7)) is None


def test_the_same_matches_give_the_same_pose():
    matches = correspondences(se3.from_pose_vector([0.03, 0, 0.02, 0.2, 0, 1.0]), noise=1.0, outliers=0.5)
    np.testing.assert_array_equal(solve(*matches).current_T_desired, solve(*matches).current_T_desired)
