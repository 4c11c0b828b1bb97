import numpy as np
import pytest

from cnn_vs_ros.errors import PoseError
from cnn_vs_ros.geometry import se3


def random_twists(count=50, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, 6)) * rng.choice([1e-9, 1e-5, 1e-2, 0.6], size=(count, 1))


@pytest.mark.parametrize('xi', random_twists())
def test_log_inverts_exp(xi):
    np.testing.assert_allclose(se3.log(se3.exp(xi)), xi, atol=1e-9)


@pytest.mark.parametrize('xi', random_twists(20, seed=1))
def test_pose_vector_round_trip(xi):
    np.testing.assert_allclose(se3.pose_vector(se3.from_pose_vector(xi)), xi, atol=1e-9)


def test_exp_follows_a_constant_twist():
    xi = np.array([0.3, -0.2, 0.5, 0.4, 0.9, -0.7])
    steps = 20000
    pose = np.eye(4)
    small = np.eye(4)
    small[:3, :3] += se3.skew(xi[3:]) / steps
    small[:3, 3] = xi[:3] / steps
    for _ in range(steps):
        pose = pose @ small
    np.testing.assert_allclose(se3.exp(xi), pose, atol=1e-4)


def test_rotation_by_half_a_turn_survives_the_round_trip():
    for axis in np.eye(3):
        rotation = se3.rotation_exp(np.pi * axis)
        np.testing.assert_allclose(se3.rotation_exp(se3.rotation_log(rotation)), rotation, atol=1e-9)


def test_inverse_is_the_group_inverse():
    pose = se3.exp([0.1, -0.4, 0.2, 1.0, -0.5, 0.3])
    np.testing.assert_allclose(pose @ se3.inverse(pose), np.eye(4), atol=1e-12)


def test_normalised_removes_what_rounding_added():
    pose = se3.exp([0.1, -0.4, 0.2, 1.0, -0.5, 0.3])
    distorted = pose.copy()
    distorted[:3, :3] += 1e-4 * np.random.default_rng(0).standard_normal((3, 3))
    rigid = se3.normalised(distorted)
    np.testing.assert_allclose(rigid[:3, :3] @ rigid[:3, :3].T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(rigid, pose, atol=3e-4)


def test_adjoint_agrees_with_finite_differences():
    a_T_b = se3.exp([0.2, -0.1, 0.4, 0.5, -0.3, 0.8])
    step = 1e-6
    for axis in np.eye(6):
        moved = se3.log(a_T_b @ se3.exp(step * axis) @ se3.inverse(a_T_b)) / step
        np.testing.assert_allclose(se3.adjoint(a_T_b) @ axis, moved, atol=1e-6)


def test_adjoint_is_a_homomorphism():
    a_T_b, b_T_c = se3.exp([0.2, -0.1, 0.4, 0.5, -0.3, 0.8]), se3.exp([-0.3, 0.3, 0.1, -0.7, 0.2, 0.1])
    np.testing.assert_allclose(se3.adjoint(a_T_b @ b_T_c), se3.adjoint(a_T_b) @ se3.adjoint(b_T_c), atol=1e-12)


def test_quaternion_round_trip_and_order():
    quaternion = se3.quaternion_xyzw(se3.rotation_exp([0.0, 0.0, np.pi / 2]))
    np.testing.assert_allclose(quaternion, [0, 0, np.sqrt(0.5), np.sqrt(0.5)], atol=1e-12)
    for xi in random_twists(20, seed=2):
        rotation = se3.rotation_exp(xi[3:])
        back = se3.rotation_from_quaternion_xyzw(se3.quaternion_xyzw(rotation))
        np.testing.assert_allclose(back, rotation, atol=1e-9)


@pytest.mark.parametrize(
    ('call', 'message'),
    [
        (lambda: se3.exp([1, 2, 3]), r'shape \(6,\) but got shape \(3,\)'),
        (lambda: se3.exp([np.nan] * 6), 'should be finite'),
        (lambda: se3.as_transform(np.diag([1, 1, -1, 1])), 'not rigid'),
        (lambda: se3.as_transform(np.eye(3)), r'shape \(4, 4\)'),
        (lambda: se3.rotation_from_quaternion_xyzw([0, 0, 0, 0]), 'unit length'),
    ],
)
def test_bad_input_is_told_in_a_sentence(call, message):
    with pytest.raises(PoseError, match=message):
        call()
