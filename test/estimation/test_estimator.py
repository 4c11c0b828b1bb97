"""The estimator with the shipped network: it must find, follow and know when it does not know."""

import cv2
import numpy as np
import pytest

from cnn_vs_ros.errors import ImageError, ReferenceFolderError
from cnn_vs_ros.estimation import PoseEstimator, Reference
from cnn_vs_ros.geometry import PinholeCamera, PoseStatus, se3
from test.scenes import CAMERA, DEPTH, drawn_texture, view

FAR = [
    se3.from_pose_vector(vector)
    for vector in (
        [0.025, -0.02, 0.02, 0.15, 0.1, 0.9],
        [-0.05, 0.02, -0.02, -0.3, 0.2, -2.0],
        [0.02, 0.04, 0.03, 0.1, 0.3, 3.0],
    )
]


@pytest.fixture(scope='module')
def texture():
    return drawn_texture()


@pytest.fixture(scope='module')
def estimator(texture):
    estimator = PoseEstimator.load('scene_agnostic')
    estimator.set_reference(Reference(view(texture, np.eye(4), seed=1), CAMERA, DEPTH))
    return estimator


@pytest.fixture(autouse=True)
def _fresh_track(estimator):
    estimator.reset()


def error(pose, desired_T_current):
    return se3.pose_error(se3.inverse(desired_T_current) @ pose.transform)


@pytest.mark.parametrize('desired_T_current', FAR, ids=['turned 53', 'turned 117', 'turned 173 degrees'])
def test_the_network_finds_the_reference_from_far(estimator, texture, desired_T_current):
    pose = estimator.estimate(view(texture, desired_T_current, seed=2))
    assert pose.status is PoseStatus.ACQUIRED
    translation, rotation = error(pose, desired_T_current)
    assert translation < 0.003
    assert rotation < np.deg2rad(0.7)


def test_the_transform_is_the_current_camera_in_the_desired_frame(estimator, texture):
    """Not its inverse: the two differ most where translation and rotation are both large."""
    pose = estimator.estimate(view(texture, FAR[0], seed=2))
    assert error(pose, FAR[0])[0] < 0.1 * error(pose, se3.inverse(FAR[0]))[0]


def test_it_follows_a_moving_camera_to_the_goal(estimator, texture):
    statuses = []
    pose = None
    for step in range(25):
        share = (1 - step / 24) ** 2
        truth = se3.from_pose_vector(share * se3.pose_vector(FAR[0]))
        pose = estimator.estimate(view(texture, truth, seed=step))
        statuses.append(pose.status)
    assert statuses[0] is PoseStatus.ACQUIRED
    assert statuses.count(PoseStatus.TRACKED) >= 23
    assert error(pose, np.eye(4))[0] < 1e-4
    assert error(pose, np.eye(4))[1] < np.deg2rad(0.02)


def test_a_known_motion_keeps_the_track_through_a_jump(estimator, texture):
    estimator.estimate(view(texture, np.eye(4), seed=1))
    jump = se3.from_pose_vector([0.03, 0.02, 0.01, 0.0, 0.1, 0.5])
    pose = estimator.estimate(view(texture, jump, seed=2), motion=jump)
    assert pose.status is PoseStatus.TRACKED
    assert error(pose, jump)[0] < 0.002


def test_a_jump_is_acquired_anew(estimator, texture):
    estimator.estimate(view(texture, np.eye(4), seed=1))
    pose = estimator.estimate(view(texture, FAR[1], seed=2))
    assert pose.status is PoseStatus.ACQUIRED
    assert error(pose, FAR[1])[0] < 0.003


@pytest.mark.parametrize(
    'image',
    [
        np.zeros((480, 640), np.uint8),
        np.full((480, 640), 255, np.uint8),
        np.random.default_rng(0).integers(0, 255, (480, 640), dtype=np.uint8),
        view(drawn_texture(seed=77), FAR[0], seed=3),
    ],
    ids=['black', 'white', 'noise', 'another scene'],
)
def test_what_does_not_show_the_reference_is_lost(estimator, image):
    pose = estimator.estimate(image)
    assert pose.status is PoseStatus.LOST
    assert pose.confidence < 0.1
    assert np.isinf(pose.covariance).all()


def test_a_covered_lens_is_lost_at_once_and_sight_restores_the_track(estimator, texture):
    estimator.estimate(view(texture, FAR[0], seed=1))
    assert estimator.estimate(np.full((480, 640), 8, np.uint8)).is_lost
    assert estimator.estimate(view(texture, FAR[0], seed=2)).status is PoseStatus.TRACKED


def test_a_lens_that_stays_covered_ends_the_track(estimator, texture):
    for seed in range(4):
        estimator.estimate(view(texture, FAR[0], seed=seed))
    for _ in range(6):
        assert estimator.estimate(np.full((480, 640), 8, np.uint8)).is_lost
    assert estimator.estimate(view(texture, FAR[0], seed=2)).status is PoseStatus.ACQUIRED


def _out_of_focus(texture, rng):
    return cv2.GaussianBlur(view(texture, np.eye(4), seed=1), (0, 0), 40)


def _covered(texture, rng):
    return np.clip(rng.normal(rng.uniform(0, 60), 3, (480, 640)), 0, 255).astype(np.uint8)


def _elsewhere(texture, rng):
    return view(drawn_texture(seed=int(rng.integers(100, 10**6))), se3.from_pose_vector(rng.normal(0, 0.02, 6)))


@pytest.mark.parametrize('scene', [_out_of_focus, _covered, _elsewhere])
def test_nothing_of_the_reference_in_sight_is_lost_in_99_of_100_images(estimator, texture, scene):
    rng = np.random.default_rng(3)
    estimator.estimate(view(texture, np.eye(4), seed=1))
    images = [scene(texture, rng) for _ in range(8)]
    answers = [estimator.estimate(images[index % len(images)]) for index in range(24)]
    assert all(answer.is_lost for answer in answers)


def test_a_quarter_covered_still_tracks(estimator, texture):
    estimator.estimate(view(texture, np.eye(4), seed=1))
    image = view(texture, np.eye(4), seed=2)
    image[100:340, 200:520] = drawn_texture(seed=9)[:240, :320]
    pose = estimator.estimate(image)
    assert pose.status is PoseStatus.TRACKED
    assert error(pose, np.eye(4))[0] < 0.001


def test_colour_and_grey_images_agree(estimator, texture):
    grey = view(texture, FAR[0], seed=1)
    first = estimator.estimate(grey)
    estimator.reset()
    second = estimator.estimate(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR))
    np.testing.assert_allclose(first.transform, second.transform, atol=1e-4)


def test_the_same_images_give_the_same_poses(estimator, texture):
    images = [view(texture, FAR[0], seed=1), view(texture, FAR[0], seed=2)]
    runs = []
    for _ in range(2):
        estimator.reset()
        runs.append([estimator.estimate(image).transform for image in images])
    np.testing.assert_array_equal(runs[0], runs[1])


def test_a_wrong_depth_scales_the_translation_not_the_goal(texture):
    estimator = PoseEstimator.load('scene_agnostic')
    estimator.set_reference(Reference(view(texture, np.eye(4), seed=1), CAMERA, 2 * DEPTH))
    offset = se3.from_pose_vector([0.02, -0.01, 0.01, 0.05, 0.1, 0.3])
    pose = estimator.estimate(view(texture, offset, seed=2))
    np.testing.assert_allclose(pose.transform[:3, 3], 2 * offset[:3, 3], atol=0.002)
    estimator.reset()
    assert error(estimator.estimate(view(texture, np.eye(4), seed=3)), np.eye(4))[0] < 2e-4


def test_a_distorting_camera_is_undistorted(texture):
    camera = PinholeCamera(640, 480, 600.0, 600.0, 319.5, 239.5, (-0.15, 0.03, 0.0, 0.0, 0.0))

    def distorted(image):
        pixels = np.stack(np.meshgrid(np.arange(640.0), np.arange(480.0)), axis=-1).reshape(-1, 1, 2)
        coefficients = np.array(camera.distortion)
        ideal = cv2.undistortPoints(pixels, camera.matrix, coefficients, P=camera.matrix)
        maps = ideal.reshape(480, 640, 2).astype(np.float32)
        return cv2.remap(image, maps[..., 0], maps[..., 1], cv2.INTER_LINEAR)

    estimator = PoseEstimator.load('scene_agnostic')
    estimator.set_reference(Reference(distorted(view(texture, np.eye(4), seed=1)), camera, DEPTH))
    pose = estimator.estimate(distorted(view(texture, FAR[0], seed=2)))
    assert error(pose, FAR[0])[0] < 0.004


def test_bad_input_is_told_in_a_sentence(estimator):
    with pytest.raises(ImageError, match='640x480'):
        estimator.estimate(np.zeros((240, 320), np.uint8))
    with pytest.raises(ImageError, match='uint8'):
        estimator.estimate(np.zeros((480, 640), np.float32))
    with pytest.raises(ReferenceFolderError, match='reference should be set'):
        PoseEstimator.load('scene_agnostic').estimate(np.zeros((480, 640), np.uint8))
