from __future__ import annotations

import numpy as np
import pytest

from cnn_vs_ros.control import JumpGuard
from cnn_vs_ros.errors import ParameterError
from cnn_vs_ros.geometry import se3

HERE = se3.from_pose_vector([0.1, 0.0, -0.05, 0.1, -0.2, 0.3])
TWIST = np.array([0.2, -0.1, 0.05, 0.3, 0.1, -0.4])
PERIOD = 0.02


def moved(pose: np.ndarray, *offset: float) -> np.ndarray:
    return pose @ se3.from_pose_vector(offset)


def test_motion_that_was_sent_is_no_jump():
    guard, pose = JumpGuard(0.005, 0.02), HERE
    for index in range(100):
        assert guard.refusal(pose, index * PERIOD) == ''
        guard.record(index * PERIOD, TWIST)
        pose = pose @ se3.exp(TWIST * PERIOD)


def test_the_same_motion_unsent_is_a_jump():
    guard = JumpGuard(0.005, 0.02)
    assert guard.refusal(HERE, 0.0) == ''
    assert 'no motion sent explains' in guard.refusal(HERE @ se3.exp(TWIST * 0.1), 0.1)


@pytest.mark.parametrize('offset', [(0.051, 0, 0, 0, 0, 0), (0, 0, 0, 0, 0.36, 0)])
def test_each_threshold_counts_by_itself(offset):
    guard = JumpGuard(0.05, 0.35)
    guard.refusal(HERE, 0.0)
    assert guard.refusal(moved(HERE, *(0.9 * np.array(offset))), 0.03) == ''
    guard.reset()
    guard.refusal(HERE, 0.0)
    assert guard.refusal(moved(HERE, *offset), 0.03) != ''


def test_a_single_outlier_is_refused_and_the_next_good_estimate_is_believed():
    guard = JumpGuard(0.05, 0.35)
    guard.refusal(HERE, 0.0)
    assert guard.refusal(moved(HERE, 0.2, 0, 0, 0, 0, 0), 0.03) != ''
    assert guard.refusal(HERE, 0.06) == ''


def test_a_new_place_is_believed_after_three_estimates_that_agree():
    guard, there = JumpGuard(0.05, 0.35), moved(HERE, 0.2, 0, 0, 0, 0, 0)
    guard.refusal(HERE, 0.0)
    assert [guard.refusal(there, 0.03 * count) == '' for count in (1, 2, 3, 4)] == [False, False, True, True]


def test_estimates_that_disagree_with_one_another_are_never_believed():
    guard = JumpGuard(0.05, 0.35)
    guard.refusal(HERE, 0.0)
    for count in range(1, 12):
        assert guard.refusal(moved(HERE, 0.2 * count, 0, 0, 0, 0, 0), 0.03 * count) != ''


def test_after_a_long_pause_there_is_nothing_to_compare_with():
    guard = JumpGuard(0.05, 0.35, memory=0.5)
    guard.refusal(HERE, 0.0)
    assert guard.refusal(moved(HERE, 0.2, 0, 0, 0, 0, 0), 0.51) == ''


def test_another_guard_goes_on_from_the_same_state():
    first, second = JumpGuard(1.0, 1.0), JumpGuard(0.05, 0.35)
    first.refusal(HERE, 0.0)
    second.resume(first)
    assert second.refusal(moved(HERE, 0.2, 0, 0, 0, 0, 0), 0.03) != ''


def test_thresholds_must_be_positive():
    with pytest.raises(ParameterError, match='should be positive but are 0'):
        JumpGuard(0.0, 0.1)
