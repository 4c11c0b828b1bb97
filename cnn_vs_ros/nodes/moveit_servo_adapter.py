"""Node: twist of the camera in, twist of the end effector to MoveIt Servo. Its contract is in docs/moveit.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from geometry_msgs.msg import Twist, TwistStamped
from numpy.typing import NDArray
from rcl_interfaces.msg import ParameterType
from rcl_interfaces.srv import GetParameters
from rclpy.node import Node
from rclpy.task import Future
from std_msgs.msg import String
from std_srvs.srv import SetBool

from cnn_vs_ros import frames
from cnn_vs_ros.control import ServoStatus
from cnn_vs_ros.control.moveit_servo import ServoLink, rigid_transform, twist_of_end_effector
from cnn_vs_ros.errors import DescriptionError, VisualServoingError
from cnn_vs_ros.nodes import messages
from cnn_vs_ros.nodes.arm_calibration import declare_arm_calibration
from cnn_vs_ros.nodes.arm_status import ArmStatusPublisher
from cnn_vs_ros.nodes.common import LATCHED, seconds_now, stamp_now, steady_clock
from cnn_vs_ros.nodes.moveit_servo_messages import ServoMessages, installed_messages
from cnn_vs_ros.nodes.parameters import declare, default_of
from cnn_vs_ros.nodes.quality_of_service import subscribe
from cnn_vs_ros.nodes.running import run_node, wait_until_delivered
from cnn_vs_ros.nodes.servo_output import ServoOutput
from cnn_vs_ros.nodes.throttled_warnings import ThrottledWarnings
from cnn_vs_ros.nodes.transport import leave_shared_memory

Array = NDArray[np.float64]

_SERVO_PARAMETERS = ('moveit_servo.command_in_type', 'moveit_servo.apply_twist_commands_about_ee_frame')
_OUTPUT_PARAMETERS = ('moveit_servo.command_out_type', 'moveit_servo.command_out_topic')
_HALTING = 0.3
"""Seconds for which zero twists are passed on: then Servo is left alone, and another may move the arm."""
_SETUP_PERIOD = 0.5
"""Seconds after which setting Servo up is tried again."""


class MoveItServoAdapter(Node):
    """Adapter from twist to MoveIt Servo's delta_twist_cmds."""

    def __init__(self, servo: ServoMessages) -> None:
        super().__init__('moveit_servo_adapter')
        self._camera_frame = declare(
            self, 'camera_frame', frames.CAMERA, 'Frame of the twists that come in.', read_only=True
        )
        self._end_effector = declare(
            self,
            'end_effector_frame',
            frames.FLANGE,
            "Frame of the twists that go out: the tip of the planning group's kinematic chain.",
            read_only=True,
        )
        node = declare(self, 'servo_node', 'servo_node', 'Name of the node of MoveIt Servo.', read_only=True)
        description = declare(
            self, 'robot_description', '', 'URDF; empty: from the topic robot_description.', read_only=True
        )
        self._calibration = declare_arm_calibration(self)
        self._twist_timeout = declare(
            self,
            'twist_timeout',
            0.1,
            'A twist older than this by its stamp is not passed on, s.',
            bounds=(0.01, 10.0),
            read_only=True,
        )
        status_timeout = declare(
            self,
            'status_timeout',
            default_of(ServoLink, 'status_timeout'),
            'Servo counts as paused or gone this long after its last status, s.',
            bounds=(0.1, 60.0),
            read_only=True,
        )
        tolerance = declare(
            self,
            'follow_tolerance',
            0.05,
            'As far from where Servo has it a joint may be for a while, rad or m.',
            bounds=(0.001, 10.0),
            read_only=True,
        )
        self._steady = steady_clock()
        self._warn = ThrottledWarnings(self.get_logger())
        self._link = ServoLink(status_timeout)
        self.output = ServoOutput(self, node, tolerance, self._link, self._elapsed)
        self._end_effector_T_camera: Array | None = None
        self._moving = False
        self._moved = self._setup_began = -np.inf

        self._twist_publisher = self.create_publisher(TwistStamped, f'{node}/delta_twist_cmds', 1)
        self._status = ArmStatusPublisher(self, 'MoveIt Servo')
        self._servo = servo
        self._switch_client = self.create_client(servo.switch_type, f'{node}/switch_command_type')
        self._pause_client = self.create_client(SetBool, f'{node}/pause_servo')
        self._parameter_client = self.create_client(GetParameters, f'{node}/get_parameters')
        if description:
            self._take_description(description)
        else:
            subscribe(self, String, 'robot_description', self._on_description, LATCHED)
        self.create_subscription(servo.status_type, f'{node}/status', self._on_status, 10)
        subscribe(self, TwistStamped, 'twist', self._on_twist, 1)
        self.create_service(SetBool, '~/pause', self._on_pause)
        self.create_timer(0.1, self._on_timer, clock=self._steady)
        self.create_timer(1.0, self._status.publish_diagnostics, clock=self._steady)
        self._announce()

    def shut_down(self) -> None:
        """Send a zero twist to an arm that moves, and see it delivered."""
        if self._moving:
            self._send_zeros()
        self._status.say(ServoStatus.STOPPED, 'moveit_servo_adapter has ended')
        wait_until_delivered(self._twist_publisher)

    # Description

    def _on_description(self, message: String) -> None:
        try:
            self._take_description(message.data)
        except VisualServoingError as error:
            self.get_logger().error(f'robot_description refused: {error}')

    def _take_description(self, urdf: str) -> None:
        if self._calibration is not None:
            urdf = self._calibration.added_to(urdf)
        self._end_effector_T_camera = rigid_transform(urdf, self._end_effector, self._camera_frame)
        self.get_logger().info(f'turning twists of {self._camera_frame} into twists of {self._end_effector}')

    # Setting Servo up: its parameters fit, its command type is twist

    def _on_timer(self) -> None:
        now = self._elapsed()
        if gap := self.output.lost():
            self._send_zeros()
            self._link.lose(f'{gap}: is the controller of {self.output.topic} active?', now)
        # Begun anew where it was refused, and where an answer does not come: Servo may have ended meanwhile.
        due = self._link.wants_setup(now) and now - self._setup_began > _SETUP_PERIOD
        if due and self._parameter_client.service_is_ready() and self._switch_client.service_is_ready():
            self._begin_setup(now)
        self._announce()

    def _begin_setup(self, began: float) -> None:
        self._setup_began = began

        def on_parameters(future: Future) -> None:
            values = future.result().values
            self.output.watch(*(value.string_value for value in values[len(_SERVO_PARAMETERS) :]))
            if refusal := _refusal_of(values[: len(_SERVO_PARAMETERS)]):
                self._end_setup(began, refusal)
            else:
                self._switch_client.call_async(self._servo.switch_request()).add_done_callback(on_switched)

        def on_switched(future: Future) -> None:
            refused = 'MoveIt Servo should take twists (switch_command_type) but refuses to'
            self._end_setup(began, '' if future.result().success else refused)

        request = GetParameters.Request(names=[*_SERVO_PARAMETERS, *_OUTPUT_PARAMETERS])
        self._parameter_client.call_async(request).add_done_callback(on_parameters)

    def _end_setup(self, began: float, refusal: str) -> None:
        if began != self._setup_began:
            return  # the answer to an attempt that was given up
        self._link.set_up(refusal)
        if refusal:
            self._warn(refusal)
        self._announce()

    def _on_status(self, message: Any) -> None:
        self._link.hear(*self._servo.read_status(message), self._elapsed())
        self._announce()

    def _on_pause(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        if not self._pause_client.service_is_ready():
            response.message = 'MoveIt Servo should be running to be paused or resumed but is not'
            return response
        if request.data:
            self._send_zeros()
        self._link.pause(request.data)
        self._pause_client.call_async(SetBool.Request(data=request.data))
        self._announce()
        response.success, response.message = True, 'pausing' if request.data else 'resuming'
        return response

    # Twists

    def _on_twist(self, message: TwistStamped) -> None:
        if not self._link.may_send(message.twist == Twist(), self._elapsed()):
            self._moving = False
            return
        try:
            twist = self._turned(message)
        except VisualServoingError as error:
            self._warn(f'no motion: {error}')
            self._halt(stamp_now(self))
            return
        # The stamp stays that of the twist: a late one must not look fresh to Servo.
        if twist.any():
            self._moved = self._elapsed()
            self._send(twist, message.header.stamp)
        else:
            self._halt(message.header.stamp)

    def _halt(self, stamp: Any) -> None:
        if self._elapsed() - self._moved < _HALTING:
            self._send(np.zeros(6), stamp)

    def _turned(self, message: TwistStamped) -> Array:
        if self._end_effector_T_camera is None:
            raise DescriptionError('a robot_description should have come but has not')
        if message.header.frame_id != self._camera_frame:
            raise DescriptionError(
                f'twist should be in {self._camera_frame} but is in {message.header.frame_id!r}'
            )
        age = seconds_now(self) - messages.seconds(message.header.stamp)
        if abs(age) > self._twist_timeout:
            raise DescriptionError(f'twist should be at most {self._twist_timeout} s old but is {age:.3f}')
        return twist_of_end_effector(self._end_effector_T_camera, messages.twist_from_message(message.twist))

    def _send_zeros(self) -> None:
        self._send(np.zeros(6), stamp_now(self))

    def _send(self, twist: Array, stamp: Any) -> None:
        self._twist_publisher.publish(messages.twist_stamped(twist, stamp, self._end_effector))
        self.output.note_twist()
        self._moving = bool(twist.any())

    # Saying what happens

    def _announce(self) -> None:
        self._status.say(*self._link.status(self._elapsed()))

    def _elapsed(self) -> float:
        return 1e-9 * self._steady.now().nanoseconds


def _refusal_of(values: Sequence[Any]) -> str:
    """Why MoveIt Servo's parameters, in the order of _SERVO_PARAMETERS, do not fit; empty when they do."""
    given = [
        value.string_value
        if value.type == ParameterType.PARAMETER_STRING
        else value.bool_value
        if value.type == ParameterType.PARAMETER_BOOL
        else None
        for value in values
    ]
    for name, expected, came in zip(_SERVO_PARAMETERS, ('speed_units', True), given, strict=False):
        if came != expected:
            return f"MoveIt Servo's parameter {name} should be {expected} but is {came}"
    return '' if len(given) == len(_SERVO_PARAMETERS) else 'MoveIt Servo should know its parameters but does not'


def main(args: Sequence[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM."""
    leave_shared_memory()
    return run_node(lambda: MoveItServoAdapter(installed_messages()), args)
