"""MoveIt Servo's node, as its documentation and the source of branch jazzy (moveit_servo, servo_node.cpp) say.

moveit_msgs is not on PyPI: the status is a DiagnosticStatus (code in `hardware_id`) and switch_command_type a
SetBool whose `data` says TWIST; everything else has Servo's own types. Run as a module it is the adapter with
these types.
"""

from __future__ import annotations

import sys
from collections import deque

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import TwistStamped
from rcl_interfaces.msg import ParameterType, ParameterValue
from rcl_interfaces.srv import GetParameters
from sensor_msgs.msg import JointState
from std_srvs.srv import SetBool
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from cnn_vs_ros.nodes import messages
from cnn_vs_ros.nodes.moveit_servo_adapter import MoveItServoAdapter
from cnn_vs_ros.nodes.moveit_servo_messages import ServoMessages
from cnn_vs_ros.nodes.running import run_node
from test.ros_graph import Graph

INCOMING_COMMAND_TIMEOUT = 0.1
INVALID, NO_WARNING = -1, 0
PERIOD, LATENCY = 0.02, 0.1
TOPIC = 'joint_trajectory_controller/joint_trajectory'


class OneJoint:
    """Servo's window of commands for a joint that makes a twist's norm, and the controller that takes them.

    A step begins where the last command ended, and where the arm is once twists have ceased. An active controller
    goes where it is told, but holds where that is further away than its tolerance. Servo goes on as well where the
    arm is not `measured` any more.
    """

    NAME, TOLERANCE = 'elbow_joint', 0.2

    def __init__(self) -> None:
        self.active = self.measured = True
        self.position = 1.0
        self._window: deque[float] = deque(maxlen=round(2 * LATENCY / PERIOD))

    def step(self, twist: np.ndarray | None) -> list[float]:
        """Go on by one period of a twist; None when twists have ceased. Returns what is commanded."""
        if twist is None:
            self._window.clear()
            return []
        start = self._window[-1] if self._window else self.position
        self._window.append(start + float(np.linalg.norm(twist)) * PERIOD)
        goal = self._window[len(self._window) // 2]
        if self.active and abs(goal - self.position) < self.TOLERANCE:
            self.position = goal
        return list(self._window)


class MoveItServo:
    """Servo's topics and services in a namespace `servo_node`.

    `twist` is the one being applied, in the end effector's frame: None after a stale or invalid command, after
    none, and while paused. `refused` holds why commands were not applied.
    """

    def __init__(self, graph: Graph, frames: tuple[str, ...], command_in_type: str = 'speed_units') -> None:
        self.graph, self.frames, self.command_in_type = graph, frames, command_in_type
        self.apply_about_end_effector = True
        self.running, self.paused, self.takes_twists = True, False, False
        self.status = (NO_WARNING, 'No warnings')
        self.switches = 0
        self.refused: list[str] = []
        self.twist: np.ndarray | None = None
        self.received: list[TwistStamped] = []
        node = graph.node
        node.create_subscription(TwistStamped, 'servo_node/delta_twist_cmds', self._on_twist, 10)
        self._publisher = node.create_publisher(DiagnosticStatus, 'servo_node/status', 10)
        node.create_service(SetBool, 'servo_node/switch_command_type', self._on_switch)
        node.create_service(SetBool, 'servo_node/pause_servo', self._on_pause)
        node.create_service(GetParameters, 'servo_node/get_parameters', self._on_parameters)
        self.joint = OneJoint()
        self._states = node.create_publisher(JointState, 'joint_states', 10)
        self._trajectories = node.create_publisher(JointTrajectory, TOPIC, 10)
        node.create_timer(PERIOD, self._loop)

    def restart(self) -> None:
        """Come up again with the command type of the start."""
        self.takes_twists, self.twist = False, None
        self.received.clear()

    def command(self, *positions: float) -> None:
        """Send the controller a trajectory of the joint, as anybody may."""
        points = [JointTrajectoryPoint(positions=[position]) for position in positions]
        self._trajectories.publish(JointTrajectory(joint_names=[self.joint.NAME], points=points))

    def _loop(self) -> None:
        if self.joint.measured:
            self._states.publish(JointState(name=[self.joint.NAME], position=[self.joint.position]))
        if not self.running or self.paused:
            self.twist = None
            self.joint.step(None)
            return
        newest = self.received[-1] if self.received else None
        if newest is not None:
            self._take(newest)
        if commanded := self.joint.step(self.twist if newest is not None else None):
            self.command(*commanded)
        code, text = self.status
        self._publisher.publish(DiagnosticStatus(hardware_id=str(code), message=text))

    def _take(self, message: TwistStamped) -> None:
        self.twist = None
        age = messages.seconds(self.graph.now()) - messages.seconds(message.header.stamp)
        if not self.takes_twists:
            self.refused.append('Command type has not been set, cannot accept input')
            self.received.clear()
        elif age >= INCOMING_COMMAND_TIMEOUT:
            self.received.clear()  # it halts smoothly
        elif message.header.frame_id not in self.frames:
            self.refused.append(f'no transform from {message.header.frame_id!r}')
            self.status = (INVALID, 'Invalid')
        else:
            self.twist = messages.twist_from_message(message.twist)

    def _on_twist(self, message: TwistStamped) -> None:
        if self.running:
            self.received.append(message)

    def _on_switch(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        self.takes_twists = request.data
        self.switches += 1
        response.success = request.data
        return response

    def _on_pause(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        self.paused = request.data
        response.success = True
        return response

    def _on_parameters(
        self, request: GetParameters.Request, response: GetParameters.Response
    ) -> GetParameters.Response:
        known = {
            'moveit_servo.command_out_type': ParameterValue(
                type=ParameterType.PARAMETER_STRING, string_value='trajectory_msgs/JointTrajectory'
            ),
            'moveit_servo.command_out_topic': ParameterValue(
                type=ParameterType.PARAMETER_STRING, string_value=TOPIC
            ),
            'moveit_servo.command_in_type': ParameterValue(
                type=ParameterType.PARAMETER_STRING, string_value=self.command_in_type
            ),
            'moveit_servo.apply_twist_commands_about_ee_frame': ParameterValue(
                type=ParameterType.PARAMETER_BOOL, bool_value=self.apply_about_end_effector
            ),
        }
        response.values = [known.get(name, ParameterValue()) for name in request.names]
        return response


def stand_in_messages() -> ServoMessages:
    return ServoMessages(
        status_type=DiagnosticStatus,
        read_status=lambda message: (int(message.hardware_id), message.message),
        switch_type=SetBool,
        switch_request=lambda: SetBool.Request(data=True),
    )


if __name__ == '__main__':
    sys.exit(run_node(lambda: MoveItServoAdapter(stand_in_messages())))
