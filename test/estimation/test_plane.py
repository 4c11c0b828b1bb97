import numpy as np
import pytest

from cnn_vs_ros.errors import ReferenceFolderError
from cnn_vs_ros.estimation.plane import PRIOR, STEEPEST, UTMOST, ScenePlane, held
from cnn_vs_ros.geometry import se3
from test.scenes import CAMERA

DEPTH = 0.25


def test_the_depth_is_that_along_the_optical_axis_whatever_the_normal():
    plane = ScenePlane.with_normal(DEPTH, (0.3, -0.2, 0.8))
    assert plane.normal @ (0, 0, DEPTH) == pytest.approx(DEPTH)
    np.testing.assert_allclose(plane.unit_normal, np.array([0.3, -0.2, 0.8]) / np.linalg.norm([0.3, -0.2, 0.8]))
    flipped = ScenePlane.with_normal(DEPTH, (-0.3, 0.2, -0.8))
    np.testing.assert_allclose(flipped.slope, plane.slope)


def test_its_homography_takes_points_of_the_plane_where_the_camera_sees_them():
    plane = ScenePlane.with_normal(DEPTH, (0.3, -0.4, 1.0))
    pose = se3.from_pose_vector([0.03, -0.02, 0.05, 0.2, 0.1, 0.4])
    pixels = np.array([[100.0, 80.0], [500.0, 400.0], [320.0, 60.0]])
    rays = CAMERA.rays(pixels)
    points = rays * (DEPTH / (rays @ plane.normal))[:, None]
    shown = np.column_stack([pixels, np.ones(3)]) @ plane.homography(pose, CAMERA).T
    expected = CAMERA.project(points @ pose[:3, :3].T + pose[:3, 3])
    np.testing.assert_allclose(shown[:, :2] / shown[:, 2:], expected, atol=1e-8)


def test_what_images_tell_narrows_the_belief_but_never_closes_it():
    plane = ScenePlane(DEPTH)
    assert plane.sigma == pytest.approx(PRIOR)
    for _ in range(200):
        plane = plane.learned(np.array([0.4, 0.1]), np.diag([1e6, 0.0]))
    deviations = np.sqrt(np.diag(np.linalg.inv(plane.information)))
    assert deviations[0] == pytest.approx(0.01)
    assert deviations[1] == pytest.approx(PRIOR)


def test_an_image_is_the_new_mean_and_adds_what_its_residuals_tell():
    """The fit was drawn to the belief already. Residuals that are correlated count 25 times less."""
    belief = ScenePlane.with_normal(DEPTH, (0.2, 0.1, 1.0), 0.05)
    told, fitted = np.array([[900.0, 200.0], [200.0, 100.0]]), np.array([0.23, 0.08])
    after = belief.learned(fitted, told)
    np.testing.assert_allclose(after.slope, fitted)
    np.testing.assert_allclose(after.information, belief.information + told / 25)


def test_what_contradicts_the_belief_clearly_is_hardly_held_back():
    plane = ScenePlane.with_normal(DEPTH, (0.0, 0.0, 1.0), 0.05)
    pull = [np.linalg.norm(plane.drawn_to(np.array([away, 0.0])) @ [away, 0.0]) for away in (0.05, 0.1, 1.0)]
    assert pull[0] > 0.5 * pull[1]
    assert pull[2] < pull[1]


@pytest.mark.parametrize('normal', [(0, 0, 0), (1, 0, 0), (np.nan, 0, 1), (1, 1), (9, 0, 1)])
def test_what_cannot_be_a_normal_is_refused(normal):
    with pytest.raises(ReferenceFolderError, match='normal should'):
        ScenePlane.with_normal(DEPTH, normal)


def test_a_view_has_another_plane_with_a_pose_of_its_own():
    plane, pose = ScenePlane(DEPTH), se3.from_pose_vector([0.004, -0.003, 0.005, 0.01, 0.02, 0.05])
    other_pose, slope = plane.twin(pose, CAMERA)
    pixels = np.array([[100.0, 500.0, 320.0], [80.0, 400.0, 60.0], [1.0, 1.0, 1.0]])
    own, other = plane.homography(pose, CAMERA) @ pixels, plane.at(slope).homography(other_pose, CAMERA) @ pixels
    np.testing.assert_allclose(own[:2] / own[2], other[:2] / other[2], atol=1e-6)
    assert se3.pose_error(other_pose @ se3.inverse(pose))[0] > 0.004


def test_another_plane_whose_pose_is_nearer_than_a_confidence_promises_does_not_matter():
    pose = se3.from_pose_vector(0.05 * np.array([0.004, -0.003, 0.005, 0.01, 0.02, 0.05]))
    assert ScenePlane(DEPTH).twin(pose, CAMERA) is None


def test_a_slope_is_held_in_every_direction_alike():
    for slope in (np.array([6.0, 0.0]), np.array([-3.9, 3.9]), np.array([0.1, -9.0])):
        assert np.linalg.norm(held(slope)) == pytest.approx(UTMOST)
        np.testing.assert_allclose(held(slope) / UTMOST, slope / np.linalg.norm(slope))
    steep = np.array([0.0, STEEPEST])
    np.testing.assert_array_equal(held(steep), steep)
