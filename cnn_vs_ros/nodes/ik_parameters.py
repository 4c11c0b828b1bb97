"""The parameters of differential_ik."""

from __future__ import annotations

from typing import Any

from rclpy.node import Node
from rclpy.parameter import Parameter

from cnn_vs_ros.control.arm_drive import ArmBounds
from cnn_vs_ros.control.collision import CollisionCheck
from cnn_vs_ros.control.command_interface import CommandInterface
from cnn_vs_ros.control.commanded_positions import LeadBounds
from cnn_vs_ros.control.differential_ik import DifferentialIk
from cnn_vs_ros.control.tip_box import TipBox
from cnn_vs_ros.nodes.parameters import declare, default_of

_POSITIVE = (1e-6, 1e3)
_BOUNDS, _LEAD = ArmBounds(), LeadBounds()
_NUMBERS: dict[str, tuple[float, str, tuple[float, float]]] = {
    'rate': (100.0, 'Rate of the watch for stale twists, and of stops, Hz.', (20.0, 1000.0)),
    'twist_timeout': (0.1, 'A stop begins this long after a twist, by stamp or arrival, s.', (0.01, 10.0)),
    'stop_time': (_BOUNDS.stop_time, 'Greatest duration of a stop, s.', (0.01, 0.2)),
    'max_linear_velocity': (0.5, 'A faster twist is refused, m/s.', (1e-3, 10.0)),
    'max_angular_velocity': (2.0, 'A faster twist is refused, rad/s.', (1e-3, 10.0)),
    'max_joint_acceleration': (
        _BOUNDS.acceleration,
        'Of every joint; slowing down has 20 at least, rad/s^2.',
        (0.1, 100.0),
    ),
    'max_joint_jerk': (_BOUNDS.jerk, 'Of every joint; slowing down has 1000 at least, rad/s^3.', (1.0, 1e5)),
    'disagreement_time': (
        _BOUNDS.disagreement_time,
        'As long joints may not do what they are commanded, s.',
        (0.1, 10.0),
    ),
    'position_tolerance': (
        _LEAD.tolerance,
        'At rest, commanded positions are this near to the measured ones, rad.',
        (1e-4, 0.5),
    ),
    'position_lag': (_LEAD.lag, 'In motion, they are ahead by as many seconds of it at most, s.', (0.0, 1.0)),
    'trajectory_time': (0.1, 'After this long the point of a trajectory is to be reached, s.', (0.02, 1.0)),
    'collision.slow': (
        default_of(CollisionCheck, 'slow'),
        'Distance of two parts at which the arm slows down, m.',
        (1e-3, 1.0),
    ),
    'collision.halt': (
        default_of(CollisionCheck, 'halt'),
        'Distance of two parts at which the arm halts, m.',
        (0.0, 1.0),
    ),
}
BOUNDS = {name: bounds for name, (_, _, bounds) in _NUMBERS.items()}
"""Least and greatest value of each number."""

_KINEMATICS = {
    'damping': 'Greatest damping near a singularity.',
    'singular_value_threshold': 'Singular value of the Jacobian (m, rad) under which damping begins.',
    'position_margin': 'Distance to a position limit at which the arm slows down, rad.',
    'lower_singularity_threshold': (
        'Condition number of the Jacobian (m, rad) from which on motion towards a singularity slows down.'
    ),
    'hard_stop_singularity_threshold': (
        'Condition number of the Jacobian (m, rad) at which motion towards a singularity halts.'
    ),
}


class IkParameters:
    """Declares them on a node, all read at the start. Raises ParameterError for one without meaning."""

    def __init__(self, node: Node) -> None:
        def fixed(name: str, default: Any, text: str, **rest: Any) -> Any:
            return declare(node, name, default, text, read_only=True, **rest)

        order = 'Joints in the order of the commands; not set: as the controller says, else as in the URDF.'
        self.joints: list[str] = list(fixed('joints', Parameter.Type.STRING_ARRAY, order) or [])
        self.interface = CommandInterface(
            fixed(
                'command_interface',
                CommandInterface.VELOCITY.value,
                'What the controller of the arm takes.',
                choices=[interface.value for interface in CommandInterface],
            )
        )
        values = {name: fixed(name, value, text, bounds=b) for name, (value, text, b) in _NUMBERS.items()}
        self.rate: float = values['rate']
        self.twist_timeout: float = values['twist_timeout']
        self.max_linear_velocity: float = values['max_linear_velocity']
        self.max_angular_velocity: float = values['max_angular_velocity']
        self.kinematics = {
            name: fixed(name, default_of(DifferentialIk, name), text, bounds=_POSITIVE)
            for name, text in _KINEMATICS.items()
        }
        speed = 'Greatest speed of a joint besides the limits of the URDF, rad/s.'
        self.kinematics['max_joint_velocity'] = fixed('max_joint_velocity', 3.0, speed, bounds=_POSITIVE)
        lower = fixed('box.lower', _BOUNDS.box.lower.tolist(), 'Lower corner of the box of tip_frame, m.')
        upper = fixed('box.upper', _BOUNDS.box.upper.tolist(), 'Upper corner of the box of tip_frame, m.')
        self.bounds = ArmBounds(
            acceleration=values['max_joint_acceleration'],
            jerk=values['max_joint_jerk'],
            stop_time=values['stop_time'],
            disagreement_time=values['disagreement_time'],
            box=TipBox(lower, upper),
        )
        self.lead = LeadBounds(values['position_tolerance'], values['position_lag'])
        self.trajectory_time: float = values['trajectory_time']
        self.limits = (
            f'twists of {self.max_linear_velocity:g} m/s and {self.max_angular_velocity:g} rad/s, joints of '
            f'{self.kinematics["max_joint_velocity"]:g} rad/s (or what the URDF says) and '
            f'{self.bounds.acceleration:g} rad/s^2, a box from {list(lower)} to {list(upper)} m'
        )
        self.collision_check: bool = fixed(
            'collision.check', False, 'Whether to keep clear of collisions, by the geometry of the URDF.'
        )
        table = fixed('collision.table', Parameter.Type.DOUBLE, 'Height of a table in the base, m; not set: none.')
        self.collision = {'slow': values['collision.slow'], 'halt': values['collision.halt'], 'table': table}
