from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest

from cnn_vs_ros.control import JumpGuard, JumpSettings
from cnn_vs_ros.errors import ParameterError
from cnn_vs_ros.geometry import se3

HERE = se3.from_pose_vector([0.1, 0.0, -0.05, 0.1, -0.2, 0.3])
TWIST = np.array([0.2, -0.1, 0.05, 0.3, 0.1, -0.4])
PERIOD = 0.02


def make(translation: float = 0.05, rotation: float = 0.35) -> JumpGuard:
    return JumpGuard(JumpSettings(translation, rotation))


def moved(pose: np.ndarray, *offset: float) -> np.ndarray:
    return pose @ se3.from_pose_vector(offset)


def test_motion_that_was_sent_is_no_jump():
    guard, pose = make(0.005, 0.02), HERE
    for index in range(100):
        assert guard.refusal(pose, index * PERIOD) == ''
        guard.reckoning.add(index * PERIOD, TWIST)
        pose = pose @ se3.exp(TWIST * PERIOD)


def test_the_same_motion_unsent_is_a_jump():
    guard = make(0.005, 0.02)
    assert guard.refusal(HERE, 0.0) == ''
    assert 'no motion sent explains' in guard.refusal(HERE @ se3.exp(TWIST * 0.1), 0.1)


@pytest.mark.parametrize('offset', [(0.051, 0, 0, 0, 0, 0), (0, 0, 0, 0, 0.36, 0)])
def test_each_threshold_counts_by_itself(offset):
    guard = make()
    guard.refusal(HERE, 0.0)
    assert guard.refusal(moved(HERE, *(0.9 * np.array(offset))), 0.03) == ''
    guard.reset()
    guard.refusal(HERE, 0.0)
    assert guard.refusal(moved(HERE, *offset), 0.03) != ''


def test_a_single_outlier_is_refused_and_the_next_good_estimate_is_believed():
    guard = make()
    guard.refusal(HERE, 0.0)
    assert guard.refusal(moved(HERE, 0.2, 0, 0, 0, 0, 0), 0.03) != ''
    assert guard.refusal(HERE, 0.06) == ''


def test_a_new_place_within_reach_is_believed_after_three_estimates_that_agree():
    guard, there = make(), moved(HERE, 0.1, 0, 0, 0, 0, 0)
    guard.refusal(HERE, 0.0)
    assert [guard.refusal(there, 0.03 * count) == '' for count in (1, 2, 3, 4)] == [False, False, True, True]
    assert not guard.broken


@pytest.mark.parametrize('offset', [(0.2, 0, 0, 0, 0, 0), (0, 0, 0, 0, 0, 3.0)])
def test_a_place_out_of_reach_is_never_believed_and_is_said_to_be_insisted_on(offset):
    guard, there = make(), moved(HERE, *offset)
    guard.refusal(HERE, 0.0)
    for count in range(1, 10):
        assert guard.refusal(there, 0.03 * count) != ''
        assert bool(guard.broken) == (count >= 3)
    guard.reset()
    assert not guard.broken
    assert guard.refusal(there, 1.0) == ''


def test_estimates_that_disagree_with_one_another_are_never_believed():
    guard = make()
    guard.refusal(HERE, 0.0)
    for count in range(1, 12):
        assert guard.refusal(moved(HERE, 0.2 * count, 0, 0, 0, 0, 0), 0.03 * count) != ''
    assert not guard.broken


def test_after_a_pause_the_motion_sent_must_explain_the_estimate_within_reach():
    for offset, believed in ((0.14, True), (0.16, False)):
        guard, pose = make(), HERE
        guard.refusal(HERE, 0.0)
        for index in range(500):  # 10 s, much longer than motion is remembered
            guard.reckoning.add(index * PERIOD, TWIST)
            pose = pose @ se3.exp(TWIST * PERIOD)
        refusal = guard.refusal(moved(pose, offset, 0, 0, 0, 0, 0), 500 * PERIOD)
        assert (refusal == '') == believed


FAST = np.array([0.9, -0.5, 0.3, 0.8, 0.5, -2.5])
"""About 1 m/s and 150 deg/s: from one image to the next the camera moves by several thresholds."""

IMAGES, LATE = 10, 6  # periods from image to image, and after which the estimate of an image is there


def fast_motion(guard: JumpGuard, count: int) -> Iterator[tuple[np.ndarray, float]]:
    """Move a camera fast, its twist changing all the while; yield pose and stamp of its images, late."""
    poses = [HERE]
    while len(poses) <= count * IMAGES + LATE:
        time = (len(poses) - 1) * PERIOD
        twist = FAST * np.cos(0.5 * time + 0.1 * np.arange(6))
        guard.reckoning.add(time, twist)
        poses.append(poses[-1] @ se3.exp(twist * PERIOD))
        index = len(poses) - 1 - LATE
        if index > 0 and index % IMAGES == 0:
            yield poses[index], index * PERIOD


def test_fast_motion_is_no_jump_even_where_estimates_are_late():
    guard = make(0.02, 0.1)
    poses = []
    for pose, stamp in fast_motion(guard, 20):
        assert guard.refusal(pose, stamp) == ''
        poses.append(pose)
    steps = [guard.settings.scale(se3.inverse(before) @ after) for before, after in pairwise(poses)]
    assert np.median(steps) > 3.0  # unexplained, they would be jumps


def test_in_fast_motion_a_new_place_is_believed_after_three_estimates_that_agree():
    """They agree when the motion between them is allowed for."""
    guard = make(0.02, 0.1)
    push = se3.from_pose_vector([0, 0.05, 0, 0, 0, 0])  # 2.5 thresholds
    answers = [
        guard.refusal(push @ pose if number >= 5 else pose, stamp) == ''
        for number, (pose, stamp) in enumerate(fast_motion(guard, 10))
    ]
    assert answers == [True] * 5 + [False] * 2 + [True] * 3
    assert not guard.broken


def test_in_fast_motion_estimates_that_stand_still_are_jumps_and_agree_on_nothing():
    """As those of something fixed to the camera."""
    guard = make(0.02, 0.1)
    answers, seen = [], HERE
    for number, (pose, stamp) in enumerate(fast_motion(guard, 8)):
        seen = pose if number < 3 else seen
        answers.append(guard.refusal(seen, stamp) == '')
    assert answers == [True] * 3 + [False] * 5
    assert not guard.broken


def test_thresholds_must_be_positive():
    with pytest.raises(ParameterError, match='should be positive but are 0'):
        JumpSettings(0.0, 0.1)
