from __future__ import annotations

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


def test_thresholds_must_be_positive():
    with pytest.raises(ParameterError, match='should be positive but are 0'):
        JumpSettings(0.0, 0.1)
