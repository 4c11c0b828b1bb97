"""Node: twist of the camera in, commands of the joints out. Its contract is in docs/nodes.md."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from geometry_msgs.msg import TwistStamped
from rclpy.node import Node

from cnn_vs_ros.control import DifferentialIk, ServoStatus
from cnn_vs_ros.control.arm_drive import ArmDrive, Obstacle
from cnn_vs_ros.control.collision import CollisionCheck
from cnn_vs_ros.control.command_interface import CommandInterface
from cnn_vs_ros.control.commanded_positions import CommandedPositions
from cnn_vs_ros.control.joint_order import JointOrder
from cnn_vs_ros.control.joint_states import JointStates
from cnn_vs_ros.control.speed_scaling import SpeedScaling
from cnn_vs_ros.control.twist_gate import SenderWatch, TwistGate
from cnn_vs_ros.errors import ArmError, JointStateError, NotFollowingError, VisualServoingError
from cnn_vs_ros.nodes import messages
from cnn_vs_ros.nodes.arm_listener import ArmListener
from cnn_vs_ros.nodes.arm_status import ArmStatusPublisher
from cnn_vs_ros.nodes.common import steady_clock
from cnn_vs_ros.nodes.controller_joints import ControllerJoints
from cnn_vs_ros.nodes.ik_parameters import IkParameters
from cnn_vs_ros.nodes.joint_commands import JointCommands
from cnn_vs_ros.nodes.quality_of_service import subscribe
from cnn_vs_ros.nodes.running import run_node, wait_until_delivered
from cnn_vs_ros.nodes.speed_scaling import hear_speed_scaling
from cnn_vs_ros.nodes.throttled_warnings import ThrottledWarnings
from cnn_vs_ros.nodes.transport import leave_shared_memory
from cnn_vs_ros.resources import share_folders

LONGEST_FAREWELL = 0.5
"""Wall-clock seconds for which twists are followed after a signal to end, while their sender comes to a stop."""

_POLL_PERIOD = 0.01


class _NotReadyError(VisualServoingError):
    """What motion has to wait for at the beginning is not there yet."""


class DifferentialIkNode(Node):
    """Adapter of ArmDrive: twist and joint_states in, the commands of a ros2_control controller out."""

    def __init__(self) -> None:
        super().__init__('differential_ik')
        settings = IkParameters(self)
        self._settings, self._order = settings, JointOrder(settings.joints)
        self._warn = ThrottledWarnings(self.get_logger())
        self._drive: ArmDrive | None = None
        self._holding = self._has_followed = self._is_asked_to_move = False
        self._fault = ''
        self._twist_time: float | None = None
        self._scaling = SpeedScaling()
        self._commands = JointCommands(self, settings.interface, self._order, settings.trajectory_time)
        self._status = ArmStatusPublisher(self, 'joint commands')
        self._controller = ControllerJoints(self, self._commands.publisher.topic_name, self._on_controller_joints)
        self._arm = ArmListener(self, settings.kinematics, self._on_kinematics, self._on_fault)
        self._gate = TwistGate(
            self._arm.tip_frame,
            settings.max_linear_velocity,
            settings.max_angular_velocity,
            settings.twist_timeout,
        )
        self._senders = SenderWatch()
        subscribe(self, TwistStamped, 'twist', self._on_twist, 1)
        hear_speed_scaling(self, self._scaling, self._arm.clock.now)
        # Steady, so that the watch goes on when the node's clock stands still or jumps.
        steady = steady_clock()
        self.create_timer(1.0 / settings.rate, self._on_timer, clock=steady)
        self.create_timer(1.0, self._publish_diagnostics, clock=steady)
        self._status.say(ServoStatus.IDLE, 'waiting for a twist')

    def shut_down(self) -> None:
        """Follow the twists while their sender comes to a stop, then send zeros and see them delivered."""
        if self._twist_time is None or self._drive is None:
            return
        try:
            self._follow_farewell(self._drive)
        finally:  # whatever comes of a callback
            self._end_in_zeros(self._drive)

    def _follow_farewell(self, drive: ArmDrive) -> None:
        deadline = time.monotonic() + LONGEST_FAREWELL
        while drive.is_moving and not self._holding and time.monotonic() < deadline and self.executor:
            self.executor.spin_once(timeout_sec=_POLL_PERIOD)

    def _end_in_zeros(self, drive: ArmDrive) -> None:
        began, now = time.monotonic(), self._arm.clock.now()
        passed = 0.0
        while drive.is_moving and passed < self._settings.bounds.stop_time:
            self._stop(now + passed)  # nobody hears /clock meanwhile
            time.sleep(_POLL_PERIOD)
            passed = time.monotonic() - began
        self._commands.send(np.zeros(self._order.size), now + passed)
        self._status.say(ServoStatus.STOPPED, 'differential_ik has ended')
        wait_until_delivered(self._commands.publisher)

    # What is known of the arm

    def _on_kinematics(self, kinematics: DifferentialIk, joint_states: JointStates, urdf: str) -> None:
        self._order.take_description(kinematics.joint_names)
        obstacle = self._obstacle(kinematics, urdf)
        settings = self._settings
        self._drive = ArmDrive(kinematics, joint_states, settings.bounds, obstacle, self._scaling)
        self._commands.arm = CommandedPositions(kinematics, joint_states, settings.lead, self._scaling)
        self.get_logger().info(f'driving {kinematics.tip_frame} by {", ".join(self._order.joints)}')
        self.get_logger().info(f'limits: {settings.limits}')

    def _obstacle(self, kinematics: DifferentialIk, urdf: str) -> Obstacle | None:
        if not self._settings.collision_check:
            return None
        return CollisionCheck(kinematics, urdf, **self._settings.collision, packages=share_folders())

    def _on_controller_joints(self, joints: list[str]) -> None:
        try:
            self._order.take_controller(self._controller.controller, joints)
        except ArmError as error:
            self._on_fault(str(error))

    def _on_fault(self, sentence: str) -> None:
        """Stop for good: the arm is not what it was taken to be."""
        if not self._fault:
            self.get_logger().error(f'no motion any more: {sentence}')
        self._fault = self._fault or sentence
        self._hold(ArmError(self._fault), self._arm.clock.now())

    def _ready(self) -> ArmDrive:
        if self._fault:
            raise ArmError(self._fault)
        if self._drive is None:
            raise _NotReadyError('waiting for robot_description')
        if self._controller.is_owed:
            raise _NotReadyError(f'waiting for {self._controller.controller} to tell its joints')
        if self._settings.interface is CommandInterface.POSITION and not self._order.is_certain:
            raise ArmError(
                f'{self._controller.controller} should tell its joints, or the parameter joints be set, '
                'but neither is so: positions in another order would be a leap'
            )
        if self._is_asked_to_move and self._order.settle():
            self.get_logger().warning(
                f'{self._controller.controller} should tell the order of its joints but is not there to be asked: '
                f'they are taken to be {", ".join(self._order.joints)}; set the parameter joints'
            )
        return self._drive

    # Motion

    def _on_twist(self, message: TwistStamped, info: dict[str, Any]) -> None:
        self._arm.catch_up()
        now = self._arm.clock.now()
        self._twist_time = now
        try:
            self._senders.take(info.get('publication_sequence_number'), now)
            twist = messages.twist_from_message(message.twist)
            self._is_asked_to_move = bool(twist.any())
            twist = self._gate.admit(
                twist, message.header.frame_id, messages.seconds(message.header.stamp), self._stamp_time()
            )
            drive = self._ready()
            command = drive.follow(twist, now)
        except VisualServoingError as error:
            self._hold(error, now)
            return
        self._holding, self._has_followed = False, True
        self._commands.send(command, now)
        self._status.say(*drive.state(now))

    def _on_timer(self) -> None:
        # Before the first twist nothing is sent: the controller may still be someone else's.
        if self._twist_time is None:
            return
        self._arm.catch_up()
        now = self._arm.clock.now()
        if now - self._twist_time > self._settings.twist_timeout:
            self._holding = True
            if not self._fault:
                self._status.say(ServoStatus.IDLE, 'no twist comes')
        if self._holding:
            self._stop(now)

    def _hold(self, error: VisualServoingError, now: float) -> None:
        """Come to a stop for the reason given."""
        self._holding = self._twist_time is not None
        if self._holding:
            self._stop(now)
        stale = isinstance(error, JointStateError)
        if isinstance(error, _NotReadyError) or (stale and not self._has_followed):
            self._status.say(ServoStatus.IDLE, str(error))
            return
        if self._is_asked_to_move:
            self._warn(f'no motion: {error}')
        stopped = isinstance(error, NotFollowingError)
        word = ServoStatus.STALE if stale else ServoStatus.STOPPED if stopped else ServoStatus.ERROR
        self._status.say(word, str(error))

    def _stamp_time(self) -> float:
        now = self.get_clock().now().nanoseconds
        if now == 0:
            raise _NotReadyError('waiting for /clock')
        return 1e-9 * now

    def _stop(self, now: float) -> None:
        if self._drive is not None:
            self._commands.send(self._drive.stop(now), now)

    def _publish_diagnostics(self) -> None:
        values: dict[str, object] = {}
        kinematics, positions = self._arm.kinematics, self._arm.last_positions
        if kinematics is not None and positions is not None:
            values['condition_number'] = kinematics.condition_number(positions)
        self._status.publish_diagnostics(values)


def main(args: Sequence[str] | None = None) -> int:
    """Run the node until a signal ends it."""
    leave_shared_memory()
    return run_node(DifferentialIkNode, args)
