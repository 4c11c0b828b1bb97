"""The parameters of pbvs_controller, and the servo task they make."""

from __future__ import annotations

import math
from typing import Any

from rcl_interfaces.msg import SetParametersResult
from rclpy.node import Node

from cnn_vs_ros.control import (
    AdaptiveGain,
    Convergence,
    DemandShaping,
    JumpGuard,
    LostBehaviour,
    MotionHistory,
    PbvsLaw,
    Retreat,
    Search,
    Servo,
    TwistLimiter,
    Workspace,
)
from cnn_vs_ros.errors import ParameterError
from cnn_vs_ros.nodes.parameters import declare

# name: default, bounds, description
_NUMBERS: dict[str, tuple[float, tuple[float, float], str]] = {
    'rate': (50.0, (1.0, 1000.0), 'Rate of the twist, Hz.'),
    'gain.at_zero': (2.0, (0.01, 20.0), 'Gain at the goal, 1/s; the delay of the loop bounds it.'),
    'gain.at_infinity': (1.0, (0.01, 20.0), 'Gain far from the goal, 1/s.'),
    'gain.slope_at_zero': (
        10.0,
        (0.0, 1000.0),
        'How fast the gain falls away from the goal, 1/s per unit of error.',
    ),
    'gain.length': (0.25, (0.001, 100.0), 'Metres that weigh as one radian in the error: the depth of the scene.'),
    'limits.linear_velocity': (0.25, (1e-4, 10.0), 'Greatest speed of the camera, m/s.'),
    'limits.angular_velocity': (1.0, (1e-4, 10.0), 'Greatest angular speed of the camera, rad/s.'),
    'limits.linear_acceleration': (1.0, (1e-3, 100.0), 'Greatest acceleration of the camera, m/s^2.'),
    'limits.angular_acceleration': (4.0, (1e-3, 100.0), 'Greatest angular acceleration of the camera, rad/s^2.'),
    'pose_timeout': (0.2, (0.01, 10.0), 'An estimate is stale this long after its image or its arrival, s.'),
    'minimum_confidence': (0.0, (0.0, 1.0), 'An estimate with less confidence counts as lost.'),
    'low_confidence_time': (0.0, (0.0, 10.0), 'For so long less confidence is put up with, s.'),
    'full_speed_confidence': (0.0, (0.0, 1.0), 'Under this confidence the speed falls in proportion; 0: never.'),
    'deadband.translation': (0.0, (0.0, 1.0), 'Within this distance and angle of the goal nothing moves, m.'),
    'deadband.rotation': (0.0, (0.0, 1.0), 'Within this distance and angle of the goal nothing moves, rad.'),
    'workspace.x': (1.0, (1e-3, 100.0), "Greatest offset from the reference along its camera's x axis, m."),
    'workspace.y': (1.0, (1e-3, 100.0), "Greatest offset from the reference along its camera's y axis, m."),
    'workspace.z': (1.0, (1e-3, 100.0), 'Greatest offset from the reference along its optical axis, m.'),
    'workspace.distance': (1.0, (1e-3, 100.0), 'Greatest distance from the reference, m.'),
    'jump.translation': (
        0.05,
        (1e-3, 100.0),
        'An estimate this far from what the motion sent says is refused, m.',
    ),
    'jump.rotation': (0.35, (1e-3, 10.0), 'An estimate this far from what the motion sent says is refused, rad.'),
    'time_limit': (0.0, (0.0, 86400.0), 'A task ends after this long, s; 0: never.'),
    'convergence.linear_velocity': (0.002, (1e-6, 10.0), 'Greatest speed when converged, m/s.'),
    'convergence.angular_velocity': (0.01, (1e-6, 10.0), 'Greatest angular speed when converged, rad/s.'),
    'convergence.translation': (5e-5, (1e-7, 1.0), 'Greatest mean distance to the goal when converged, m.'),
    'convergence.rotation': (3.5e-4, (1e-7, 1.0), 'Greatest mean angle to the goal when converged, rad.'),
    'convergence.confidence': (0.05, (0.0, 1.0), 'Less confidence than this is no arrival.'),
    'convergence.hold_time': (0.5, (0.0, 60.0), 'How long the goal must be held, s.'),
    'retreat.speed': (0.05, (1e-3, 1.0), 'Speed of the retreat, m/s.'),
    'retreat.distance': (0.15, (0.0, 2.0), 'Length of the retreat in one episode of loss, m.'),
    'search.angular_speed': (0.3, (1e-3, 3.0), 'Speed of looking round in a search, rad/s.'),
    'search.angle': (0.35, (0.0, 1.5), 'Half the opening of the cone looked round in in a search, rad.'),
}


def declare_servo_parameters(node: Node) -> None:
    """Declare all of them."""
    for name, (default, bounds, description) in _NUMBERS.items():
        declare(node, name, default, description, bounds=bounds)
    behaviours = [behaviour.value for behaviour in LostBehaviour]
    declare(
        node,
        'lost_behaviour',
        LostBehaviour.STOP.value,
        'When the estimator is lost: stop; retreat (back along the optical axis, then stop); or search (retreat, '
        'look round, come back, then stop).',
        choices=behaviours,
    )
    declare(node, 'latency_compensation', True, 'Add the motion sent since an image was taken to its pose.')
    declare(node, 'keep_servoing', False, 'Go on servoing after convergence instead of keeping still.')
    mask = declare(
        node,
        'degrees_of_freedom',
        [True] * 6,
        'Which of vx, vy, vz, wx, wy, wz of the camera may move: six booleans, one of them true at least.',
    )
    DemandShaping(mask)  # raises
    node.add_on_set_parameters_callback(_check_mask)


def _check_mask(parameters: list[Any]) -> SetParametersResult:
    try:
        for parameter in parameters:
            if parameter.name == 'degrees_of_freedom' and parameter.value is not None:
                DemandShaping(parameter.value)
    except ParameterError as error:
        return SetParametersResult(successful=False, reason=str(error))
    return SetParametersResult(successful=True)


def make_servo(node: Node) -> Servo:
    """Servo task of the present values. Raises ParameterError for values that do not make one."""
    number = {name: node.get_parameter(name).value for name in _NUMBERS}
    accelerations = number['limits.linear_acceleration'], number['limits.angular_acceleration']
    gain = AdaptiveGain(number['gain.at_zero'], number['gain.at_infinity'], number['gain.slope_at_zero'])
    return Servo(
        PbvsLaw(gain, number['gain.length']),
        TwistLimiter(
            number['limits.linear_velocity'],
            number['limits.angular_velocity'],
            *accelerations,
        ),
        Convergence(
            number['convergence.translation'],
            number['convergence.rotation'],
            number['convergence.hold_time'],
            number['convergence.confidence'],
        ),
        pose_timeout=number['pose_timeout'],
        minimum_confidence=number['minimum_confidence'],
        history=MotionHistory(2 * number['pose_timeout'])
        if node.get_parameter('latency_compensation').value
        else None,
        when_lost=_when_lost(LostBehaviour(node.get_parameter('lost_behaviour').value), number, accelerations),
        keep_servoing=node.get_parameter('keep_servoing').value,
        longest_step=2.0 / number['rate'],
        shaping=DemandShaping(
            node.get_parameter('degrees_of_freedom').value,
            number['deadband.translation'],
            number['deadband.rotation'],
            number['full_speed_confidence'],
        ),
        workspace=Workspace([number[f'workspace.{axis}'] for axis in 'xyz'], number['workspace.distance']),
        jump_guard=JumpGuard(number['jump.translation'], number['jump.rotation']),
        time_limit=number['time_limit'] or math.inf,
        low_confidence_time=number['low_confidence_time'],
        rest_speeds=(number['convergence.linear_velocity'], number['convergence.angular_velocity']),
    )


def _when_lost(
    behaviour: LostBehaviour, number: dict[str, float], accelerations: tuple[float, float]
) -> Retreat | Search | None:
    speed, distance = number['retreat.speed'], number['retreat.distance']
    if behaviour is LostBehaviour.RETREAT:
        return Retreat(speed, distance, accelerations[0])
    if behaviour is LostBehaviour.SEARCH:
        return Search(
            speed,
            number['search.angular_speed'],
            distance,
            number['search.angle'],
            deceleration=accelerations[0],
            angular_deceleration=accelerations[1],
        )
    return None
