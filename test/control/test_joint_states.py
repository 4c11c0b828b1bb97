from __future__ import annotations

import numpy as np
import pytest

from cnn_vs_ros.control.joint_states import JointStates
from cnn_vs_ros.errors import JointStateError


@pytest.fixture
def states() -> JointStates:
    return JointStates(['a', 'b'], 0.2, speeds=[2.0, 2.0], circular=[False, True])


def test_joints_come_in_any_order_among_foreign_ones_and_in_several_messages(states):
    assert states.take(['b', 'gripper'], [2.0, 9.0], 0.0)
    assert states.age(0.0) == np.inf
    with pytest.raises(JointStateError, match='should hold a but has not'):
        states.positions(0.0)
    assert states.take(['a'], [1.0], 0.1)
    assert not states.take(['gripper'], [9.0], 0.1)
    np.testing.assert_array_equal(states.positions(0.15), [1.0, 2.0])


def test_each_joint_has_an_age_of_its_own(states):
    states.take(['a', 'b'], [1.0, 2.0], 0.0)
    states.take(['a'], [1.0], 0.25)
    with pytest.raises(JointStateError, match='s but b does not'):
        states.positions(0.25)
    assert states.age(0.25) == 0.25
    np.testing.assert_array_equal(states.last_positions, [1.0, 2.0])
    states.take(['b'], [2.0], 0.3)
    assert len(states.positions(0.3)) == 2
    assert states.age(0.3) == pytest.approx(0.05)


def test_a_joint_without_a_position_is_left_alone_and_grows_old(states):
    states.take(['a', 'b'], [1.0, 2.0], 0.0)
    assert not states.take(['a', 'b'], [], 0.1)
    np.testing.assert_array_equal(states.positions(0.1), [1.0, 2.0])


@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf])
def test_a_position_that_is_not_finite_is_refused_until_another_comes(states, value):
    states.take(['a', 'b'], [1.0, value], 0.0)
    with pytest.raises(JointStateError, match='position of b should be finite'):
        states.positions(0.0)
    assert states.last_positions is None
    states.take(['b'], [2.0], 0.01)
    np.testing.assert_array_equal(states.positions(0.01), [1.0, 2.0])


def test_a_jump_beyond_the_joints_speed_is_refused_until_it_has_held_for_the_timeout(states):
    states.take(['a', 'b'], [0.0, 0.0], 0.0)
    states.take(['a', 'b'], [np.pi, 0.0], 0.01)
    for time in np.arange(0.02, 0.2, 0.02):
        states.take(['a', 'b'], [np.pi, 0.0], time)
        with pytest.raises(JointStateError, match='a should change no faster'):
            states.positions(time)
    states.take(['a', 'b'], [np.pi, 0.0], 0.22)
    np.testing.assert_array_equal(states.positions(0.22), [np.pi, 0.0])


def test_two_publishers_that_contradict_one_another_are_never_believed(states):
    for step in range(100):
        time = 0.01 * step
        states.take(['a', 'b'], [1.0 * (step % 2), 0.0], time)
        if step:
            with pytest.raises(JointStateError, match='do two nodes publish'):
                states.positions(time)


def test_the_fastest_true_motion_is_no_jump_and_neither_is_a_whole_turn(states):
    for step in range(100):
        time = 0.01 * step
        angle = 2.0 * time
        states.take(['a', 'b'], [angle, (angle + np.pi) % (2 * np.pi) - np.pi], time)
        states.positions(time)
