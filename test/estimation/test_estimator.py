"""The estimator with the shipped network: it must find, follow and know when it does not know."""

import cv2
import numpy as np
import pytest

from cnn_vs_ros.errors import ImageError, ReferenceFolderError
from cnn_vs_ros.estimation import PoseEstimator, Reference
from cnn_vs_ros.estimation.coarse.acquisition import WAYS, Acquisition
from cnn_vs_ros.estimation.fine.alignment import TRACK_STAGES
from cnn_vs_ros.estimation.fine.confidence import Match
from cnn_vs_ros.estimation.plane import ScenePlane
from cnn_vs_ros.geometry import PinholeCamera, PoseStatus, se3
from test.scenes import CAMERA, DEPTH, drawn_texture, slope_of, tilted, view, wide_texture

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
def _fresh(estimator):
    estimator.reset()
    estimator.forget_scene()


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


@pytest.mark.parametrize(('then', 'status'), [(FAR[0], PoseStatus.TRACKED), (FAR[1], PoseStatus.ACQUIRED)])
def test_after_a_lens_stayed_covered_the_scene_is_looked_for_where_it_was_and_then_anew(
    estimator, texture, then, status
):
    for seed in range(4):
        estimator.estimate(view(texture, FAR[0], seed=seed))
    for _ in range(6):
        assert estimator.estimate(np.full((480, 640), 8, np.uint8)).is_lost
    pose = estimator.estimate(view(texture, then, seed=2))
    assert pose.status is status
    assert error(pose, then)[0] < 0.003


@pytest.mark.parametrize('outdoes', [True, False])
def test_a_track_that_grew_to_belief_is_reported_once_it_outdid_its_rivals(
    estimator, texture, monkeypatch, outdoes
):
    """While it was doubtful it may have slid to another place that looks like the reference."""
    asked = []
    monkeypatch.setattr(Acquisition, 'outdoes_rivals', lambda *_: asked.append(True) or outdoes)
    monkeypatch.setattr(Acquisition, 'find', lambda *_: None)
    image = view(texture, np.eye(4), seed=1)
    scene = estimator._scene
    found = scene.aligner.align(scene.pyramid(image), np.eye(4), scene.track.plane, TRACK_STAGES)
    scene.track.begin(Match(found, 0.4, 0.4), scene.pyramid(image))
    assert estimator.estimate(image, np.eye(4)).is_lost != outdoes
    assert estimator.estimate(image, np.eye(4)).is_lost != outdoes
    assert len(asked) == 1


def test_a_goal_half_covered_is_found_by_one_who_knows_that_it_is_there(estimator, texture):
    still = np.eye(4)
    image = view(texture, still, seed=2)
    image[:, 290:] = drawn_texture(seed=9)[:480, :350]
    assert estimator.estimate(image).is_lost  # what moves with the camera would fit there as well
    estimator.reset()
    for seed in (3, 4):
        estimator.estimate(view(texture, still, seed=seed), still)
    for _ in range(8):
        assert estimator.estimate(np.full((480, 640), 8, np.uint8), still).is_lost
    pose = estimator.estimate(image, still)
    assert pose.status is PoseStatus.TRACKED
    assert error(pose, still)[0] < 0.001


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
    estimator.forget_scene()
    second = estimator.estimate(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR))
    np.testing.assert_allclose(first.transform, second.transform, atol=1e-4)


def test_the_same_images_give_the_same_poses(estimator, texture):
    images = [view(texture, FAR[0], seed=1), view(texture, FAR[0], seed=2)]
    runs = []
    for _ in range(2):
        estimator.reset()
        estimator.forget_scene()
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


@pytest.mark.parametrize('coefficient', [-0.15, 0.1], ids=['barrel', 'pincushion'])
def test_a_distorting_camera_is_undistorted(texture, coefficient):
    """A pincushion lens shows less than its undistorted image: what is missing there is no part of the scene."""
    camera = PinholeCamera(640, 480, 600.0, 600.0, 319.5, 239.5, (coefficient, 0.03, 0.0, 0.0, 0.0))

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
    estimator.reset()
    pose = estimator.estimate(distorted(view(texture, np.eye(4), seed=2)))
    assert error(pose, np.eye(4))[0] < 5e-5
    assert pose.confidence > 0.9


def angle_between(plane, slope):
    """Degrees between the normals of a plane and of a slope."""
    other = ScenePlane(DEPTH).at(slope)
    return np.degrees(np.arccos(min(1.0, float(plane.unit_normal @ other.unit_normal))))


@pytest.mark.parametrize('angle', [20, 30, 45])
def test_a_reference_seen_obliquely_is_found_and_followed_to_the_goal_and_its_plane_is_learned(texture, angle):
    desired = tilted(angle, 0.6)
    estimator = PoseEstimator.load('scene_agnostic')
    estimator.set_reference(Reference(view(texture, desired, seed=1), CAMERA, DEPTH))
    for step in range(16):
        truth = se3.from_pose_vector((1 - step / 15) ** 2 * se3.pose_vector(FAR[0]))
        pose = estimator.estimate(view(texture, desired @ truth, seed=10 + step))
        assert pose.status is (PoseStatus.TRACKED if step else PoseStatus.ACQUIRED)
        assert error(pose, truth)[0] < 0.004
    assert error(pose, np.eye(4))[0] < 1e-4
    assert error(pose, np.eye(4))[1] < np.deg2rad(0.02)
    assert angle_between(estimator.plane, slope_of(desired)) < 2.0


def test_a_known_normal_is_where_the_estimate_of_the_plane_begins(texture):
    desired = tilted(45, 0.6)
    normal = (*slope_of(desired), 1.0)
    estimator = PoseEstimator.load('scene_agnostic')
    estimator.set_reference(Reference(view(texture, desired, seed=1), CAMERA, DEPTH, normal=normal))
    assert angle_between(estimator.plane, slope_of(desired)) < 1e-3
    pose = estimator.estimate(view(texture, desired @ FAR[0], seed=2))
    assert error(pose, FAR[0])[0] < 1e-3
    assert angle_between(estimator.plane, slope_of(desired)) < 1.0
    estimator.forget_scene()
    assert angle_between(estimator.plane, slope_of(desired)) < 1e-3


def looking_from(distance, *turn):
    """Pose of a camera that looks at the texture's middle from a distance, and is then turned."""
    place = se3.from_pose_vector([0, 0, DEPTH - distance, 0, 0, 0])
    return place @ se3.from_pose_vector([0, 0, 0, *(turn or (0, 0, 0))])


def reference_pixels_apart(first, second):
    """Pixels of the reference, at most, between what two homographies show about the middle of an image."""
    across, down = np.meshgrid(np.linspace(100, 540, 5), np.linspace(80, 400, 5))
    points = np.stack([across.ravel(), down.ravel(), np.ones(across.size)])
    shown = [np.linalg.inv(homography) @ points for homography in (first, second)]
    return np.linalg.norm(shown[0][:2] / shown[0][2] - shown[1][:2] / shown[1][2], axis=0).max()


@pytest.mark.parametrize(
    ('reference', 'current', 'pixels'), [(0.5, 0.17, 0.6), (0.5, 0.125, 0.6), (0.25, 0.4, 4.0), (0.25, 0.9, 8.0)]
)
def test_it_is_found_and_aligned_from_much_nearer_and_from_farther_at_any_roll(reference, current, pixels):
    desired = looking_from(reference)
    estimator = PoseEstimator.load('scene_agnostic')
    image = view(wide_texture(), desired, seed=1)
    estimator.set_reference(Reference(image, CAMERA, reference, normal=(0, 0, 1)))
    for roll in (0.4, 2.2, -1.6):
        place = looking_from(current, 0.04, -0.03, roll)
        estimator.reset()
        estimator.forget_scene()
        pose = estimator.estimate(view(wide_texture(), place, seed=2))
        assert pose.status is PoseStatus.ACQUIRED
        found = estimator.plane.homography(se3.inverse(pose.transform), CAMERA)
        true = ScenePlane(reference).homography(se3.inverse(place) @ desired, CAMERA)
        assert reference_pixels_apart(found, true) < pixels


def test_all_ways_of_looking_are_for_the_first_image_after_a_track_each_has_one():
    """The first may be the only one; in a stream each has to be answered soon."""
    estimator = PoseEstimator.load('scene_agnostic')
    near = view(wide_texture(), looking_from(DEPTH), seed=1)
    far = view(wide_texture(), looking_from(3.6 * DEPTH, 0.04, -0.03, 0.4), seed=2)
    estimator.set_reference(Reference(near, CAMERA, DEPTH, normal=(0, 0, 1)))
    assert not estimator.estimate(far).is_lost
    estimator.reset()
    assert not estimator.estimate(near).is_lost
    lost = [estimator.estimate(far).is_lost for _ in range(WAYS)]
    assert lost[0]
    assert not lost[-1]


@pytest.mark.parametrize(('around', 'roll'), [(0.3, 1.3), (1.9, -2.4), (4.0, 0.0)])
def test_it_is_found_at_55_degrees_of_obliquity(estimator, texture, around, roll):
    desired_T_current = tilted(55, around) @ se3.from_pose_vector([0, 0, 0, 0, 0, roll])
    pose = estimator.estimate(view(texture, desired_T_current, seed=2))
    assert pose.status is PoseStatus.ACQUIRED
    assert error(pose, desired_T_current)[0] < 0.002
    assert error(pose, desired_T_current)[1] < np.deg2rad(0.5)


GRIPPER = np.full((480, 640), 255, np.uint8)
GRIPPER[:, :192] = 0  # 30 % of the view


def held(image):
    """The image with a gripper before it, of as much contrast as the scene."""
    return np.where(GRIPPER > 0, image, drawn_texture(seed=33)[:480, :640])


@pytest.mark.parametrize('masked', [True, False], ids=['mask', 'no mask'])
def test_what_a_mask_leaves_out_has_no_part_in_the_pose(texture, masked):
    """Fixed to the camera, the gripper says that nothing moved; with a mask it says nothing."""
    estimator = PoseEstimator.load('scene_agnostic')
    mask = GRIPPER if masked else None
    estimator.set_reference(Reference(held(view(texture, np.eye(4), seed=1)), CAMERA, DEPTH, mask=mask))
    near = se3.from_pose_vector([0.004, -0.003, 0.002, 0.01, 0.01, 0.02])
    misses = []
    for desired_T_current in (FAR[0], near, np.eye(4)):
        estimator.reset()
        estimator.forget_scene()
        pose = estimator.estimate(held(view(texture, desired_T_current, seed=2)))
        misses.append(error(pose, desired_T_current))
        if masked:
            assert pose.status is PoseStatus.ACQUIRED
            assert pose.confidence > 0.8
    if masked:
        assert misses[0][0] < 0.002
        assert misses[1][0] < 2e-4
        assert misses[2][0] < 5e-5
    else:
        assert misses[1][0] > 1e-3  # so the mask is what it needs


def test_bad_input_is_told_in_a_sentence(estimator):
    with pytest.raises(ImageError, match='640x480'):
        estimator.estimate(np.zeros((240, 320), np.uint8))
    with pytest.raises(ImageError, match='uint8'):
        estimator.estimate(np.zeros((480, 640), np.float32))
    with pytest.raises(ReferenceFolderError, match='reference should be set'):
        PoseEstimator.load('scene_agnostic').estimate(np.zeros((480, 640), np.uint8))
