"""The parameters of pbvs_controller, and the settings of the servo task that they make."""

from __future__ import annotations

import math
from typing import Any

from rcl_interfaces.msg import SetParametersResult
from rclpy.node import Node

from cnn_vs_ros.control import (
    AdaptiveGain,
    ConvergenceSettings,
    ExitSettings,
    FollowingSettings,
    GateSettings,
    JumpSettings,
    LostBehaviour,
    LostSettings,
    PbvsLaw,
    ServoSettings,
    TwistLimits,
    Workspace,
)
from cnn_vs_ros.control.twist_exit import check_mask
from cnn_vs_ros.errors import ParameterError
from cnn_vs_ros.nodes.parameters import declare

_SHIPPED = ServoSettings()
_LOST, _CONVERGENCE, _GATE = _SHIPPED.lost, _SHIPPED.convergence, _SHIPPED.gate

# name: default, bounds, description. Where the core is without a bound, the default is that of a real arm, and
# stands here; config/simulated.yaml is brisker.
_NUMBERS: dict[str, tuple[float, tuple[float, float], str]] = {
    'rate': (50.0, (20.0, 1000.0), 'Rate of the twist, Hz.'),
    'gain.at_zero': (2.0, (0.01, 20.0), 'Gain at the goal, 1/s; the delay of the loop bounds it.'),
    'gain.at_infinity': (1.0, (0.01, 20.0), 'Gain far from the goal, 1/s.'),
    'gain.slope_at_zero': (
        10.0,
        (0.0, 1000.0),
        'How fast the gain falls away from the goal, 1/s per unit of error.',
    ),
    'gain.length': (
        _SHIPPED.law.length,
        (0.001, 100.0),
        'Metres that weigh as one radian in the error: the depth of the scene.',
    ),
    'limits.linear_velocity': (0.05, (1e-4, 0.5), 'Greatest speed of the camera, m/s.'),
    'limits.angular_velocity': (0.25, (1e-4, 2.0), 'Greatest angular speed of the camera, rad/s.'),
    'limits.linear_acceleration': (0.25, (1e-3, 100.0), 'Greatest acceleration of the camera, m/s^2.'),
    'limits.angular_acceleration': (1.0, (1e-3, 100.0), 'Greatest angular acceleration of the camera, rad/s^2.'),
    'stop.linear_deceleration': (1.0, (1.0, 100.0), 'Deceleration of a stop, m/s^2; more where it must be.'),
    'stop.angular_deceleration': (4.0, (4.0, 1000.0), 'Angular deceleration of a stop, rad/s^2; likewise.'),
    'pose_timeout': (
        _GATE.pose_timeout,
        (0.01, 2.0),
        'An estimate is stale this long after its image or its arrival, s.',
    ),
    'lost_timeout': (
        _GATE.lost_timeout,
        (0.05, 10.0),
        'The target counts as lost for this long after it was said, s.',
    ),
    'minimum_confidence': (0.05, (0.0, 1.0), 'An estimate with less confidence counts as lost.'),
    'first_confidence': (0.25, (0.0, 1.0), 'The same for a target that was lost before.'),
    'low_confidence_time': (
        _GATE.low_confidence_time,
        (0.0, 10.0),
        'For so long less confidence is put up with, s.',
    ),
    'full_speed_confidence': (
        _SHIPPED.full_speed_confidence,
        (0.0, 1.0),
        'Under this confidence the speed falls in proportion; 0: never.',
    ),
    'deadband.translation': (
        _SHIPPED.exit.deadband_translation,
        (0.0, 1.0),
        'Within this distance and angle of the goal nothing moves, m.',
    ),
    'deadband.rotation': (
        _SHIPPED.exit.deadband_rotation,
        (0.0, 1.0),
        'Within this distance and angle of the goal nothing moves, rad.',
    ),
    'workspace.x': (0.3, (1e-3, 100.0), "Greatest offset from the reference along its camera's x axis, m."),
    'workspace.y': (0.3, (1e-3, 100.0), "Greatest offset from the reference along its camera's y axis, m."),
    'workspace.z': (0.3, (1e-3, 100.0), 'Greatest offset from the reference along its optical axis, m.'),
    'workspace.distance': (0.4, (1e-3, 100.0), 'Greatest distance from the reference, m.'),
    'travel_limit': (0.8, (0.0, 1000.0), 'Length of way from one start at which a task ends, m; 0: none.'),
    'turn_limit': (6.3, (0.0, 1000.0), 'Angle turned from one start at which a task ends, rad; 0: none.'),
    'time_limit': (60.0, (0.0, 86400.0), 'A task ends after this long, s; 0: never.'),
    'patience': (5.0, (0.1, 3600.0), 'A task that has not been on its way for this long ends, s.'),
    'arm_patience': (0.5, (0.05, 60.0), 'A task whose arm has not been driven for this long in all ends, s.'),
    'least_followed': (
        0.2,
        (0.0, 0.9),
        'A task ends where the estimates show less than this part of the motion commanded; 0: never.',
    ),
    'jump.translation': (
        0.05,
        (1e-3, 100.0),
        'An estimate this far from what the motion sent says is refused, m.',
    ),
    'jump.rotation': (0.35, (1e-3, 10.0), 'An estimate this far from what the motion sent says is refused, rad.'),
    'convergence.linear_velocity': (0.002, (1e-6, 10.0), 'Greatest speed when converged, m/s.'),
    'convergence.angular_velocity': (0.01, (1e-6, 10.0), 'Greatest angular speed when converged, rad/s.'),
    'convergence.translation': (
        _CONVERGENCE.translation,
        (1e-7, 1.0),
        'Greatest mean distance to the goal when converged, m.',
    ),
    'convergence.rotation': (
        _CONVERGENCE.rotation,
        (1e-7, 1.0),
        'Greatest mean angle to the goal when converged, rad.',
    ),
    'convergence.confidence': (0.05, (0.0, 1.0), 'Less confidence than this is no arrival.'),
    'convergence.hold_time': (_CONVERGENCE.hold_time, (0.0, 60.0), 'How long the goal must be held, s.'),
    'goal_wait': (_LOST.goal_wait, (0.0, 60.0), 'Before it looks for a target that is lost near the goal, s.'),
    'retreat.speed': (_LOST.speed, (1e-3, 1.0), 'Speed of the retreat, m/s.'),
    'retreat.distance': (_LOST.distance, (0.0, 2.0), 'Length of the retreat in one episode of loss, m.'),
    'search.angular_speed': (_LOST.angular_speed, (1e-3, 3.0), 'Speed of looking round in a search, rad/s.'),
    'search.angle': (_LOST.angle, (0.0, 1.5), 'Half the opening of the cone looked round in in a search, rad.'),
}

BOUNDS = {name: bounds for name, (_, bounds, _) in _NUMBERS.items()}
"""Least and greatest value of each number."""


def declare_servo_parameters(node: Node) -> None:
    """Declare all of them."""
    for name, (default, bounds, description) in _NUMBERS.items():
        read_on = 'activation' if name == 'rate' else ''
        declare(node, name, default, description, bounds=bounds, read_on=read_on)
    behaviours = [behaviour.value for behaviour in LostBehaviour]
    declare(
        node,
        'lost_behaviour',
        _LOST.behaviour.value,
        'When the estimator is lost: stop; retreat (back along the optical axis, then stop); or search (retreat, '
        'look round, come back, then stop).',
        choices=behaviours,
    )
    declare(
        node,
        'latency_compensation',
        _SHIPPED.latency_compensation,
        'Add the motion sent since an image was taken to its pose.',
    )
    declare(
        node, 'keep_servoing', _SHIPPED.keep_servoing, 'Go on servoing after convergence instead of keeping still.'
    )
    mask = declare(
        node,
        'degrees_of_freedom',
        list(_SHIPPED.exit.mask),
        'Which of vx, vy, vz, wx, wy, wz of the camera may move: six booleans, one of them true at least.',
    )
    check_mask(mask)
    node.add_on_set_parameters_callback(_check_mask)


def _check_mask(parameters: list[Any]) -> SetParametersResult:
    try:
        for parameter in parameters:
            if parameter.name == 'degrees_of_freedom' and parameter.value is not None:
                check_mask(parameter.value)
    except ParameterError as error:
        return SetParametersResult(successful=False, reason=str(error))
    return SetParametersResult(successful=True)


def servo_settings(node: Node) -> ServoSettings:
    """Settings of the present values. Raises ParameterError for values that do not make any."""
    number = {name: node.get_parameter(name).value for name in _NUMBERS}
    gain = AdaptiveGain(number['gain.at_zero'], number['gain.at_infinity'], number['gain.slope_at_zero'])
    return ServoSettings(
        law=PbvsLaw(gain, number['gain.length']),
        exit=_exit_settings(number, node.get_parameter('degrees_of_freedom').value),
        gate=GateSettings(
            number['pose_timeout'],
            number['lost_timeout'],
            number['minimum_confidence'],
            number['first_confidence'],
            number['low_confidence_time'],
            JumpSettings(number['jump.translation'], number['jump.rotation']),
        ),
        convergence=ConvergenceSettings(
            number['convergence.translation'],
            number['convergence.rotation'],
            number['convergence.hold_time'],
            number['convergence.confidence'],
            number['convergence.linear_velocity'],
            number['convergence.angular_velocity'],
        ),
        following=FollowingSettings(number['least_followed'], number['gain.length']),
        lost=LostSettings(
            LostBehaviour(node.get_parameter('lost_behaviour').value),
            number['retreat.speed'],
            number['retreat.distance'],
            number['search.angular_speed'],
            number['search.angle'],
            number['goal_wait'],
        ),
        latency_compensation=node.get_parameter('latency_compensation').value,
        keep_servoing=node.get_parameter('keep_servoing').value,
        full_speed_confidence=number['full_speed_confidence'],
        time_limit=number['time_limit'] or math.inf,
        patience=number['patience'],
        arm_patience=number['arm_patience'],
    )


def _exit_settings(number: dict[str, float], mask: list[bool]) -> ExitSettings:
    return ExitSettings(
        limits=TwistLimits(
            number['limits.linear_velocity'],
            number['limits.angular_velocity'],
            number['limits.linear_acceleration'],
            number['limits.angular_acceleration'],
            number['stop.linear_deceleration'],
            number['stop.angular_deceleration'],
        ),
        mask=tuple(mask),
        deadband_translation=number['deadband.translation'],
        deadband_rotation=number['deadband.rotation'],
        workspace=Workspace([number[f'workspace.{axis}'] for axis in 'xyz'], number['workspace.distance']),
        travel=number['travel_limit'] or math.inf,
        turn=number['turn_limit'] or math.inf,
        longest_step=2.0 / number['rate'],
    )


def limits_in_force(settings: ServoSettings) -> str:
    """One sentence of the bounds of a task."""
    limits, bounds = settings.exit.limits, settings.exit
    x, y, z = bounds.workspace.half_extents
    return (
        f'limits in force: {limits.linear:g} m/s, {limits.angular:g} rad/s; '
        f'{limits.linear_acceleration:g} m/s^2, {limits.angular_acceleration:g} rad/s^2; '
        f'workspace {x:g}, {y:g}, {z:g} m, distance {bounds.workspace.distance:g} m; '
        f'way {bounds.travel:g} m, {bounds.turn:g} rad; time {settings.time_limit:g} s; '
        f'when lost: {settings.lost.behaviour.value}'
    )
