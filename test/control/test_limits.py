from __future__ import annotations

import numpy as np
import pytest

from cnn_vs_ros.control import TwistLimiter, TwistLimits
from cnn_vs_ros.control.limits import STOP_DISTANCE, STOP_TIME
from cnn_vs_ros.errors import ParameterError, PoseError

LIMITS = (0.2, 1.0, 0.5, 4.0)
DT = 0.02


def direction(twist: np.ndarray) -> np.ndarray:
    return twist / np.linalg.norm(twist)


def norms(twist: np.ndarray) -> np.ndarray:
    return np.array([np.linalg.norm(twist[:3]), np.linalg.norm(twist[3:])])


def test_a_twist_within_the_limits_passes_unchanged():
    twist = np.array([0.1, -0.05, 0.02, 0.3, -0.2, 0.1])
    np.testing.assert_array_equal(TwistLimiter(0.2, 1.0).limit(twist, DT), twist)


@pytest.mark.parametrize(
    'twist', [[3.0, 1.0, -2.0, 0.1, 0.2, 0.0], [0.01, 0.0, 0.02, 5.0, -9.0, 1.0], [4.0, 4.0, 4.0, 40.0, 0.0, 0.0]]
)
def test_a_speed_limit_scales_the_whole_twist_until_one_half_is_at_its_limit(twist):
    limited = TwistLimiter(0.2, 1.0).limit(twist, DT)
    np.testing.assert_allclose(direction(limited), direction(np.array(twist)))
    assert (norms(limited) / (0.2, 1.0)).max() == pytest.approx(1.0)


def test_from_rest_the_direction_is_kept_and_the_acceleration_bounded():
    twist = np.array([0.1, -0.1, 0.05, 0.3, 0.2, -0.6])
    limiter = TwistLimiter(*LIMITS)
    previous = np.zeros(6)
    while not np.allclose(previous, twist):
        current = limiter.limit(twist, DT)
        np.testing.assert_allclose(direction(current), direction(twist))
        accelerations = norms(current - previous) / DT / LIMITS[2:]
        assert accelerations.max() <= 1 + 1e-9
        if not np.allclose(current, twist):
            assert accelerations.max() == pytest.approx(1.0)
        previous = current


def test_a_stop_keeps_the_direction_down_to_exact_zeros():
    twist = np.array([0.1, 0.05, 0.0, -0.5, 0.2, 0.3])
    limiter = TwistLimiter(*LIMITS)
    for _ in range(50):
        moving = limiter.limit(twist, DT)
    speeds = []
    while moving.any():
        np.testing.assert_allclose(direction(moving), direction(twist))
        speeds.append(np.linalg.norm(moving))
        moving = limiter.limit(np.zeros(6), DT)
    assert (np.diff(speeds) < 0).all()
    longest = max(norms(twist) / LIMITS[2:]) / DT
    assert len(speeds) == pytest.approx(longest, abs=1.01)


def test_random_demands_never_break_a_limit():
    generator = np.random.default_rng(3)
    limiter = TwistLimiter(*LIMITS)
    previous = np.zeros(6)
    for demand in generator.normal(0, (1, 1, 1, 5, 5, 5), (500, 6)):
        current = limiter.limit(demand, DT)
        assert (norms(current) <= np.array(LIMITS[:2]) * (1 + 1e-9)).all()
        assert (norms(current - previous) <= np.array(LIMITS[2:]) * DT * (1 + 1e-9)).all()
        previous = current


def test_no_time_no_change():
    limiter = TwistLimiter(*LIMITS)
    np.testing.assert_array_equal(limiter.limit(np.ones(6), 0.0), np.zeros(6))


def test_reset_takes_the_camera_to_stand_still():
    limiter = TwistLimiter(0.2, 1.0)
    limiter.limit(np.ones(6), DT)
    limiter.reset()
    np.testing.assert_array_equal(limiter.twist, np.zeros(6))


def test_a_twist_that_is_not_finite_is_refused_and_forgotten():
    limiter = TwistLimiter(0.2, 1.0)
    before = limiter.limit([0.1, 0, 0, 0, 0, 0], DT)
    with pytest.raises(PoseError, match='finite'):
        limiter.limit([np.nan, 0, 0, 0, 0, 0], DT)
    np.testing.assert_array_equal(limiter.twist, before)


@pytest.mark.parametrize('limits', [(0.0, 1.0), (0.1, -1.0), (np.nan, 1.0), (0.1, 1.0, 0.0, 1.0)])
def test_limits_must_be_positive(limits):
    with pytest.raises(ParameterError, match='positive'):
        TwistLimiter(*limits)


def stopped(limits: TwistLimits, twist: list[float], dt: float) -> tuple[float, float]:
    """Seconds and metres of a stop, asked for at once, in steps of `dt`."""
    limiter = TwistLimiter.of(limits)
    limiter.resume(twist)
    seconds, way = 0.0, 0.0
    while limiter.twist.any():
        current = limiter.brake(dt)
        np.testing.assert_allclose(np.cross(current[:3], twist[:3]), 0.0, atol=1e-12)
        seconds, way = seconds + dt, way + dt * np.linalg.norm(current[:3])
    return seconds, way


def test_a_stop_takes_its_deceleration_and_more_where_time_or_way_would_be_too_long():
    gentle = TwistLimits(0.5, 3.0, 0.001, 0.001, 1.0, 4.0)
    seconds, way = stopped(gentle, [0.0, 0.05, 0.0, 0.0, 0.0, 0.0], 1e-4)
    assert seconds == pytest.approx(0.05, abs=2e-4)
    assert way == pytest.approx(0.05**2 / 2, rel=0.01)
    seconds, way = stopped(gentle, [0.5, 0.0, 0.0, 0.0, 0.0, 3.0], 1e-4)
    assert way == pytest.approx(STOP_DISTANCE, rel=0.01)
    seconds, _ = stopped(gentle, [0.01, 0.0, 0.0, 0.0, 3.0, 0.0], 1e-4)
    assert seconds == pytest.approx(STOP_TIME, abs=2e-4)


def test_a_stop_takes_the_same_time_in_steps_of_any_length():
    limits = TwistLimits(0.5, 3.0, 1.0, 4.0, 1.0, 4.0)
    for dt in (0.003, 0.02, 0.07, 0.2):
        seconds, _ = stopped(limits, [0.2, 0.0, 0.0, 0.0, 0.0, 0.1], dt)
        assert 0.2 - 1e-9 <= seconds < 0.2 + dt + 1e-9


def test_speeding_up_reckons_with_no_more_than_the_longest_step_and_slowing_down_with_the_true_one():
    limiter = TwistLimiter.of(TwistLimits(1.0, 1.0, 1.0, 1.0, 2.0, 2.0), longest_step=0.04)
    assert limiter.limit([0.5, 0, 0, 0, 0, 0], 0.2)[0] == pytest.approx(0.04)
    limiter.resume([0.5, 0, 0, 0, 0, 0])
    assert limiter.limit([0.1, 0, 0, 0, 0, 0], 0.1)[0] == pytest.approx(0.3)


def test_turning_back_slows_down_by_the_deceleration_and_then_speeds_up_by_the_acceleration():
    limiter = TwistLimiter.of(TwistLimits(1.0, 1.0, 0.1, 0.1, 2.0, 2.0))
    limiter.resume([0.2, 0, 0, 0, 0, 0])
    speeds = [limiter.limit([-0.2, 0, 0, 0, 0, 0], 0.05)[0] for _ in range(6)]
    np.testing.assert_allclose(speeds, [0.1, 0.0, -0.005, -0.01, -0.015, -0.02], atol=1e-12)


@pytest.mark.parametrize('limits', [TwistLimits(), TwistLimits(0.1, 0.5, 0.001, 0.001, 0.3, 1.0)])
def test_other_limits_do_not_lengthen_a_stop(limits):
    fast = TwistLimits(0.5, 2.0, 10.0, 100.0, 2.0, 4.0)
    plain, retuned = TwistLimiter.of(fast), TwistLimiter.of(fast)
    for limiter in (plain, retuned):
        limiter.resume([0.5, 0, 0, 0, 0, 2.0])
    steps = 0
    while plain.twist.any():
        plain.brake(DT)
        retuned.brake(DT)
        retuned.retune(limits, 0.04)
        steps += 1
    assert steps * DT <= STOP_TIME + DT
    assert not retuned.twist.any()


def test_a_motion_that_is_taken_back_leaves_a_stop_as_it_was():
    limiter, plain = TwistLimiter(*LIMITS), TwistLimiter(*LIMITS)
    for each in (limiter, plain):
        each.resume([0.2, 0, 0, 0, 0, 0.5])
    while plain.twist.any():
        limiter.limit(np.ones(6), DT)
        np.testing.assert_array_equal(limiter.brake_instead(DT), plain.brake(DT))
