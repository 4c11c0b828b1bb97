"""A stop from full speed takes at most 0.3 s and 40 mm, whatever the parameters are and whoever asks for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from cnn_vs_ros.control import (
    AdaptiveGain,
    ExitSettings,
    FollowingSettings,
    GateSettings,
    JumpSettings,
    LostBehaviour,
    LostSettings,
    PbvsLaw,
    Servo,
    ServoSettings,
    TwistLimits,
)
from cnn_vs_ros.geometry import PoseStatus, RelativePose, se3
from cnn_vs_ros.nodes.servo_parameters import BOUNDS

LONGEST, FARTHEST = 0.3, 0.04
FAR = RelativePose(se3.from_pose_vector([30.0, -20.0, 10.0, 1.0, -1.5, 1.0]))
LOST = RelativePose(np.eye(4), status=PoseStatus.LOST)


def permitted(generator: np.random.Generator) -> dict[str, float]:
    """Values within the ranges of pbvs_controller's parameters, every third at an end of its range."""
    values = {}
    for name, (low, high) in BOUNDS.items():
        ends = low, high, np.exp(generator.uniform(np.log(max(low, 1e-6)), np.log(high)))
        values[name] = float(ends[generator.integers(3)])
    return values


def make(number: dict[str, float], behaviour: LostBehaviour = LostBehaviour.STOP) -> Servo:
    limits = TwistLimits(
        *(number[f'limits.{name}'] for name in ('linear_velocity', 'angular_velocity')),
        *(number[f'limits.{name}'] for name in ('linear_acceleration', 'angular_acceleration')),
        *(number[f'stop.{name}'] for name in ('linear_deceleration', 'angular_deceleration')),
    )
    gain = AdaptiveGain(number['gain.at_zero'], number['gain.at_infinity'], number['gain.slope_at_zero'])
    return Servo(
        ServoSettings(
            PbvsLaw(gain, number['gain.length']),
            ExitSettings(limits, longest_step=2.0 / number['rate']),
            GateSettings(
                number['pose_timeout'],
                number['lost_timeout'],
                jump=JumpSettings(number['jump.translation'], number['jump.rotation']),
            ),
            following=FollowingSettings(),
            lost=LostSettings(behaviour, number['retreat.speed'], number['retreat.distance']),
        )
    )


def at_full_speed(servo: Servo, period: float) -> float:
    """Have it move as fast as it may, and return the time."""
    servo.add_estimate(FAR, 0.0, 0.0)
    assert servo.start(0.0) == ''
    now = period
    servo.add_estimate(FAR, now, now)
    servo.update(now)
    # At 0.001 m/s^2 full speed takes minutes: they are left out.
    limits = servo.settings.exit.limits
    servo._exit._limiter.resume([limits.linear, 0, 0, 0, 0, limits.angular])
    servo.add_estimate(FAR, now + period, now + period)
    servo.update(now + period)
    return now + period


def stop(servo: Servo, now: float, period: float, each: Callable[[float], None]) -> tuple[float, float, float]:
    """Seconds and metres from `now` to the first zeros, the last twist being held until then, and rad turned."""
    begun, twist, way, turn = now, servo.twist, 0.0, 0.0
    while twist.any():
        way += float(np.linalg.norm(twist[:3])) * period
        turn += float(np.linalg.norm(twist[3:])) * period
        now += period
        each(now)
        twist = servo.update(now)
        assert now - begun < 5.0
    return now - begun, way, turn


def forbid(servo: Servo) -> None:
    servo.retune(replace(servo.settings, exit=replace(servo.settings.exit, travel=1e-6)))


CAUSES: dict[str, Callable[[Servo, float], Callable[[float], None]]] = {
    'service': lambda servo, _: (servo.stop(), lambda now: None)[1],
    'lost': lambda servo, _: lambda now: servo.add_estimate(LOST, now, now),
    'refused': lambda servo, _: (servo.reject_estimate('malformed'), lambda now: None)[1],
    'error': lambda servo, _: (servo.fail('no twist'), lambda now: None)[1],
    'limit': lambda servo, _: (forbid(servo), lambda now: servo.add_estimate(FAR, now, now))[1],
    'arm': lambda servo, now: (servo.arm.hear('error', '', now), lambda now: servo.add_estimate(FAR, now, now))[1],
}


@pytest.mark.parametrize('cause', CAUSES)
def test_every_stop_is_short_under_every_permitted_parameter(cause):
    generator = np.random.default_rng(15)
    for _ in range(60):
        number = permitted(generator)
        period = 1.0 / number['rate']
        servo = make(number, LostBehaviour.RETREAT if generator.random() < 0.5 else LostBehaviour.STOP)
        now = at_full_speed(servo, period)
        each = CAUSES[cause](servo, now)
        duration, way, _ = stop(servo, now, period, each)
        assert duration <= LONGEST + 1e-9, number
        assert way <= FARTHEST + 1e-9, number


def test_estimates_that_cease_are_noticed_after_pose_timeout_and_then_it_is_as_short():
    generator = np.random.default_rng(16)
    for _ in range(15):
        number = permitted(generator) | {'pose_timeout': float(generator.uniform(0.01, 0.2))}
        period = 1.0 / number['rate']
        servo = make(number)
        now = at_full_speed(servo, period)
        duration, _, _ = stop(servo, now, period, lambda _: None)
        assert duration <= number['pose_timeout'] + period + LONGEST + 1e-9, number


@pytest.mark.parametrize('period', [0.05, 0.09, 0.2, 0.5])
def test_a_starved_timer_makes_a_stop_no_longer(period):
    servo = make({name: low for name, (low, _) in BOUNDS.items()} | {'limits.linear_velocity': 0.25, 'rate': 50.0})
    now = at_full_speed(servo, 0.02)
    servo.stop()
    duration, _, _ = stop(servo, now, period, lambda _: None)
    assert duration <= 0.25 + period  # what is left of it in steps of the true length


def test_another_rate_while_active_makes_a_stop_no_longer():
    number = {name: low for name, (low, _) in BOUNDS.items()} | {'limits.linear_velocity': 0.25, 'rate': 50.0}
    servo = make(number)
    now = at_full_speed(servo, 0.02)
    servo.retune(make(number | {'rate': 1000.0}).settings)  # the timer goes on at 50 Hz
    servo.stop()
    duration, way, _ = stop(servo, now, 0.02, lambda _: None)
    assert duration <= LONGEST
    assert way <= FARTHEST
