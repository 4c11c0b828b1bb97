import numpy as np
import pytest

from cnn_vs_ros.errors import PoseError
from cnn_vs_ros.geometry import (
    PinholeCamera,
    camera_sees_plane,
    decompose_homography,
    image_shift,
    plane_homography,
    pose_from_homography,
    se3,
    warp_plane,
)

CAMERA = PinholeCamera(640, 480, 600.0, 610.0, 315.0, 244.0)
DEPTH = 0.25


def random_poses(count, seed=0):
    rng = np.random.default_rng(seed)
    spread = np.array([0.06, 0.06, 0.04, 0.4, 0.4, 1.5])
    return [se3.from_pose_vector(rng.normal(size=6) * spread) for _ in range(count)]


@pytest.mark.parametrize('current_T_desired', random_poses(10))
@pytest.mark.parametrize('normal', [(0.0, 0.0, 1.0), (0.1, -0.2, 0.9747)])
def test_homography_agrees_with_projected_points(current_T_desired, normal):
    rays = CAMERA.rays(np.random.default_rng(1).uniform((0, 0), CAMERA.size, size=(40, 2)))
    points = rays * (DEPTH / (rays @ normal))[:, None]
    moved = points @ current_T_desired[:3, :3].T + current_T_desired[:3, 3]
    homography = plane_homography(current_T_desired, DEPTH, CAMERA, normal=normal)
    pixels = np.column_stack([CAMERA.project(points), np.ones(len(points))]) @ homography.T
    front = moved[:, 2] > 0.01
    np.testing.assert_allclose((pixels[:, :2] / pixels[:, 2:])[front], CAMERA.project(moved)[front], atol=1e-6)


def test_homography_between_two_cameras():
    current_T_desired = random_poses(1, seed=3)[0]
    other = PinholeCamera(320, 200, 250.0, 250.0, 159.5, 99.5)
    point = np.array([0.02, -0.01, DEPTH])
    pixel = plane_homography(current_T_desired, DEPTH, CAMERA, other) @ np.append(CAMERA.project(point), 1)
    moved = current_T_desired[:3, :3] @ point + current_T_desired[:3, 3]
    np.testing.assert_allclose(pixel[:2] / pixel[2], other.project(moved), atol=1e-9)


@pytest.mark.parametrize('current_T_desired', random_poses(10, seed=4))
@pytest.mark.parametrize('factor', [1.0, -3.7])
def test_pose_from_homography_inverts_it_at_any_scale_and_sign(current_T_desired, factor):
    homography = factor * plane_homography(current_T_desired, DEPTH, CAMERA)
    np.testing.assert_allclose(pose_from_homography(homography, CAMERA, DEPTH), current_T_desired, atol=1e-9)


OBLIQUE = [(0.4, -0.3, 1.0), (-1.0, 0.2, 1.0), (0.1, 1.4, 1.0)]  # 27, 46 and 55 degrees from the axis


@pytest.mark.parametrize('normal', OBLIQUE)
@pytest.mark.parametrize('factor', [1.0, -3.7])
def test_the_pose_over_a_plane_of_known_normal_is_that_of_its_homography(normal, factor):
    for current_T_desired in random_poses(5, seed=6):
        homography = factor * plane_homography(current_T_desired, DEPTH, CAMERA, normal=normal)
        found = pose_from_homography(homography, CAMERA, DEPTH, normal)
        np.testing.assert_allclose(found, current_T_desired, atol=1e-9)
        taken_for_square = pose_from_homography(homography, CAMERA, DEPTH)
        assert np.abs(taken_for_square - current_T_desired).max() > 1e-3


@pytest.mark.parametrize('normal', OBLIQUE)
@pytest.mark.parametrize('factor', [1.0, -3.7])
def test_a_homography_is_taken_apart_into_planes_that_explain_it_the_true_one_among_them(normal, factor):
    for current_T_desired in random_poses(5, seed=7):
        homography = plane_homography(current_T_desired, DEPTH, CAMERA, normal=normal)
        found = decompose_homography(factor * homography, CAMERA, DEPTH)
        assert 1 <= len(found) <= 2
        distances = [
            max(np.abs(pose - current_T_desired).max(), np.abs(each - normal).max()) for pose, each in found
        ]
        assert min(distances) < 1e-6
        for pose, each in found:
            assert each[2] == pytest.approx(1.0)
            again = plane_homography(pose, DEPTH, CAMERA, normal=each)
            np.testing.assert_allclose(again / again[2, 2], homography / homography[2, 2], rtol=1e-6, atol=1e-6)


def test_a_motion_that_shows_no_parallax_tells_of_no_plane():
    turned = se3.from_pose_vector([0, 0, 0, 0.2, -0.1, 0.5])
    assert decompose_homography(plane_homography(turned, DEPTH, CAMERA, normal=OBLIQUE[0]), CAMERA, DEPTH) == []


def test_translation_scales_with_depth():
    current_T_desired = se3.from_pose_vector([0.03, -0.02, 0.01, 0.1, 0.2, 0.3])
    homography = plane_homography(current_T_desired, DEPTH, CAMERA)
    doubled = pose_from_homography(homography, CAMERA, 2 * DEPTH)
    np.testing.assert_allclose(doubled[:3, 3], 2 * current_T_desired[:3, 3], atol=1e-12)
    np.testing.assert_allclose(doubled[:3, :3], current_T_desired[:3, :3], atol=1e-12)


def test_warp_moves_the_picture_the_right_way():
    """A camera moved to the right sees the scene further left."""
    image = np.zeros((480, 640), np.uint8)
    image[200:280, 300:340] = 255
    desired_T_current = se3.from_pose_vector([0.02, 0, 0, 0, 0, 0])
    warped, mask = warp_plane(image, se3.inverse(desired_T_current), DEPTH, CAMERA)
    shift = 600.0 * 0.02 / DEPTH
    assert np.argwhere(warped > 128)[:, 1].mean() == pytest.approx(319.5 - shift, abs=0.5)
    assert mask[240, 100]
    assert not mask[240, 639]  # beyond the right edge of the reference


def test_the_identity_warp_changes_nothing():
    image = np.random.default_rng(0).integers(0, 255, (480, 640, 3), dtype=np.uint8)
    warped, mask = warp_plane(image, np.eye(4), DEPTH, CAMERA)
    np.testing.assert_array_equal(warped, image)
    assert mask.all()


def test_points_behind_the_camera_are_masked_not_mirrored():
    """Tilted by 70 degrees, the upper part of the view looks past the plane's horizon."""
    image = np.full((480, 640), 200, np.uint8)
    tilted = se3.from_pose_vector([0, 0, 0.1, np.deg2rad(70), 0, 0])
    warped, mask = warp_plane(image, tilted, DEPTH, CAMERA, fill=7)
    sees = camera_sees_plane(tilted, DEPTH, CAMERA)
    rays = CAMERA.rays(np.stack(np.meshgrid(np.arange(640), np.arange(480)), axis=-1))
    back = se3.inverse(tilted)
    directions = rays @ back[:3, :3].T
    ahead = (DEPTH - back[2, 3]) / directions[..., 2] > 0  # intersect each ray with the plane z = DEPTH
    np.testing.assert_array_equal(sees, ahead)
    assert 0 < sees.sum() < sees.size
    assert not mask[~ahead].any()
    assert (warped[~mask] == 7).all()


def test_bad_input_is_told_in_a_sentence():
    with pytest.raises(PoseError, match='positive metres but is 0'):
        plane_homography(np.eye(4), 0.0, CAMERA)
    with pytest.raises(PoseError, match='invertible'):
        pose_from_homography(np.zeros((3, 3)), CAMERA, DEPTH)


def test_image_shift_is_the_motion_of_the_corners():
    assert image_shift(np.eye(4), np.eye(4), 0.25, CAMERA) == 0
    sideways = se3.from_pose_vector([0.01, 0, 0, 0, 0, 0])
    assert image_shift(np.eye(4), sideways, 0.25, CAMERA) == pytest.approx(0.01 / 0.25 * CAMERA.fx)
    assert image_shift(sideways, np.eye(4), 0.5, CAMERA) == pytest.approx(0.01 / 0.5 * CAMERA.fx)
    behind = se3.from_pose_vector([0, 0, -0.3, 0, 0, 0])
    assert image_shift(np.eye(4), behind, 0.25, CAMERA) == np.inf


def test_image_shift_of_a_view_that_runs_to_the_horizon_is_that_of_its_middle():
    turned = se3.from_pose_vector([0, 0, 0, 0, np.deg2rad(65), 0])
    left, middle, right = plane_homography(turned, DEPTH, CAMERA)[2] @ np.array(
        [[0, 320, 640], [240] * 3, [1] * 3]
    )
    assert left < 0 < middle < right or right < 0 < middle < left
    assert image_shift(turned, turned, DEPTH, CAMERA) == 0
    slid = se3.from_pose_vector([1e-4, 0, 0, 0, 0, 0]) @ turned
    of_the_middle = 1e-4 / (middle * DEPTH) * CAMERA.fx
    assert 0.8 < image_shift(turned, slid, DEPTH, CAMERA) / of_the_middle < 2.0
