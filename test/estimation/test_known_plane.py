"""What a known normal gives, what is learned of an unknown one, and what moves with the camera."""

import numpy as np
import pytest

from cnn_vs_ros.estimation import PoseEstimator, Reference
from cnn_vs_ros.estimation.fine.alignment import PhotometricAlignment
from cnn_vs_ros.estimation.fine.attached import AttachedParts
from cnn_vs_ros.estimation.plane import ScenePlane
from cnn_vs_ros.estimation.pyramid import ImagePyramid
from cnn_vs_ros.geometry import se3
from test.scenes import CAMERA, DEPTH, drawn_texture, slope_of, tilted, view, wide_texture

PLANE = ScenePlane(DEPTH)


@pytest.fixture(scope='module')
def texture():
    return drawn_texture()


@pytest.mark.parametrize(('distance', 'roll'), [(0.4, 1.1), (0.5, -2.6)])
def test_over_a_known_plane_the_pose_is_right_from_twice_the_distance(distance, roll):
    estimator = PoseEstimator.load('scene_agnostic')
    estimator.set_reference(Reference(view(wide_texture(), np.eye(4), seed=1), CAMERA, DEPTH, normal=(0, 0, 1)))
    place = se3.from_pose_vector([0, 0, DEPTH - distance, 0, 0, 0])
    place = place @ se3.from_pose_vector([0, 0, 0, 0.04, -0.03, roll])
    pose = estimator.estimate(view(wide_texture(), place, seed=2))
    assert se3.pose_error(se3.inverse(place) @ pose.transform)[0] < 0.004 * distance / DEPTH


@pytest.mark.parametrize(('angle', 'around'), [(20, 3.5), (45, 5.2)])
def test_what_is_learned_of_the_plane_is_kept_at_the_goal(texture, angle, around):
    desired = tilted(angle, around)
    estimator = PoseEstimator.load('scene_agnostic')
    estimator.set_reference(Reference(view(texture, desired, seed=1), CAMERA, DEPTH))
    for step in range(20):
        truth = se3.from_pose_vector((1 - step / 19) ** 2 * np.array([0.025, -0.02, 0.02, 0.15, 0.1, 0.9]))
        estimator.estimate(view(texture, desired @ truth, seed=10 + step))
    true = ScenePlane(DEPTH).at(slope_of(desired)).unit_normal
    assert np.degrees(np.arccos(min(1.0, estimator.plane.unit_normal @ true))) < 1.0


def held(image: np.ndarray) -> np.ndarray:
    """Hold a gripper, textured itself, into the lower third of an image."""
    image = image.copy()
    image[330:] = drawn_texture(seed=31, width=640, height=480)[330:]
    return image


def attached_after(texture, places, hold=held):
    reference = ImagePyramid(hold(view(texture, np.eye(4), seed=1)), CAMERA)
    aligner, parts = PhotometricAlignment(reference, PLANE), AttachedParts(reference.levels[0])
    for seed, desired_T_current in enumerate(places):
        image = ImagePyramid(hold(view(texture, desired_T_current, seed=seed)), CAMERA)
        found = aligner.align(image, se3.inverse(desired_T_current), PLANE)
        parts.update(image.levels[0], found)
    return parts.mask


FAR = [se3.from_pose_vector([0.03 - 0.002 * k, -0.02, 0.01, 0.05, 0.1, 0.3]) for k in range(8)]


def test_what_stays_in_place_while_the_camera_moves_is_found(texture):
    mask = attached_after(texture, FAR)
    assert mask[44:58].mean() > 0.6
    assert mask[:38].mean() < 0.05


@pytest.mark.parametrize('places', [FAR, [np.eye(4)] * 8], ids=['no gripper', 'no motion'])
def test_nothing_is_attached_without_a_gripper_or_without_motion(texture, places):
    hold = held if places is not FAR else (lambda image: image)
    mask = attached_after(texture, places, hold)
    assert mask is None or mask.mean() < 0.03


def test_what_is_attached_no_longer_draws_the_pose_to_the_reference(texture):
    """Four millimetres before the goal a gripper over a third of the view says that it is reached."""
    reference = ImagePyramid(held(view(texture, np.eye(4), seed=1)), CAMERA)
    near = se3.from_pose_vector([0.003, -0.003, 0.002, 0.006, 0.006, 0.01])
    image = ImagePyramid(held(view(texture, near, seed=2)), CAMERA)
    aligner = PhotometricAlignment(reference, PLANE)
    misses = []
    for mask in (None, attached_after(texture, FAR)):
        aligner.leave_out(mask)
        found = aligner.align(image, np.eye(4), PLANE)
        misses.append(se3.pose_error(near @ found.current_T_desired)[0])
    assert misses[1] < 3e-4 < misses[0]
