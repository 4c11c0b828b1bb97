"""A stop from full speed takes at most 0.3 s and 40 mm, whatever the parameters are and whoever asks for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from cnn_vs_ros.control import DifferentialIk, LostBehaviour, Servo, TwistLimiter
from cnn_vs_ros.control.arm_drive import ArmBounds, ArmDrive
from cnn_vs_ros.control.joint_states import JointStates
from cnn_vs_ros.geometry import PoseStatus, RelativePose, se3
from cnn_vs_ros.nodes import ik_parameters
from cnn_vs_ros.nodes.servo_parameters import BOUNDS, servo_settings
from cnn_vs_ros.simulation import load_robot_description
from test.laws import NoLaw

LONGEST, FARTHEST = 0.3, 0.04
FARTHEST_OF_TIP = 0.05  # the joints lag behind the twists
FAR = RelativePose(se3.from_pose_vector([30.0, -20.0, 10.0, 1.0, -1.5, 1.0]))
LOST = RelativePose(np.eye(4), status=PoseStatus.LOST)
WIDE = {f'workspace.{name}': 100.0 for name in ('x', 'y', 'z', 'distance')} | {
    'travel_limit': 0.0,
    'time_limit': 0.0,
}
IK = DifferentialIk(load_robot_description())
POSTURE = np.array([0.3, -1.4, 1.6, -1.7, -1.5, 0.2])


def drawn(bounds: dict[str, tuple[float, float]], generator: np.random.Generator) -> dict[str, float]:
    """Values within their bounds, two of three at an end."""
    values = {}
    for name, (low, high) in bounds.items():
        ends = low, high, np.exp(generator.uniform(np.log(max(low, 1e-6)), np.log(high)))
        values[name] = float(ends[generator.integers(3)])
    return values


def permitted(generator: np.random.Generator) -> dict[str, Any]:
    """A value of every parameter of pbvs_controller that a servo task is made of; half of them leave it room."""
    free = generator.random(6) < 0.7
    free[generator.integers(6)] = True
    return {
        **drawn(BOUNDS, generator),
        **(WIDE if generator.random() < 0.5 else {}),
        'degrees_of_freedom': free.tolist(),
        'lost_behaviour': str(generator.choice([behaviour.value for behaviour in LostBehaviour])),
        'latency_compensation': bool(generator.random() < 0.5),
        'keep_servoing': bool(generator.random() < 0.5),
    }


LEAST: dict[str, Any] = {
    **{name: low for name, (low, _) in BOUNDS.items()},
    **WIDE,
    'limits.linear_velocity': 0.25,
    'rate': 50.0,
    'degrees_of_freedom': [True] * 6,
    'lost_behaviour': 'stop',
    'latency_compensation': False,
    'keep_servoing': False,
}


def make(values: dict[str, Any]) -> Servo:
    """The servo task that pbvs_controller makes of its parameters."""
    node: Any = SimpleNamespace(get_parameter=lambda name: SimpleNamespace(value=values[name]))
    return Servo(servo_settings(node))


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
    return now


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


def break_law(servo: Servo) -> None:
    servo.retune(replace(servo.settings, law=NoLaw(servo.settings.law.gain, servo.settings.law.length)))


CAUSES: dict[str, Callable[[Servo, float], Callable[[float], None]]] = {
    'service': lambda servo, _: (servo.stop(), lambda now: None)[1],
    'lost': lambda servo, _: lambda now: servo.add_estimate(LOST, now, now),
    'refused': lambda servo, _: (servo.reject_estimate('malformed'), lambda now: None)[1],
    'error': lambda servo, _: (break_law(servo), lambda now: servo.add_estimate(FAR, now, now))[1],
    'limit': lambda servo, _: (forbid(servo), lambda now: servo.add_estimate(FAR, now, now))[1],
    'arm': lambda servo, now: (servo.arm.hear('error', '', now), lambda now: servo.add_estimate(FAR, now, now))[1],
}


@pytest.mark.parametrize('cause', CAUSES)
def test_every_stop_is_short_under_every_permitted_parameter(cause):
    generator = np.random.default_rng(15)
    for _ in range(60):
        number = permitted(generator)
        period = 1.0 / number['rate']
        servo = make(number)
        now = at_full_speed(servo, period)
        each = CAUSES[cause](servo, now)
        duration, way, _ = stop(servo, now, period, each)
        assert duration <= LONGEST + 1e-9, number
        assert way <= FARTHEST + 1e-9, number


def test_estimates_that_cease_are_noticed_after_pose_timeout_and_then_it_is_as_short():
    generator = np.random.default_rng(16)
    for _ in range(15):
        number = permitted(generator) | WIDE | {'pose_timeout': float(generator.uniform(0.01, 0.2))}
        period = 1.0 / number['rate']
        servo = make(number)
        now = at_full_speed(servo, period)
        duration, _, _ = stop(servo, now, period, lambda _: None)
        assert duration <= number['pose_timeout'] + period + LONGEST + 1e-9, number


@pytest.mark.parametrize('period', [0.05, 0.09, 0.2, 0.5])
def test_a_starved_timer_makes_a_stop_no_longer(period):
    servo = make(LEAST)
    now = at_full_speed(servo, 0.02)
    servo.stop()
    duration, _, _ = stop(servo, now, period, lambda _: None)
    assert duration <= 0.25 + period  # what is left of it in steps of the true length


def test_another_rate_while_active_makes_a_stop_no_longer():
    servo = make(LEAST)
    now = at_full_speed(servo, 0.02)
    servo.retune(make(LEAST | {'rate': 1000.0}).settings)  # the timer goes on at 50 Hz
    servo.stop()
    duration, way, _ = stop(servo, now, 0.02, lambda _: None)
    assert duration <= LONGEST
    assert way <= FARTHEST


class Joints:
    """An arm that moves by the commands of a drive, with parameters that are drawn, and a twist from the start."""

    def __init__(self, generator: np.random.Generator, twist: np.ndarray) -> None:
        self.number = drawn(ik_parameters.BOUNDS, generator)
        bounds = ArmBounds(
            self.number['max_joint_acceleration'], self.number['max_joint_jerk'], self.number['stop_time']
        )
        self._states = JointStates(IK.joint_names, 0.2)
        self.drive = ArmDrive(IK, self._states, bounds)
        self._q, self._now = POSTURE.copy(), 0.0
        self._put(0.0)
        self.drive._ramp.command = self._command = IK.joint_velocities(self._q, twist)
        self._command = self.drive.follow(twist, 0.0)
        self.way = 0.0

    def step(self, now: float, twist: np.ndarray | None) -> bool:
        """Follow a twist, or stop for None; say whether it moves."""
        velocity = (IK.jacobian(self._q) @ self._command)[:3]
        self.way += float(np.linalg.norm(velocity)) * (now - self._now)
        self._q = self._q + (now - self._now) * self._command
        self._put(now)
        self._command = self.drive.stop(now) if twist is None else self.drive.follow(twist, now)
        return bool(self._command.any())

    def _put(self, now: float) -> None:
        self._now = now
        self._states.take(IK.joint_names, self._q, now)


def full_speed(generator: np.random.Generator) -> np.ndarray:
    """As fast a twist as pbvs_controller may send, in any direction."""
    v, omega = generator.normal(size=(2, 3))
    parts = generator.choice([0.0, 1.0], 2) if generator.random() < 0.5 else np.ones(2)
    v *= parts[0] * BOUNDS['limits.linear_velocity'][1] / np.linalg.norm(v)
    omega *= parts[1] * BOUNDS['limits.angular_velocity'][1] / np.linalg.norm(omega)
    return np.concatenate([v, omega])


def test_a_stop_of_the_controller_reaches_the_joints_in_time_whatever_bounds_their_acceleration():
    generator = np.random.default_rng(17)
    for _ in range(100):
        period = 1.0 / generator.uniform(50.0, 200.0)
        twist = full_speed(generator)
        joints, limiter = Joints(generator, twist), TwistLimiter.of(make(LEAST).settings.exit.limits)
        limiter.resume(twist)
        now = period
        while joints.step(now, limiter.brake(period)):
            now += period
            assert now < 5.0
        assert now <= LONGEST, joints.number
        assert joints.way <= FARTHEST_OF_TIP, joints.number


def test_a_stop_of_the_joints_by_themselves_is_as_short():
    generator = np.random.default_rng(18)
    for _ in range(100):
        period = 1.0 / generator.uniform(*ik_parameters.BOUNDS['rate'])
        joints, now = Joints(generator, full_speed(generator)), 0.0
        while joints.step(now, None):
            now += period
            assert now < 5.0
        assert now <= joints.number['stop_time'] + period + 1e-9, joints.number
        assert joints.way <= FARTHEST, joints.number
