"""Node: a self-test of the arm before its first servo, as one page. Its contract is in docs/tools.md."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from geometry_msgs.msg import PoseWithCovarianceStamped, TwistStamped
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy
from rclpy.task import Future
from rclpy.topic_endpoint_info import TopicEndpointInfo
from sensor_msgs.msg import JointState

from cnn_vs_ros.arm_check.finding import Finding, Level
from cnn_vs_ros.arm_check.page import ArmCheck
from cnn_vs_ros.arm_check.survey import JointStateSurvey
from cnn_vs_ros.arm_check.wiggle import Wiggle, WiggleBounds
from cnn_vs_ros.control import ArmLink, DifferentialIk
from cnn_vs_ros.control.command_interface import CommandInterface
from cnn_vs_ros.control.joint_states import JointStates
from cnn_vs_ros.control.twist_gate import RIVALS_REMEMBERED
from cnn_vs_ros.errors import ArmError, VisualServoingError
from cnn_vs_ros.exit_status import FAILED, MISSED
from cnn_vs_ros.nodes import messages
from cnn_vs_ros.nodes.arm_listener import JOINT_STATES, ArmListener
from cnn_vs_ros.nodes.arm_watch import ArmWatch, takers_of_twists
from cnn_vs_ros.nodes.common import seconds_now, stamp_now, steady_clock
from cnn_vs_ros.nodes.controller_joints import PATIENCE, ControllerJoints
from cnn_vs_ros.nodes.parameters import declare
from cnn_vs_ros.nodes.requests import FAREWELL_TIME, change_of_state
from cnn_vs_ros.nodes.running import run_node, wait_until_delivered

STARTUP_TIMEOUT = 10.0
"""Seconds of wall time for which robot_description, and then joint_states, are waited for."""

QUIET_TIME = RIVALS_REMEMBERED
"""Seconds without twists of others after which differential_ik takes this node for their only sender."""

_LONGEST = 2.0
"""Times the longest time of its own that the wiggle may take by the wall's time."""
_PERIOD = 0.02
_OTHERS_SEND = 'nobody else should send twists but somebody does: ros2 topic info -v twist'


class CheckArmNode(Node):
    """Adapter of JointStateSurvey and Wiggle: listens for some seconds, moves if asked to, prints and ends."""

    def __init__(self) -> None:
        super().__init__('check_arm')
        self.done: Future = Future()
        self._declare_parameters()
        self._survey: JointStateSurvey | None = None
        self._wiggle: Wiggle | None = None
        self._others: list[Finding] = []
        self._order: list[str] = []
        self._step: Callable[[], None] = self._wait_for_description
        self._since, self._last_twist = time.monotonic(), -np.inf
        self._sent: set[int] = set()  # the stamps of our own twists
        self._paused = self._is_told = False
        self._publisher = self.create_publisher(TwistStamped, 'twist', 1)
        self.create_subscription(TwistStamped, 'twist', self._on_twist, 10)
        self._arm = ArmListener(self, on_kinematics=self._on_kinematics)
        self._link = ArmLink()
        self._watch = ArmWatch(self, self._link, self._publisher.topic_name, partial(seconds_now, self))
        topic = self.resolve_topic_name(self._interface.topic)
        self._controller = ControllerJoints(self, topic, self._on_controller_joints)
        self._change_state = self.create_client(ChangeState, 'pbvs_controller/change_state')
        self.create_subscription(JointState, 'joint_states', self._on_joint_states, JOINT_STATES)
        self.create_subscription(PoseWithCovarianceStamped, 'relative_pose', self._on_pose, 10)
        steady = steady_clock()
        self.create_timer(_PERIOD, lambda: self._step(), clock=steady)

    def _declare_parameters(self) -> None:
        def fixed(name: str, default: float, text: str, bounds: tuple[float, float]) -> float:
            return float(declare(self, name, default, text, bounds=bounds, read_only=True))

        self._moves = declare(self, 'wiggle', False, 'Whether to move the camera.', read_only=True)
        self._as_json = declare(self, 'json', False, 'Whether to print JSON.', read_only=True)
        self._duration = fixed('duration', 3.0, 'Joint states are looked at for so long, s.', (0.5, 60.0))
        bounds = WiggleBounds()
        self._bounds = WiggleBounds(
            fixed('distance', bounds.distance, 'How far it moves along each axis, m.', (0.0005, 0.01)),
            fixed('angle', bounds.angle, 'How far it turns about each axis, rad.', (0.002, 0.05)),
            fixed('period', bounds.period, 'Seconds there and back.', (0.5, 10.0)),
        )
        choices = [interface.value for interface in CommandInterface]
        word = declare(
            self,
            'command_interface',
            CommandInterface.VELOCITY.value,
            'What differential_ik sends, by which the controller is known.',
            choices=choices,
            read_only=True,
        )
        self._interface = CommandInterface(word)

    def shut_down(self) -> None:
        """Leave the arm standing still, and to pbvs_controller if that was active before."""
        if self._wiggle is not None:
            self._send(np.zeros(6))
            wait_until_delivered(self._publisher)
        if self._paused and self._change_state.service_is_ready():
            self._change_state.call_async(change_of_state(Transition.TRANSITION_ACTIVATE))
            time.sleep(FAREWELL_TIME)

    # What comes

    def _on_kinematics(self, kinematics: DifferentialIk, joint_states: JointStates, _: str) -> None:
        self._survey = JointStateSurvey(
            kinematics.joint_names, kinematics.lower, kinematics.upper, joint_states.timeout
        )

    def _on_joint_states(self, message: JointState) -> None:
        self._is_told = True
        if self._survey is not None and self._step == self._look:
            self._survey.take(
                message.name,
                message.position,
                message.velocity,
                messages.seconds(message.header.stamp),
                seconds_now(self),
            )

    def _on_pose(self, message: PoseWithCovarianceStamped) -> None:
        if self._wiggle is None:
            return
        try:
            pose = messages.pose_from_message(message.pose.pose)
        except VisualServoingError:
            return
        self._wiggle.see(messages.seconds(message.header.stamp), pose)

    def _on_twist(self, message: TwistStamped) -> None:
        if messages.stamp_of(message) not in self._sent:
            self._last_twist = time.monotonic()

    def _on_controller_joints(self, joints: list[str]) -> None:
        self._order = joints

    # One step after the other

    def _go_on(self, step: Callable[[], None]) -> None:
        self._step, self._since = step, time.monotonic()

    def _wait_for_description(self) -> None:
        if self._survey is not None:
            self._go_on(self._wait_for_joint_states)
        elif time.monotonic() - self._since > STARTUP_TIMEOUT:
            self._fail(f'robot_description should have come within {STARTUP_TIMEOUT:g} s but has not')

    def _wait_for_joint_states(self) -> None:
        if self._is_told or time.monotonic() - self._since > STARTUP_TIMEOUT:
            self._go_on(self._look)

    def _look(self) -> None:
        elapsed = time.monotonic() - self._since
        if elapsed < self._duration or (self._controller.is_owed and elapsed < self._duration + PATIENCE):
            return
        if self._moves:
            self._ask_for_the_way()
        else:
            self._finish()

    def _ask_for_the_way(self) -> None:
        if not self._page().passed:
            self._say(Level.NOTE, 'nothing was moved: what is said above comes first')
            self._finish()
            return
        if not takers_of_twists(self, self._publisher.topic_name):
            self._say(Level.PROBLEM, f'somebody should take {self._publisher.topic_name}: start differential_ik')
            self._finish()
            return
        self._go_on(self._wait_for_quiet)

    def _wait_for_quiet(self) -> None:
        now = time.monotonic()
        # Neither the controller's twists nor its service need to be known by now.
        if not self._paused and now - self._last_twist < QUIET_TIME and self._change_state.service_is_ready():
            self._paused = True
            self._change_state.call_async(change_of_state(Transition.TRANSITION_DEACTIVATE))
        if now - max(self._last_twist, self._since) > QUIET_TIME:
            self._wiggle = Wiggle(self._bounds)
            self._go_on(self._move)
        elif now - self._since > STARTUP_TIMEOUT:
            self._say(Level.PROBLEM, _OTHERS_SEND)
            self._finish()

    def _move(self) -> None:
        assert self._wiggle is not None
        others_send = self._last_twist > self._since
        if others_send and not self._wiggle.records:  # nothing has moved: a sender that was not known yet
            self._wiggle = None
            self._ask_for_the_way()
            return
        try:
            if others_send:
                raise ArmError(_OTHERS_SEND)
            if time.monotonic() - self._since > _LONGEST * self._bounds.longest_time:
                raise ArmError('the clock should go on but stands still, or hardly does')
            if self._wiggle.records and (held := self._link.holding or self._link.slowed):
                raise ArmError(f'the arm should be driven but: {held}')
            kinematics, positions = self._arm.state()
            self._send(self._wiggle.update(seconds_now(self), kinematics.pose(positions), self._arm.age))
        except VisualServoingError as error:
            self._send(np.zeros(6))
            self._wiggle.end()
            self._say(Level.PROBLEM, f'the motion was ended: {error}')
        if self._wiggle.finished:
            self._finish()

    def _send(self, twist: np.ndarray) -> None:
        message = messages.twist_stamped(twist, stamp_now(self), self._arm.tip_frame)
        self._sent.add(messages.stamp_of(message))
        self._publisher.publish(message)

    # The page

    def _say(self, level: Level, sentence: str) -> None:
        self._others.append(Finding(level, sentence))

    def _page(self) -> ArmCheck:
        assert self._survey is not None
        publishers = self.get_publishers_info_by_topic(self.resolve_topic_name('joint_states'))
        records = self._wiggle.records if self._wiggle is not None else []
        return ArmCheck(
            self._survey,
            [_publisher_said(info) for info in publishers],
            self._order,
            self._controller.controller,
            self._others,
            records,
        )

    def _finish(self) -> None:
        page = self._page()
        print(json.dumps(page.as_values()) if self._as_json else page.text(), flush=True)
        self.done.set_result(0 if page.passed else MISSED)
        self._go_on(lambda: None)

    def _fail(self, sentence: str) -> None:
        print(json.dumps({'error': sentence}) if self._as_json else f'check_arm: {sentence}', flush=True)
        self.done.set_result(FAILED)
        self._go_on(lambda: None)


def _publisher_said(info: TopicEndpointInfo) -> str:
    qos = info.qos_profile
    reliable = 'reliable' if qos.reliability == ReliabilityPolicy.RELIABLE else 'best effort'
    latched = 'transient local' if qos.durability == DurabilityPolicy.TRANSIENT_LOCAL else 'volatile'
    return f'{info.node_namespace.rstrip("/")}/{info.node_name}, {reliable}, {latched}'


def main(args: Sequence[str] | None = None) -> int:
    """Check, and return the exit status."""
    return run_node(CheckArmNode, args)
