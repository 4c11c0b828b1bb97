"""The one exit of the servo task: no twist leaves it but through here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.control.limits import TwistLimiter, TwistLimits
from cnn_vs_ros.control.motion_history import STANDSTILL
from cnn_vs_ros.control.workspace import Workspace
from cnn_vs_ros.errors import ParameterError
from cnn_vs_ros.geometry import se3

Array = NDArray[np.float64]


def check_mask(mask: Sequence[bool]) -> None:
    """Raise ParameterError unless `mask` says of six components which may move, and one may."""
    if len(mask) != 6 or not any(mask):
        raise ParameterError(
            'degrees_of_freedom should be six booleans (vx, vy, vz, wx, wy, wz), one of them true at least, '
            f'but is {list(mask)}'
        )


@dataclass(frozen=True)
class ExitSettings:
    """What every twist is held to.

    `mask` (6,) says which components, in the camera's own axes, may move. Within `deadband_translation` (m) and
    `deadband_rotation` (rad) of the goal, along the free components, nothing is asked for. From one start on the
    camera's centre goes `travel` metres at most, and the camera turns by `turn` radians, whichever way.
    """

    limits: TwistLimits = field(default_factory=TwistLimits)
    mask: tuple[bool, ...] = (True,) * 6
    deadband_translation: float = 0.0
    deadband_rotation: float = 0.0
    workspace: Workspace = field(default_factory=Workspace)
    travel: float = math.inf
    turn: float = math.inf
    longest_step: float = 0.04

    def __post_init__(self) -> None:
        check_mask(self.mask)
        if not (self.deadband_translation >= 0 and self.deadband_rotation >= 0):
            raise ParameterError(
                'deadbands should be zero or more but are '
                f'{self.deadband_translation} m and {self.deadband_rotation} rad'
            )
        if not (self.travel > 0 and self.turn > 0 and self.longest_step > 0):
            raise ParameterError(
                'travel, turn and longest step should be positive but are '
                f'{self.travel} m, {self.turn} rad and {self.longest_step} s'
            )

    def error(self, desired_T_current: Array) -> Array:
        """Error [R^T t; theta u] (6,) in the axes of the current camera, zero along the masked components."""
        rotation = desired_T_current[:3, :3]
        return np.array(self.mask) * np.concatenate(
            [rotation.T @ desired_T_current[:3, 3], se3.rotation_log(rotation)]
        )

    def at_goal(self, desired_T_current: Array) -> bool:
        """Whether a pose (4, 4) is within both deadbands."""
        error = self.error(desired_T_current)
        return bool(
            np.linalg.norm(error[:3]) < self.deadband_translation
            and np.linalg.norm(error[3:]) < self.deadband_rotation
        )


@dataclass(frozen=True)
class Move:
    """A motion asked for: a twist (6,), the pose (4, 4) of the camera if it is known, and what it is for."""

    twist: Array
    desired_T_current: Array | None
    to_goal: bool = True


class TwistExit:
    """Masks, bounds and limits moves, and stops.

    `violation` says which bound the last move would have gone beyond; the camera is then stopped. A bound counts
    for where the camera would come to rest.
    """

    def __init__(self, settings: ExitSettings) -> None:
        self.settings = settings
        self.violation = ''
        self._limiter = TwistLimiter.of(settings.limits, settings.longest_step)
        self._travel = self._turn = 0.0

    @property
    def twist(self) -> Array:
        """The last twist (6,) that left."""
        return self._limiter.twist

    def retune(self, settings: ExitSettings) -> None:
        """Take other settings and go on from the present motion."""
        self.settings = settings
        self._limiter.retune(settings.limits, settings.longest_step)

    def start(self) -> None:
        """Count travel and turn from here."""
        self._travel = self._turn = 0.0
        self.violation = ''

    def halt(self) -> None:
        """Take the camera to stand still."""
        self._limiter.reset()

    def __call__(self, move: Move | None, dt: float, part: float = 1.0) -> Array:
        """Twist (6,) to send, `dt` seconds after the previous one; None asks for a stop.

        Of the previous one the arm followed `part`.
        """
        self.violation = ''
        self._count(min(dt, STANDSTILL) * part)
        if dt > STANDSTILL:
            self._limiter.reset()
        if move is None:
            return self._limiter.brake(dt)
        twist = self._limiter.limit(self._shaped(move), dt)
        self.violation = self._violation(twist, move.desired_T_current)
        return self._limiter.brake_instead(dt) if self.violation else twist

    def _shaped(self, move: Move) -> Array:
        pose = move.desired_T_current
        if move.to_goal and pose is not None and self.settings.at_goal(pose):
            return np.zeros(6)
        return np.array(self.settings.mask) * move.twist

    def _count(self, dt: float) -> None:
        twist = self._limiter.twist
        self._travel += float(np.linalg.norm(twist[:3])) * dt
        self._turn += float(np.linalg.norm(twist[3:])) * dt

    def _violation(self, twist: Array, desired_T_current: Array | None) -> str:
        settings = self.settings
        # Of an even stop, half of the way that the twist would lead in the same time.
        stop = 0.5 * settings.limits.stop_duration(twist) * twist
        if self._travel + np.linalg.norm(stop[:3]) > settings.travel:
            return (
                f'the camera has gone {self._travel:.3f} m since the start, travel_limit is {settings.travel:g} m'
            )
        if self._turn + np.linalg.norm(stop[3:]) > settings.turn:
            return (
                f'the camera has turned {self._turn:.2f} rad since the start, turn_limit is {settings.turn:g} rad'
            )
        if desired_T_current is None:
            return ''
        return settings.workspace.violation(desired_T_current @ se3.exp(stop))
