from __future__ import annotations

import numpy as np
import pytest

from cnn_vs_ros.control.joint_ramp import JointRamp
from cnn_vs_ros.errors import ParameterError

LIMIT, JERK = 10.0, 500.0


def run(ramp: JointRamp, target: np.ndarray, times: np.ndarray, method: str = 'follow') -> np.ndarray:
    step = ramp.stop if method == 'stop' else lambda now: ramp.follow(target, now)
    return np.array([step(now).copy() for now in times])


@pytest.mark.parametrize('rate', [50.0, 100.0, 1000.0])
def test_acceleration_and_jerk_are_bounded_and_the_target_is_met_exactly(rate):
    ramp, target = JointRamp(3, LIMIT, JERK), np.array([2.0, -1.0, 0.5])
    times = np.arange(0.0, 1.0, 1 / rate)
    commands = np.vstack([np.zeros(3), run(ramp, target, times)])
    accelerations = np.diff(commands[1:], axis=0) * rate
    assert np.abs(accelerations).max() <= LIMIT * (1 + 1e-9)
    assert np.abs(np.diff(accelerations, axis=0)).max() * rate <= JERK * (1 + 1e-6)
    np.testing.assert_allclose(commands[-1], target, atol=1e-12)
    assert (np.abs(commands) <= np.abs(target) + 1e-9).all()  # without overshoot
    # One factor for all joints: they keep their proportion on the way.
    np.testing.assert_allclose(commands[1:] / commands[1:, :1], target / target[0] * np.ones((len(times), 1)))


def test_a_target_within_the_bounds_is_followed_without_delay():
    ramp = JointRamp(2, LIMIT, JERK)
    for now in np.arange(0.0, 2.0, 0.02):
        target = np.array([0.5 * np.sin(3 * now), 0.2 * np.sin(2 * now)])
        np.testing.assert_allclose(ramp.follow(target, now), target, atol=1e-12)


def test_a_target_of_zeros_is_met_exactly_whatever_the_steps():
    ramp, random, now = JointRamp(2, LIMIT, JERK), np.random.default_rng(0), 0.0
    for _ in range(20):
        for target in ([1.0, -0.3], [0.0, 0.0]):
            for _ in range(40):
                now += random.uniform(0.001, 0.04)
                ramp.follow(target, now)
            assert ramp.command.tolist() == target


def test_a_gap_is_no_leave_for_a_leap():
    ramp = JointRamp(1, LIMIT, JERK)
    ramp.follow([0.0], 0.0)
    assert ramp.follow([3.0], 10.0)[0] <= LIMIT * 0.05 + 1e-12


@pytest.mark.parametrize('speed', [1e-3, 0.1, 1.0, 3.0])
@pytest.mark.parametrize('period', [0.001, 0.01, 0.07])
def test_a_stop_ends_in_time_with_exact_zeros_by_the_true_time(speed, period):
    ramp = JointRamp(1, LIMIT, JERK, stop_time=0.2)
    run(ramp, np.array([speed]), np.arange(0.0, 2.0, 0.01))
    times = 2.0 + np.arange(0.0, 0.5, period)
    commands = run(ramp, np.empty(0), times, 'stop')[:, 0]
    assert (np.diff(commands) <= 0).all()
    assert (commands[times >= 2.2] == 0.0).all()
    assert not ramp.is_moving
    if period == 0.001:  # the peak of the curve is 1.5 times its mean
        assert np.abs(np.diff(commands)).max() / period <= max(LIMIT, 1.5 * speed / 0.2) * 1.01
        assert commands.sum() * period <= 0.5 * speed * 0.2 * 1.05


def test_a_ramp_that_begins_in_a_stop_has_no_step():
    ramp = JointRamp(1, LIMIT, JERK)
    run(ramp, np.array([2.0]), np.arange(0.0, 1.0, 0.01))
    run(ramp, np.empty(0), np.arange(1.0, 1.1, 0.01), 'stop')
    before = ramp.command[0]
    again = run(ramp, np.array([2.0]), np.arange(1.1, 2.0, 0.01))[:, 0]
    assert abs(again[0] - before) < 0.25
    assert np.abs(np.diff(again)).max() <= 1.5 * 2.0 / 0.2 * 0.01 * 1.01
    assert again[-1] == pytest.approx(2.0)


def test_bounds_must_be_positive():
    with pytest.raises(ParameterError, match='should be positive'):
        JointRamp(1, 0.0)
