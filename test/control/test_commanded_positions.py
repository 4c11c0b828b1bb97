from __future__ import annotations

import numpy as np
import pytest

from cnn_vs_ros.control.command_interface import CommandInterface
from cnn_vs_ros.control.commanded_positions import CommandedPositions, LeadBounds
from cnn_vs_ros.control.differential_ik import DifferentialIk
from cnn_vs_ros.control.joint_states import JointStates
from cnn_vs_ros.control.speed_scaling import SpeedScaling
from cnn_vs_ros.errors import ParameterError
from test.control.test_differential_ik import ARMS, URDF

PERIOD = 0.02
TOLERANCE, LAG = 0.01, 0.1
SPEED = np.array([0.5, -0.4, 0.1, 0.3])


class PositionArm:
    """An arm that is where it was commanded `delay` steps ago, or stays where it is."""

    def __init__(self, urdf: str = URDF, q: np.ndarray | None = None, delay: int = 3) -> None:
        self.ik = DifferentialIk(urdf, 'tip')
        self.states = JointStates(self.ik.joint_names, 0.2, self.ik.velocity_limits, self.ik.circular)
        self.scaling = SpeedScaling()
        self.commanded = CommandedPositions(self.ik, self.states, LeadBounds(TOLERANCE, LAG), self.scaling)
        self.q = np.array([0.3, -0.2, 0.05, 0.1]) if q is None else q
        self.sent = [self.q] * (delay + 1)
        self.delay, self.now = delay, 0.0
        self.follows = self.speaks = True

    def step(self, velocities: np.ndarray) -> np.ndarray | None:
        self.now += PERIOD
        if self.follows:
            self.q = self.sent[-1 - self.delay]
        if self.speaks:
            self.states.take(self.ik.joint_names, self.q, self.now)
        positions = self.commanded.step(velocities, self.now)
        self.sent.append(self.sent[-1] if positions is None else positions)
        return positions

    def run(self, velocities: np.ndarray, seconds: float) -> PositionArm:
        for _ in range(round(seconds / PERIOD)):
            self.step(velocities)
        return self


@pytest.mark.parametrize('delay', [0, 3])
def test_positions_are_the_integral_of_the_velocities_from_where_the_arm_is(delay):
    arm = PositionArm(delay=delay)
    begun = arm.q
    arm.run(np.zeros(4), 0.2)
    np.testing.assert_array_equal(arm.sent[-1], begun)
    arm.run(SPEED, 1.0).run(np.zeros(4), 0.2)
    np.testing.assert_allclose(arm.q, begun + SPEED, atol=1e-9)


def test_at_rest_the_same_positions_are_held_though_the_arm_sags():
    arm = PositionArm()
    arm.run(SPEED, 0.5).run(np.zeros(4), 0.5)
    held, arm.follows = arm.sent[-1], False
    arm.q = arm.q - 0.9 * TOLERANCE
    arm.run(np.zeros(4), 5.0)
    np.testing.assert_array_equal(arm.sent[-1], held)


def test_a_blocked_arm_is_never_led_further_than_the_bounds():
    arm = PositionArm()
    arm.follows = False
    arm.run(SPEED, 3.0)
    np.testing.assert_allclose(arm.sent[-1] - arm.q, np.sign(SPEED) * (TOLERANCE + LAG * np.abs(SPEED)), atol=1e-9)
    arm.run(np.zeros(4), 1.0)
    assert np.abs(arm.sent[-1] - arm.q).max() <= TOLERANCE + 1e-12


def test_an_arm_that_somebody_moves_takes_its_positions_along():
    arm = PositionArm()
    arm.run(np.zeros(4), 0.2)
    arm.follows = False
    for _ in range(100):
        arm.q = arm.q + 0.005
        positions = arm.step(np.zeros(4))
        assert np.abs(positions - arm.q).max() <= TOLERANCE + 1e-12


def test_an_arm_that_somebody_moved_is_commanded_to_where_it_is():
    """Else it leaps by the tolerance when its controller is active again: seen in Gazebo."""
    arm = PositionArm()
    arm.run(SPEED, 0.3).run(np.zeros(4), 1.0)
    arm.follows = False
    for _ in range(5):
        arm.q = arm.q + 3.0 * TOLERANCE
        arm.step(np.zeros(4))
    np.testing.assert_array_equal(arm.step(np.zeros(4)), arm.q)


def test_nothing_is_commanded_where_the_arm_may_be_anywhere_but_a_stop_comes_to_its_end():
    arm = PositionArm()
    arm.speaks = False
    assert arm.step(np.zeros(4)) is None
    assert arm.step(SPEED) is None
    arm.speaks = True
    arm.run(SPEED, 0.5)
    arm.speaks = False
    arm.run(SPEED, 0.3)
    before = arm.sent[-1]
    np.testing.assert_allclose(arm.step(0.5 * SPEED), before + 0.5 * SPEED * PERIOD)
    assert arm.step(np.zeros(4)) is None


def test_no_position_is_beyond_a_joint_limit_further_than_the_arm_is():
    arm = PositionArm()
    arm.run(SPEED, 8.0)
    assert (arm.sent[-1][1:] >= arm.ik.lower[1:]).all()
    assert (arm.sent[-1][1:] <= arm.ik.upper[1:]).all()
    assert (arm.commanded.ahead(SPEED, 1.0)[1:] <= arm.ik.upper[1:]).all()
    outside = PositionArm(q=np.array([0.0, 0.0, 0.31, 0.0]))  # the slide ends at 0.3
    assert outside.step(np.array([0.0, 0.0, 0.1, 0.0]))[2] == pytest.approx(0.31)


def test_an_unbounded_joint_may_be_told_a_turn_away():
    arm = PositionArm()
    arm.run(SPEED, 0.5)
    arm.follows = False
    arm.q = arm.q - np.array([2 * np.pi, 0, 0, 0])
    arm.run(np.zeros(4), 0.3)
    assert np.abs(arm.sent[-1] - arm.q).max() < 0.1


def test_a_robot_at_half_its_speed_is_led_half_as_far_and_a_paused_one_nowhere():
    arm = PositionArm(*ARMS['seven'])
    speed, begun = np.full(7, 0.2), arm.q

    def run(percent: float) -> None:
        for _ in range(50):
            arm.scaling.hear(percent, arm.now)
            arm.step(speed)

    arm.step(np.zeros(7))
    run(50.0)
    np.testing.assert_allclose(arm.sent[-1], begun + 0.5 * speed, atol=1e-9)
    run(0.0)
    np.testing.assert_allclose(arm.sent[-1], begun + 0.5 * speed, atol=1e-9)


def test_bounds_are_checked_and_each_interface_has_a_topic():
    with pytest.raises(ParameterError, match='position_tolerance should be positive'):
        LeadBounds(tolerance=0.0)
    assert len({interface.topic for interface in CommandInterface}) == 3


def test_speed_scaling_is_in_percent_bounded_and_forgotten_when_nobody_tells_it():
    scaling = SpeedScaling()
    assert scaling.part(0.0) == 1.0
    for percent, part in ((50.0, 0.5), (250.0, 1.0), (-3.0, 0.0), (float('nan'), 0.0)):
        scaling.hear(percent, 10.0)
        assert scaling.part(10.5) == part
    assert 'paused' in scaling.pause(10.5)
    assert scaling.part(11.5) == 1.0
    assert scaling.pause(11.5) == ''
