"""Node: twist of the camera in, joint velocities out. Its contract is in docs/nodes.md."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import TwistStamped
from numpy.typing import NDArray
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.parameter import Parameter
from std_msgs.msg import Float64MultiArray

from cnn_vs_ros.control import DifferentialIk
from cnn_vs_ros.errors import DescriptionError, VisualServoingError
from cnn_vs_ros.geometry import se3
from cnn_vs_ros.nodes import messages
from cnn_vs_ros.nodes.arm_listener import ArmListener
from cnn_vs_ros.nodes.freshness import Freshness
from cnn_vs_ros.nodes.parameters import declare
from cnn_vs_ros.nodes.process_usage import ProcessUsage
from cnn_vs_ros.nodes.running import run_node, wait_until_delivered
from cnn_vs_ros.nodes.throttled_warnings import ThrottledWarnings

Array = NDArray[np.float64]

_IK_OPTIONS = {
    'damping': (0.05, 'Greatest damping near a singularity.'),
    'singular_value_threshold': (0.08, 'Singular value of the Jacobian (m, rad) under which damping begins.'),
    'position_margin': (0.15, 'Distance to a position limit at which the arm slows down, rad.'),
    'lower_singularity_threshold': (
        17.0,
        'Condition number of the Jacobian (m, rad) from which on motion towards a singularity slows down.',
    ),
    'hard_stop_singularity_threshold': (
        30.0,
        'Condition number of the Jacobian (m, rad) at which motion towards a singularity halts.',
    ),
    'max_joint_velocity': (3.0, 'Greatest speed of a joint besides the limits of the URDF, rad/s.'),
}


class DifferentialIkNode(Node):
    """Adapter from twist and joint_states to forward_velocity_controller/commands."""

    def __init__(self) -> None:
        super().__init__('differential_ik')
        self._joints = declare(
            self,
            'joints',
            Parameter.Type.STRING_ARRAY,
            'Joints in the order of the commands; not set: as in the URDF.',
            read_only=True,
        )
        twist_timeout = declare(
            self,
            'twist_timeout',
            0.1,
            'Zeros are sent this long after a twist, s.',
            bounds=(0.01, 10.0),
            read_only=True,
        )
        options = {
            name: declare(self, name, default, text, bounds=(1e-6, 1e3), read_only=True)
            for name, (default, text) in _IK_OPTIONS.items()
        }
        rate = declare(
            self, 'rate', 100.0, 'Rate of the watch for stale twists, Hz.', bounds=(10.0, 1000.0), read_only=True
        )
        self._warn = ThrottledWarnings(self.get_logger())
        self._order: list[int] = []
        self._twists = Freshness(self, twist_timeout)
        self._publisher = self.create_publisher(Float64MultiArray, 'forward_velocity_controller/commands', 1)
        self._arm = ArmListener(self, self._warn, options, self._on_kinematics)
        self.create_subscription(TwistStamped, 'twist', self._on_twist, 1)
        # Steady, so that the watch goes on when the node's clock stands still or jumps.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(1.0 / rate, self._on_timer, clock=steady)
        self._usage, self._problem = ProcessUsage(), ''
        self._diagnostics_publisher = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        self.create_timer(1.0, self._publish_diagnostics, clock=steady)

    def shut_down(self) -> None:
        """Send zeros and see them delivered."""
        if self._twists.has_come:
            self._send_zeros()
            wait_until_delivered(self._publisher)

    def _on_kinematics(self, kinematics: DifferentialIk) -> None:
        names = list(kinematics.joint_names)
        joints = self._joints or names
        if sorted(joints) != sorted(names):
            raise DescriptionError(
                f'parameter joints should be the joints of {kinematics.tip_frame}, {", ".join(names)}, '
                f'in any order but is {", ".join(joints)}'
            )
        self._order = [names.index(joint) for joint in joints]
        self.get_logger().info(f'driving {kinematics.tip_frame} by {", ".join(joints)}')

    def _on_twist(self, message: TwistStamped) -> None:
        self._twists.renew()
        try:
            velocities = self._joint_velocities(message)
        except VisualServoingError as error:
            self._warn(f'no motion: {error}')
            self._problem = str(error)
            self._send_zeros()
            return
        self._problem = ''
        self._send(velocities)

    def _joint_velocities(self, message: TwistStamped) -> Array:
        kinematics, positions = self._arm.state()
        if message.header.frame_id != self._arm.tip_frame:
            raise DescriptionError(
                f'twist should be in {self._arm.tip_frame} but is in {message.header.frame_id!r}'
            )
        velocities = kinematics.joint_velocities(positions, messages.twist_from_message(message.twist))
        return se3.as_vector(velocities, len(self._order), 'joint velocities')

    def _on_timer(self) -> None:
        # Before the first twist nothing is sent: the controller may still be someone else's.
        if self._twists.has_come and self._twists.is_over:
            self._send_zeros()

    def _publish_diagnostics(self) -> None:
        status = DiagnosticStatus(name=f'{self.get_fully_qualified_name().lstrip("/")}: joint velocities')
        status.level = DiagnosticStatus.WARN if self._problem else DiagnosticStatus.OK
        status.message = self._problem or ('ready' if self._twists.has_come else 'waiting for a twist')
        values: dict[str, object] = dict(self._usage.report())
        kinematics, positions = self._arm.kinematics, self._arm.last_positions
        if kinematics is not None and positions is not None:
            values['condition_number'] = kinematics.condition_number(positions)
        status.values = messages.key_values(values)
        self._diagnostics_publisher.publish(messages.diagnostics(status, self.get_clock().now().to_msg()))

    def _send_zeros(self) -> None:
        if self._order:
            self._send(np.zeros(len(self._order)))

    def _send(self, velocities: Array) -> None:
        self._publisher.publish(Float64MultiArray(data=[float(velocities[index]) for index in self._order]))


def main(args: Sequence[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM."""
    return run_node(DifferentialIkNode, args)
