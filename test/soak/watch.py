"""What the soak sees of the graph: the speeds, the status, and the way to speak to the nodes."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from geometry_msgs.msg import PoseStamped, PoseWithCovarianceStamped, TwistStamped
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import GetParameters, SetParameters
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray, Int64, String
from std_srvs.srv import Trigger

from cnn_vs_ros.errors import NoAnswerError
from cnn_vs_ros.graph.processes import wait_for
from cnn_vs_ros.nodes.common import LATCHED
from cnn_vs_ros.nodes.messages import seconds
from cnn_vs_ros.nodes.requests import answer_of

MOVING = 0.01
"""Joint speed, rad/s, above which the arm is not at rest."""

STATE_PERIOD = 0.01
"""Seconds of the arm between two joint states."""

QUIET = 0.3
"""Seconds of the arm for which it does not move when it is at rest."""

_IN_TIME = 0.7
"""Part of the wall's time that the simulated arm keeps up with; where it does not, what happens may be of that."""

_REPEAT_AFTER = 4.0
"""Seconds of wall time after which a request is repeated."""
_UP_PERIOD = 0.5
"""The same of a node that has just been started, which may not know us yet."""

_RELAY_PATIENCE = 30.0


class Watch:
    """An observer node, spun in a thread of its own.

    `arm_time` and `time_to_rest`, the time from `mark` to the last motion, are seconds of the arm, counted by its
    joint states: on a busy computer the simulated arm falls behind the wall's time. `way` is that of the camera
    since `mark`, in metres.
    """

    def __init__(self) -> None:
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.node = rclpy.create_node('soak', context=self.context)
        self.status, self.reason = '', ''
        self.arm_time = self.speed = self.way = 0.0
        self._place: np.ndarray | None
        self.mark()
        self.twist, self.command = np.zeros(6), np.zeros(6)
        self.reset_extremes()
        self._stamp: Any = None
        self._clients: dict[tuple[type, str], Any] = {}
        create = self.node.create_subscription
        create(TwistStamped, 'twist', self._on_twist, 100)
        create(Float64MultiArray, 'forward_velocity_controller/commands', self._on_command, 100)
        create(JointState, 'joint_states', self._on_state, 100)
        create(PoseStamped, 'ground_truth', self._on_truth, 100)
        create(String, 'servo_status', self._on_status, LATCHED)
        create(String, 'servo_status_reason', self._on_reason, LATCHED)
        create(DiagnosticArray, 'pose_status', self._on_pose_status, 10)
        create(Int64, 'fault_relay/taken', self._on_taken, 10)
        self._fault = self.node.create_publisher(String, 'fault_relay/fault', 10)
        self._fault_number = self._fault_taken = 0
        self._poses = self.node.create_publisher(PoseWithCovarianceStamped, 'relative_pose', 10)
        self._said = self.node.create_publisher(DiagnosticArray, 'pose_status', 10)
        self._twists = self.node.create_publisher(TwistStamped, 'twist', 10)
        self._states = self.node.create_publisher(JointState, 'joint_states', 10)
        self._commands = self.node.create_publisher(Float64MultiArray, 'forward_velocity_controller/commands', 10)
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._spin, name='watch', daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread and leave the graph."""
        rclpy.shutdown(context=self.context)
        self._thread.join(5.0)

    def reset_extremes(self) -> None:
        """Begin anew to look for the largest speeds, and for velocities that are not finite and not sent here."""
        self.joint_speed = self.commanded_speed = self.linear_speed = self.angular_speed = 0.0
        self.not_finite = 0
        self._sends_not_finite = False
        self._sent_speed = np.nan

    def mark(self) -> None:
        """Begin anew to measure the time to rest."""
        self._marked, self._newest = time.time(), 0.0
        self._place = None  # a place of before may be of another start
        self._since_mark = self.time_to_rest = self.way = 0.0

    def rests(self, patience: float = 10.0) -> bool:
        """Whether the arm is at rest, and has been for QUIET seconds, as told by joint states from now on."""
        now = time.time()
        return wait_for(lambda: self._newest >= now and self._since_mark - self.time_to_rest >= QUIET, patience)

    def pace(self) -> Callable[[], bool]:
        """What tells whether the simulated arm keeps up with the wall's time from now on."""
        wall, arm = time.monotonic(), self.arm_time
        return lambda: self.arm_time - arm > _IN_TIME * (time.monotonic() - wall)

    def fault(self, kind: str, clock_jump: float = 0.0) -> str:
        """Set the fault of the relay, an empty kind is none, and measure the time to rest from there.

        Returns what went wrong; empty if nothing did. A relay that has just been started may not hear the first
        message: it is repeated until it is answered.
        """
        self._fault_number += 1
        command = {'kind': kind, 'clock_jump': clock_jump, 'number': self._fault_number}
        deadline = time.monotonic() + _RELAY_PATIENCE
        while self._fault_taken != self._fault_number and time.monotonic() < deadline:
            self._fault.publish(String(data=json.dumps(command)))
            wait_for(lambda: self._fault_taken == self._fault_number, 0.2, 0.002)
        self.mark()
        return '' if self._fault_taken == self._fault_number else 'the relay does not answer that it has the fault'

    def send_nan_pose(self) -> None:
        """Send an estimate that is not finite, with the status that belongs to it."""
        pose, said = PoseWithCovarianceStamped(), DiagnosticArray()
        pose.header.stamp = said.header.stamp = self._stamp or self.node.get_clock().now().to_msg()
        pose.pose.pose.position.x = float('nan')
        said.status = [DiagnosticStatus(message='tracked', values=[KeyValue(key='confidence', value='1.0')])]
        self._said.publish(said)
        self._poses.publish(pose)

    def send_nan_twist(self) -> None:
        """Send a twist that is not finite."""
        self._sends_not_finite = True
        message = TwistStamped()
        message.header.frame_id = 'camera_optical_frame'
        message.twist.angular.z = float('nan')
        self._twists.publish(message)

    def send_broken_joint_state(self, kind: int) -> None:
        """Send joint states without joints, with unknown ones, or not finite."""
        names = ([], ['nobody'], ['shoulder_pan_joint'])[kind % 3]
        self._states.publish(JointState(name=names, position=[float('nan')] * len(names)))

    def send_rival_twist(self, speed: float) -> None:
        """Send a twist beside the controller's, stamped as it should be, at `speed` m/s."""
        message = TwistStamped()
        message.header.stamp = self._stamp or self.node.get_clock().now().to_msg()
        message.header.frame_id = 'camera_optical_frame'
        message.twist.linear.z = speed
        self._sent_speed = speed
        self._twists.publish(message)

    def send_gripper_state(self) -> None:
        """Send the state of a joint that is none of the arm's."""
        self._states.publish(JointState(name=['finger_joint'], position=[0.02]))

    def send_jump(self) -> None:
        """Send a position that no joint can have reached."""
        self._states.publish(JointState(name=['elbow_joint'], position=[-2.0]))

    def offer_description(self, urdf: str, seconds: float) -> None:
        """Publish a robot description, latched for some seconds."""
        publisher = self.node.create_publisher(String, 'robot_description', LATCHED)
        publisher.publish(String(data=urdf))
        time.sleep(seconds)
        self.node.destroy_publisher(publisher)

    def send_broken_command(self, kind: int) -> None:
        """Send joint velocities of the wrong length, or not finite."""
        self._sends_not_finite = True
        self._commands.publish(Float64MultiArray(data=([0.0, 1.0], [float('inf')] * 6)[kind % 2]))

    def send_zero_command(self) -> None:
        """Send joint velocities of zero."""
        self._commands.publish(Float64MultiArray(data=[0.0] * 6))

    def value(self, node: str, name: str) -> ParameterValue | None:
        """Value of a parameter; None when the node does not tell."""
        response = self.call(GetParameters, f'{node}/get_parameters', GetParameters.Request(names=[name]))
        return response.values[0] if response and response.values else None

    def set_values(self, node: str, values: Mapping[str, int | float | str | ParameterValue]) -> str:
        """Set parameters, and return why not where that fails."""
        parameters = [Parameter(name=name, value=_parameter_value(value)) for name, value in values.items()]
        request = SetParameters.Request(parameters=parameters)
        response = self.call(SetParameters, f'{node}/set_parameters', request)
        if response is None:
            return f'{node}/set_parameters did not answer'
        return '; '.join(result.reason for result in response.results if not result.successful)

    def is_up(self, node: str, timeout: float) -> bool:
        """Wait until a node that was started answers, at most `timeout` seconds; say whether it does."""
        request = GetParameters.Request(names=['use_sim_time'])
        return self.call(GetParameters, f'{node}/get_parameters', request, timeout, _UP_PERIOD) is not None

    def call(
        self,
        service_type: Any,
        name: str,
        request: Any = None,
        timeout: float = 15.0,
        period: float = _REPEAT_AFTER,
    ) -> Any:
        """Response of a service, or None when it does not come within `timeout` seconds."""
        key = (service_type, name)
        if key not in self._clients:
            self._clients[key] = self.node.create_client(service_type, name)
        client, began = self._clients[key], time.monotonic()
        if not wait_for(client.service_is_ready, timeout):
            return None
        left = timeout - (time.monotonic() - began)
        try:
            return answer_of(
                lambda: client.call_async(request or service_type.Request()), name, left, period=period
            )
        except NoAnswerError:
            return None

    def trigger(self, name: str, timeout: float = 15.0) -> str | None:
        """Call a Trigger service: None when it succeeds, else why it did not."""
        response = self.call(Trigger, name, timeout=timeout)
        if response is None:
            return f'{name} did not answer'
        return None if response.success else str(response.message)

    def _spin(self) -> None:
        try:
            while self.context.ok():
                self._executor.spin_once(timeout_sec=0.1)
        except ExternalShutdownException:
            return

    def _on_twist(self, message: TwistStamped) -> None:
        v, w = message.twist.linear, message.twist.angular
        twist = np.array([v.x, v.y, v.z, w.x, w.y, w.z])
        if not np.isfinite(twist).all():
            self.not_finite += not self._sends_not_finite
            return
        if np.linalg.norm(twist[:3]) == self._sent_speed:
            return  # one of ours
        self.linear_speed = max(self.linear_speed, float(np.linalg.norm(twist[:3])))
        self.angular_speed = max(self.angular_speed, float(np.linalg.norm(twist[3:])))
        self.twist = twist

    def _on_command(self, message: Float64MultiArray) -> None:
        command = np.array(message.data)
        if len(command) != 6 or not np.isfinite(command).all():
            self.not_finite += not self._sends_not_finite
            return
        self.command = command
        self.commanded_speed = max(self.commanded_speed, float(np.abs(command).max()))

    def _on_state(self, message: JointState) -> None:
        if len(message.velocity) == 0:  # one of ours
            return
        self.speed = float(np.abs(message.velocity).max())
        self.joint_speed = max(self.joint_speed, self.speed)
        self.arm_time += STATE_PERIOD
        # By its stamp: on a busy computer a state may wait here for a while.
        self._newest = seconds(message.header.stamp)
        if self._newest > self._marked:
            self._since_mark += STATE_PERIOD
            if self.speed > MOVING:
                self.time_to_rest = self._since_mark

    def _on_truth(self, message: PoseStamped) -> None:
        if seconds(message.header.stamp) <= self._marked:
            return
        position = message.pose.position
        place, before = np.array([position.x, position.y, position.z]), self._place
        self._place = place
        if before is not None:
            self.way += float(np.linalg.norm(place - before))

    def _on_status(self, message: String) -> None:
        self.status = message.data

    def _on_taken(self, message: Int64) -> None:
        self._fault_taken = message.data

    def _on_reason(self, message: String) -> None:
        self.reason = message.data

    def _on_pose_status(self, message: DiagnosticArray) -> None:
        self._stamp = message.header.stamp


def _parameter_value(value: int | float | str | ParameterValue) -> ParameterValue:
    if isinstance(value, str):
        return ParameterValue(type=ParameterType.PARAMETER_STRING, string_value=value)
    if isinstance(value, int):
        return ParameterValue(type=ParameterType.PARAMETER_INTEGER, integer_value=value)
    if isinstance(value, float):
        return ParameterValue(type=ParameterType.PARAMETER_DOUBLE, double_value=value)
    return value
