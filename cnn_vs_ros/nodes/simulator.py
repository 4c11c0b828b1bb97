"""Node: the simulated robot, with the interface of a ros2_control arm and a camera driver.

Its contract is in docs/nodes.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseStamped
from rcl_interfaces.msg import ParameterType, ParameterValue
from rcl_interfaces.srv import GetParameters
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from rclpy.task import Future
from rosgraph_msgs.msg import Clock as ClockMessage
from sensor_msgs.msg import CameraInfo, Image, JointState
from std_msgs.msg import Float64MultiArray, String
from std_srvs.srv import SetBool, Trigger
from trajectory_msgs.msg import JointTrajectory

from cnn_vs_ros import frames
from cnn_vs_ros.control.command_interface import CommandInterface
from cnn_vs_ros.errors import VisualServoingError
from cnn_vs_ros.geometry import se3
from cnn_vs_ros.nodes import messages
from cnn_vs_ros.nodes.common import LATCHED
from cnn_vs_ros.nodes.parameters import declare, default_of
from cnn_vs_ros.nodes.running import run_node
from cnn_vs_ros.nodes.simulated_view import SimulatedView
from cnn_vs_ros.simulation import SimulatedRobot, load_robot_description
from cnn_vs_ros.simulation.errors import SimulationError
from cnn_vs_ros.simulation.lockstep import Lockstep
from cnn_vs_ros.simulation.loop import SimulationLoop

STATE_PERIOD = 0.01
_OVERVIEW_SIZE = (640, 480)


class Simulator(Node):
    """Adapter of a SimulatedRobot, which runs in a thread of its own: there the publishing is done."""

    def __init__(self) -> None:
        super().__init__('simulator')
        self._declare_parameters()
        urdf = self._value('robot_description') or load_robot_description()
        view = self._view
        self._robot = SimulatedRobot(
            view.scene,
            urdf=urdf,
            noise=view.noise,
            seed=view.seed,
            intermittent_occluders=self._value('perturbations.intermittent'),
        )
        self._robot.move_to_reference()
        if self._value('perturbations.enabled'):
            self._perturb(True)
        self._lockstep = self._value('lockstep')
        control_period = round(1e9 * self._value('control_period'))
        self._loop = SimulationLoop(
            self._robot,
            real_time_factor=self._value('real_time_factor'),
            command_timeout=self._value('command_timeout'),
            lockstep=Lockstep(control_period, self._value('lockstep_timeout')) if self._lockstep else None,
        )
        self._wall = Clock(clock_type=ClockType.SYSTEM_TIME)
        self._clock_told = Time()
        self.done: Future = Future()
        self._advertise(urdf)
        self._loop.every(STATE_PERIOD, self._publish_state)
        self._loop.every(1.0 / view.image_rate, self._publish_image)
        self._loop.every(1.0 / self._value('overview_rate'), self._publish_overview)
        self._exit_status = 0
        self._loop.start(self._on_failure, self._on_end)
        self.get_logger().info(
            f'scene {self._robot.scene.name}: {self._robot.scene.summary}; '
            + ('simulated time, in lockstep' if self._lockstep else 'wall time')
        )

    def shut_down(self) -> None:
        """End the simulation."""
        self._loop.stop()

    def _declare_parameters(self) -> None:
        def fixed(name: str, default: Any, description: str, **rest: Any) -> None:
            declare(self, name, default, description, read_only=True, **rest)

        fixed('robot_description', '', "URDF; empty: this package's arm.")
        fixed('publish_robot_description', True, 'Whether the URDF is published, as robot_state_publisher does.')
        self._view = SimulatedView(self)
        fixed('overview_rate', 10.0, 'Images of overview/image_raw a simulated second, Hz.', bounds=(0.1, 100.0))
        fixed('lockstep', False, 'Publish simulated time on /clock, and halt it while an answer is owed.')
        fixed('lockstep_timeout', 1.0, 'A silent peer is waited for this long, wall-clock s.', bounds=(0.01, 60.0))
        fixed('control_period', 0.02, 'In lockstep, a command is due this often, s.', bounds=(0.002, 1.0))
        fixed(
            'real_time_factor',
            default_of(SimulationLoop, 'real_time_factor'),
            'Simulated seconds a wall-clock second; 0: all it can.',
            bounds=(0.0, 100.0),
        )
        fixed(
            'command_timeout',
            default_of(SimulationLoop, 'command_timeout'),
            'The arm stops this long after velocities, s.',
            bounds=(0.01, 10.0),
        )
        interfaces = [interface.value for interface in CommandInterface]
        fixed('command_interface', interfaces[0], 'What the arm takes.', choices=interfaces)
        fixed('perturbations.lights', True, 'Whether perturbations include moving lights.')
        fixed('perturbations.occluders', True, 'Whether perturbations include things passing before the lens.')
        fixed('perturbations.intermittent', False, 'Whether these things come and go.')
        fixed('perturbations.enabled', False, 'Whether perturbations are on from the beginning.')
        declare(self, 'start.batch', 0, 'Batch of the start that ~/move_to_start moves to.', bounds=(0, 9))
        declare(self, 'start.seed', 0, 'Seed of the start that ~/move_to_start moves to.', bounds=(0, 2**31 - 1))
        declare(
            self,
            'start.pose',
            [0.0] * 6,
            'Start [t; theta u] from the reference, m and rad, that start.seed varies; all zero: by start.batch.',
        )

    def _advertise(self, urdf: str) -> None:
        if self._value('publish_robot_description'):
            self._description_publisher = self.create_publisher(String, 'robot_description', LATCHED)
            self._description_publisher.publish(String(data=urdf))
        if self._lockstep:
            self._clock_publisher = self.create_publisher(ClockMessage, '/clock', 1)
            self.create_subscription(DiagnosticArray, 'pose_status', self._on_pose_status, 10)
        self._image_publisher = self.create_publisher(Image, 'image_raw', qos_profile_sensor_data)
        self._info_publisher = self.create_publisher(CameraInfo, 'camera_info', qos_profile_sensor_data)
        self._overview_publisher = self.create_publisher(Image, 'overview/image_raw', qos_profile_sensor_data)
        self._state_publisher = self.create_publisher(JointState, 'joint_states', 10)
        self._truth_publisher = self.create_publisher(PoseStamped, 'ground_truth', 10)
        self._listen_to_commands(CommandInterface(self._value('command_interface')))
        self.create_service(Trigger, '~/move_to_start', self._on_move_to_start)
        self.create_service(Trigger, '~/move_to_reference', self._on_move_to_reference)
        self.create_service(SetBool, '~/set_perturbations', self._on_set_perturbations)

    def _listen_to_commands(self, interface: CommandInterface) -> None:
        kind, take = {
            CommandInterface.VELOCITY: (Float64MultiArray, lambda message: self._loop.command(message.data)),
            CommandInterface.POSITION: (
                Float64MultiArray,
                lambda message: self._loop.command_positions(message.data),
            ),
            CommandInterface.TRAJECTORY: (JointTrajectory, self._take_trajectory),
        }[interface]
        self.create_subscription(kind, interface.topic, partial(self._on_command, take), 1)
        self.create_service(
            GetParameters, f'{interface.controller}/get_parameters', self._on_controller_parameters
        )

    def _value(self, parameter: str) -> Any:
        return self.get_parameter(parameter).value

    def _on_failure(self, error: Exception) -> None:
        self._exit_status = 1
        sentence = str(error) if isinstance(error, VisualServoingError) else f'the simulation failed: {error!r}'
        self.get_logger().fatal(sentence)

    def _on_end(self) -> None:
        if not self.done.done():
            self.done.set_result(self._exit_status)

    def _on_command(self, take: Callable[[Any], None], message: Any) -> None:
        try:
            take(message)
        except VisualServoingError as error:
            self.get_logger().error(f'command refused: {error}', throttle_duration_sec=1.0)

    def _take_trajectory(self, message: JointTrajectory) -> None:
        names = self._robot.joint_names
        if sorted(message.joint_names) != sorted(names) or not message.points:
            raise SimulationError(f'a trajectory should have points of {", ".join(names)} but has none')
        end = message.points[-1]
        positions = dict(zip(message.joint_names, end.positions, strict=False))
        seconds = end.time_from_start.sec + 1e-9 * end.time_from_start.nanosec
        self._loop.command_positions([positions.get(name, math.nan) for name in names], seconds)

    def _on_pose_status(self, message: DiagnosticArray) -> None:
        self._loop.estimated(messages.stamp_of(message))

    def _on_controller_parameters(
        self, request: GetParameters.Request, response: GetParameters.Response
    ) -> GetParameters.Response:
        joints = ParameterValue(
            type=ParameterType.PARAMETER_STRING_ARRAY, string_array_value=self._robot.joint_names
        )
        response.values = [joints if name == 'joints' else ParameterValue() for name in request.names]
        return response

    def _on_move_to_start(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        batch, seed = self._value('start.batch'), self._value('start.seed')
        nominal = list(self._value('start.pose'))

        def move() -> str:
            self._loop.halt()
            if any(nominal):
                pose, start = self._robot.move_to_start_near(nominal, seed), f'start {seed} near {nominal}'
            else:
                pose, start = self._robot.move_to_start(batch, seed), f'start {seed} of batch {batch}'
            distance, angle = se3.pose_error(pose)
            return f'{start}: {1e3 * distance:.1f} mm, {math.degrees(angle):.1f} deg away'

        return self._answer(response, move)

    def _on_move_to_reference(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        def move() -> str:
            self._loop.halt()
            self._robot.move_to_reference()
            return 'at the reference pose'

        return self._answer(response, move)

    def _on_set_perturbations(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        return self._answer(response, lambda: self._perturb(request.data))

    def _answer(self, response: Any, action: Callable[[], str]) -> Any:
        try:
            response.success, response.message = True, self._loop.do(action)
        except VisualServoingError as error:
            response.success, response.message = False, str(error)
        return response

    def _perturb(self, enabled: bool) -> str:
        kinds = {kind: enabled and self._value(f'perturbations.{kind}') for kind in ('lights', 'occluders')}
        self._robot.set_perturbations(**kinds)
        return f'perturbations: {", ".join(kind for kind in kinds if kinds[kind]) or "none"}'

    def _stamp(self) -> Time:
        """Now; in lockstep also on /clock, so that no message is stamped later than its reader's clock."""
        if not self._lockstep:
            return self._wall.now().to_msg()
        seconds, nanoseconds = divmod(self._loop.time, 1_000_000_000)
        stamp = Time(sec=seconds, nanosec=nanoseconds)
        if stamp != self._clock_told:
            self._clock_told = stamp
            self._clock_publisher.publish(ClockMessage(clock=stamp))
        return stamp

    def _publish_state(self) -> None:
        state = JointState(name=self._robot.joint_names)
        state.header.stamp = self._stamp()
        state.position = self._robot.joint_positions.tolist()
        state.velocity = self._robot.joint_velocities.tolist()
        self._state_publisher.publish(state)

    def _publish_image(self) -> None:
        stamp = self._stamp()
        truth = PoseStamped(pose=messages.pose_to_message(self._robot.world_T_camera))
        truth.header.stamp, truth.header.frame_id = stamp, frames.ROOT
        self._truth_publisher.publish(truth)
        self._info_publisher.publish(messages.camera_to_message(self._robot.camera, stamp, frames.CAMERA))
        image = messages.image_to_message(self._robot.render(), stamp, frames.CAMERA)
        self._loop.imaged()
        self._image_publisher.publish(image)

    def _publish_overview(self) -> None:
        if self._overview_publisher.get_subscription_count():
            image = self._robot.render_overview(*_OVERVIEW_SIZE)
            self._overview_publisher.publish(messages.image_to_message(image, self._stamp(), frames.ROOT))


def main(args: Sequence[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM."""
    return run_node(Simulator, args)
