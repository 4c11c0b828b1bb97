from __future__ import annotations

import numpy as np

from cnn_vs_ros.control import MotionHistory
from cnn_vs_ros.control.motion_history import STANDSTILL
from cnn_vs_ros.geometry import se3

TWISTS = np.random.default_rng(1).normal(0, (0.1, 0.1, 0.1, 0.8, 0.8, 0.8), (6, 6))


def recorded() -> MotionHistory:
    history = MotionHistory(horizon=1.0)
    for index, twist in enumerate(TWISTS):
        history.add(10.0 + 0.1 * index, twist)
    return history


def test_a_constant_twist_is_followed_for_the_time_between():
    history = MotionHistory()
    history.add(0.0, TWISTS[0])
    np.testing.assert_allclose(history.motion(0.02, 0.09), se3.exp(TWISTS[0] * 0.07), atol=1e-12)


def test_a_twist_is_held_no_longer_than_whoever_drives_the_arm_follows_it():
    history = MotionHistory()
    history.add(0.0, TWISTS[0])
    history.add(0.7, TWISTS[1])
    held = se3.exp(TWISTS[0] * STANDSTILL)
    np.testing.assert_allclose(history.motion(0.0, 0.7), held, atol=1e-12)
    np.testing.assert_allclose(history.motion(0.0, 0.75), held @ se3.exp(TWISTS[1] * 0.05), atol=1e-12)
    np.testing.assert_array_equal(history.motion(0.8, 2.0), np.eye(4))


def test_twists_are_held_until_the_next_one():
    expected = se3.exp(TWISTS[2] * 0.04) @ se3.exp(TWISTS[3] * 0.1) @ se3.exp(TWISTS[4] * 0.05)
    np.testing.assert_allclose(recorded().motion(10.26, 10.45), expected, atol=1e-12)


def test_motions_compose():
    history = recorded()
    whole = history.motion(10.03, 10.71)
    for middle in (10.1, 10.333, 10.6):
        parts = history.motion(10.03, middle) @ history.motion(middle, 10.71)
        np.testing.assert_allclose(parts, whole, atol=1e-12)


def test_nothing_is_known_before_the_first_twist_nor_backwards():
    history = recorded()
    np.testing.assert_array_equal(history.motion(9.0, 10.0), np.eye(4))
    np.testing.assert_array_equal(history.motion(10.4, 10.4), np.eye(4))
    np.testing.assert_array_equal(history.motion(10.4, 10.2), np.eye(4))


def test_the_horizon_bounds_memory_but_not_what_is_asked_within_it():
    history = MotionHistory(horizon=1.0)
    times = np.arange(0, 20, 0.02)
    for time in times:
        history.add(time, TWISTS[0])
    assert len(history._times) <= 53
    end = times[-1]
    np.testing.assert_allclose(history.motion(end - 1.0, end), se3.exp(TWISTS[0]), atol=1e-9)


def test_a_clock_set_back_clears_the_past():
    history = recorded()
    history.add(1.0, TWISTS[0])
    np.testing.assert_allclose(history.motion(0.0, 1.1), se3.exp(TWISTS[0] * 0.1), atol=1e-12)


def test_the_prediction_is_the_pose_of_the_camera_that_was_driven():
    # The camera moves on for 0.3 s after the image: pose of the image times the motion is its pose now.
    pose_at_image = se3.from_pose_vector([0.02, 0.01, -0.1, 0.2, 0.1, -0.5])
    history, pose, dt = MotionHistory(), pose_at_image, 0.02
    for index in range(15):
        twist = TWISTS[index % len(TWISTS)]
        history.add(index * dt, twist)
        pose = pose @ se3.exp(twist * dt)
    np.testing.assert_allclose(pose_at_image @ history.motion(0.0, 15 * dt), pose, atol=1e-12)
