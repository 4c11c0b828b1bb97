from __future__ import annotations

import numpy as np
import pytest

from cnn_vs_ros.control import DifferentialIk, ServoStatus
from cnn_vs_ros.control.arm_drive import ArmBounds, ArmDrive
from cnn_vs_ros.control.joint_states import JointStates
from cnn_vs_ros.control.speed_scaling import SpeedScaling
from cnn_vs_ros.control.tip_box import TipBox
from cnn_vs_ros.errors import ArmError, JointStateError, VisualServoingError
from cnn_vs_ros.simulation import load_robot_description

IK = DifferentialIk(load_robot_description())
POSTURE = np.array([0.3, -1.4, 1.6, -1.7, -1.5, 0.2])
SPIN = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 1.0])
PERIOD = 0.02


class Arm:
    """A drive with an arm that follows, in steps of PERIOD."""

    def __init__(self, **bounds) -> None:
        self.states = JointStates(IK.joint_names, 0.2, IK.velocity_limits)
        self.scaling = SpeedScaling()
        self.drive = ArmDrive(IK, self.states, ArmBounds(**bounds), scaling=self.scaling)
        self.q, self.now, self.command = POSTURE.copy(), 0.0, np.zeros(6)
        self.follows = self.speaks = True
        self.refused = False
        self.commands: list[np.ndarray] = []

    def step(self, twist: np.ndarray | None) -> None:
        """Follow a twist, or stop for None or where the drive refuses."""
        self.now += PERIOD
        self.q = self.q + PERIOD * self.command * self.follows
        if self.speaks:
            self.states.take(IK.joint_names, self.q, self.now)
        try:
            if twist is None:
                raise VisualServoingError
            self.command, self.refused = self.drive.follow(twist, self.now), False
        except VisualServoingError:
            self.refused = True
            self.command = self.drive.stop(self.now)
        self.commands.append(self.command)

    def run(self, twist: np.ndarray | None, seconds: float) -> Arm:
        for _ in range(round(seconds / PERIOD)):
            self.step(twist)
        return self


def test_the_tip_moves_as_the_twist_says():
    arm = Arm()
    twist = np.array([0.02, -0.01, 0.03, 0.05, -0.1, 0.08])
    arm.run(twist, 1.0)
    np.testing.assert_allclose(arm.command, IK.joint_velocities(arm.q, twist), atol=1e-9)
    assert arm.drive.state(arm.now)[0] is ServoStatus.SERVOING


@pytest.mark.parametrize('seed', range(20))
def test_whatever_the_twists_and_the_gaps_every_command_is_finite_and_every_stop_in_time(seed):
    random = np.random.default_rng(seed)
    arm = Arm(acceleration=random.uniform(0.1, 100), jerk=random.uniform(1, 1e5), stop_time=0.2)
    for _ in range(30):
        arm.run(random.normal(0, 1, 6) * random.choice([0.01, 0.3, 100]), random.uniform(0, 0.3))
        arm.speaks = bool(random.random() < 0.8)
    moving = np.abs(arm.command).max()
    stopped = arm.run(None, 0.24).commands[-12:]
    assert not stopped[-1].any()
    assert np.isfinite(arm.commands).all()
    assert (np.abs(arm.commands) <= IK.velocity_limits + 1e-9).all()
    way = PERIOD * np.abs(stopped).sum(axis=0).max()
    assert way <= 0.5 * moving * 0.2 + moving * PERIOD + 1e-9


def test_each_beginning_is_a_ramp_also_after_a_drop_out():
    arm = Arm()
    arm.run(SPIN, 1.0)
    arm.speaks = False
    arm.run(SPIN, 1.0)
    assert not arm.command.any()
    with pytest.raises(JointStateError):
        arm.drive.follow(SPIN, arm.now)
    arm.speaks = True
    arm.run(SPIN, 1.0)
    np.testing.assert_allclose(arm.command, IK.joint_velocities(arm.q, SPIN), atol=1e-9)
    assert np.abs(np.diff(arm.commands, axis=0)).max() <= 10.0 * PERIOD + 1e-9


def test_an_arm_that_does_not_follow_stops_until_the_twists_have_been_zero():
    arm = Arm()
    arm.run(SPIN, 1.0)
    arm.follows = False
    arm.run(SPIN, 1.5)
    assert not arm.command.any()
    arm.follows = True
    arm.run(SPIN, 3.0)
    assert not arm.command.any()
    with pytest.raises(ArmError, match='is the controller active'):
        arm.drive.follow(SPIN, arm.now)
    arm.run(np.zeros(6), 0.5)
    arm.run(SPIN, 1.0)
    assert arm.command.any()


def test_while_somebody_else_moves_the_arm_it_is_not_driven_and_said_to_be_stopped_all_the_while():
    """As by another controller, while pbvs_controller sends zeros."""
    arm = Arm()
    arm.run(SPIN, 0.5).run(np.zeros(6), 0.5)
    refused = []
    for _ in range(round(3.0 / PERIOD)):
        arm.q = arm.q + PERIOD * 0.1
        arm.step(np.zeros(6))
        refused.append(arm.refused)
    assert sum(np.diff(refused)) == 1
    assert not arm.run(SPIN, 0.1).command.any()
    assert np.abs(arm.run(np.zeros(6), 1.0).run(SPIN, 0.3).command).max() > 0.1


def test_a_start_just_after_somebody_else_moved_the_arm_is_followed():
    """As after it was put to another start: what came before the first twist is not held against it for long."""
    arm = Arm()
    arm.run(SPIN, 0.5).run(np.zeros(6), 0.1)
    for _ in range(30):
        arm.q = arm.q - PERIOD * 0.3
        arm.step(np.zeros(6))
    arm.run(np.zeros(6), 0.3)
    assert np.abs(arm.run(SPIN, 0.3).command).max() > 0.1


def test_the_tip_stops_at_the_face_of_the_box_and_goes_back():
    height = float(IK.pose(POSTURE)[2, 3])
    arm = Arm(box=TipBox((-2, -2, height - 0.05), (2, 2, 2)))
    for _ in range(200):
        down = np.zeros(6)
        down[:3] = IK.pose(arm.q)[:3, :3].T @ [0.0, 0.0, -0.25]
        arm.step(down)
        assert IK.pose(arm.q)[2, 3] >= height - 0.05 - 1e-3
    assert arm.drive.state(arm.now) == (ServoStatus.LIMITED, 'halted: before a face of the box')
    arm.run(-down, 0.5)
    assert IK.pose(arm.q)[2, 3] > height
    assert arm.drive.state(arm.now)[0] is ServoStatus.SERVOING


def test_no_joint_passes_its_limit_at_full_speed_and_the_reason_is_said():
    arm = Arm()
    arm.q[5] = IK.upper[5] - 0.6
    for _ in range(300):
        arm.step(3.0 * np.append(np.zeros(3), IK.jacobian(arm.q)[3:, 5]))
        assert arm.q[5] <= IK.upper[5]
    assert arm.drive.state(arm.now) == (ServoStatus.LIMITED, 'halted: before a joint limit')


def test_a_singularity_halts_the_arm_and_the_reason_is_said():
    arm = Arm()
    arm.q[4] = -0.3
    for _ in range(600):
        arm.step(IK.jacobian(arm.q)[:, 4] * 0.3)
    assert IK.condition_number(arm.q) < 30.5
    assert arm.drive.state(arm.now) == (ServoStatus.LIMITED, 'halted: before a singularity')


def scaled(arm: Arm, percent: float, seconds: float) -> Arm:
    """Follow SPIN while the robot leaves that much of the speed."""
    for _ in range(round(seconds / PERIOD)):
        arm.scaling.hear(percent, arm.now + PERIOD)
        arm.follows = 0.01 * percent
        arm.step(SPIN)
    return arm


def test_a_robot_at_a_tenth_of_its_speed_follows_and_a_paused_one_is_waited_for():
    arm = scaled(Arm(), 10.0, 2.0)
    np.testing.assert_allclose(arm.command, IK.joint_velocities(arm.q, SPIN), atol=1e-9)
    assert arm.drive.state(arm.now)[0] is ServoStatus.SERVOING
    scaled(arm, 0.0, 2.0)
    assert not arm.command.any()
    assert arm.drive.state(arm.now)[0] is ServoStatus.LIMITED
    assert 'paused' in arm.drive.state(arm.now)[1]
    count = len(arm.commands)
    scaled(arm, 100.0, 1.0)
    assert np.abs(np.diff(arm.commands[count - 1 :], axis=0)).max() <= 10.0 * PERIOD + 1e-9
    np.testing.assert_allclose(arm.command, IK.joint_velocities(arm.q, SPIN), atol=1e-9)
