from __future__ import annotations

import numpy as np
import pytest

from cnn_vs_ros.control import AdaptiveGain, PbvsLaw
from cnn_vs_ros.errors import ParameterError, PoseError
from cnn_vs_ros.geometry import PoseStatus, RelativePose, se3

START = se3.from_pose_vector([0.04, -0.05, 0.03, 0.3, -0.4, 0.9])


def closed_loop(law: PbvsLaw, pose: np.ndarray, dt: float, steps: int) -> list[np.ndarray]:
    """Poses of a camera that follows the law exactly: the twist is in the current camera's own frame."""
    poses = [pose]
    for _ in range(steps):
        pose = pose @ se3.exp(law(RelativePose(pose)) * dt)
        poses.append(pose)
    return poses


def test_both_errors_decay_exponentially_with_the_gain_as_rate():
    gain, dt = 0.8, 1e-3
    poses = closed_loop(PbvsLaw(gain), START, dt, 2000)
    errors = np.array([se3.pose_error(pose) for pose in poses])
    expected = np.exp(-gain * dt * np.arange(len(poses)))[:, None] * errors[0]
    np.testing.assert_allclose(errors, expected, rtol=2e-3)


def test_the_camera_centre_moves_on_a_straight_line_and_the_axis_of_rotation_is_kept():
    poses = closed_loop(PbvsLaw(1.0), START, 1e-3, 1500)
    centres = np.array([pose[:3, 3] for pose in poses])
    axes = np.array([se3.rotation_log(pose[:3, :3]) for pose in poses])
    for vectors in (centres, axes):
        directions = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        np.testing.assert_allclose(directions, np.broadcast_to(directions[0], directions.shape), atol=2e-3)


def test_twist_is_zero_exactly_at_the_goal():
    np.testing.assert_array_equal(PbvsLaw(0.8)(RelativePose(np.eye(4))), np.zeros(6))


def test_equation_6_term_by_term():
    rotation, translation = START[:3, :3], START[:3, 3]
    twist = PbvsLaw(0.5)(RelativePose(START))
    np.testing.assert_allclose(twist[:3], -0.5 * rotation.T @ translation)
    np.testing.assert_allclose(twist[3:], -0.5 * se3.rotation_log(rotation))


def test_adaptive_gain_sees_translation_in_units_of_length():
    gain = AdaptiveGain(at_zero=4.0, at_infinity=0.5, slope_at_zero=10.0)
    turned = se3.from_pose_vector([0, 0, 0, 0, 0.1, 0])
    moved = se3.from_pose_vector([0, 0.1 * 0.3, 0, 0, 0, 0])
    law = PbvsLaw(gain, length=0.3)
    assert np.linalg.norm(law.twist(turned)) == pytest.approx(gain(0.1) * 0.1)
    assert np.linalg.norm(law.twist(moved)) == pytest.approx(gain(0.1) * 0.1 * 0.3)


def test_there_is_no_twist_for_a_lost_pose():
    with pytest.raises(PoseError, match='lost'):
        PbvsLaw()(RelativePose(START, status=PoseStatus.LOST))


@pytest.mark.parametrize('value', [np.nan, np.inf])
def test_there_is_no_twist_for_a_pose_that_is_not_finite(value):
    pose = START.copy()
    pose[1, 3] = value
    with pytest.raises(PoseError, match='finite'):
        PbvsLaw()(RelativePose(pose))


@pytest.mark.parametrize('gain', [0.0, -1.0, np.nan, np.inf])
def test_gain_must_be_positive_and_finite(gain):
    with pytest.raises(ParameterError, match='gain'):
        PbvsLaw(gain)
