"""Estimates that jump away from the motion that was sent are not believed at once, or not at all."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.control.dead_reckoning import DeadReckoning
from cnn_vs_ros.errors import ParameterError
from cnn_vs_ros.geometry import se3

Array = NDArray[np.float64]

CONFIRMATIONS = 3
"""Estimates in a row that agree with one another before a new place is believed."""

REACH = 3.0
"""Jumps beyond so many thresholds are explained by no push: they are never believed."""

MEMORY = 0.5
"""Seconds without a believed estimate after which jumps within reach are believed at once."""

HORIZON = 4.0
"""Seconds of motion that are remembered: twice the age that an estimate may have."""


@dataclass(frozen=True)
class JumpSettings:
    """A jump is further than `translation` (m) or `rotation` (rad) from where the motion sent leads."""

    translation: float = math.inf
    rotation: float = math.inf

    def __post_init__(self) -> None:
        if not (self.translation > 0 and self.rotation > 0):
            raise ParameterError(
                f'jump thresholds should be positive but are {self.translation} m and {self.rotation} rad'
            )

    def scale(self, deviation: Array) -> float:
        """Size of a deviation (4, 4) in thresholds."""
        distance, angle = se3.pose_error(deviation)
        return max(distance / self.translation, angle / self.rotation)


class JumpGuard:
    """Compares each estimate with the one before, moved by the twists sent in between.

    A jump is refused. After CONFIRMATIONS successive estimates at the new place, moved likewise, it is believed:
    the camera was pushed. A jump of more than REACH thresholds, a picture turned by half for one, is not: the
    guard is then `broken`, for good, and says why. After MEMORY seconds without estimates, REACH thresholds are
    what motion sent must explain; before the first estimate there is nothing to compare with.
    """

    def __init__(self, settings: JumpSettings) -> None:
        self.settings = settings
        self.reckoning = DeadReckoning(HORIZON)
        self.reset()

    def reset(self) -> None:
        """Forget the estimates: the next one is believed."""
        self.reckoning.forget_pose()
        self.broken = ''
        self._seen = -math.inf
        self._candidate: tuple[Array, float] | None = None
        self._count = 0

    def refusal(self, desired_T_current: Array, stamp: float) -> str:
        """Say why the estimate (4, 4) of an image taken at `stamp` (seconds) is refused; empty if believed."""
        predicted = self.reckoning.at(stamp)
        if predicted is None:
            return self._believe(desired_T_current, stamp)
        deviation = se3.inverse(predicted) @ desired_T_current
        jump = self.settings.scale(deviation)
        if jump <= (1.0 if stamp - self._seen <= MEMORY else REACH):
            return self._believe(desired_T_current, stamp)
        self._count = self._count + 1 if self._agrees(desired_T_current, stamp) else 1
        self._candidate = (desired_T_current, stamp)
        confirmed = self._count >= CONFIRMATIONS
        if confirmed and jump <= REACH:
            return self._believe(desired_T_current, stamp)
        distance, angle = se3.pose_error(deviation)
        said = (
            f'estimate jumped by {distance:.3f} m and {math.degrees(angle):.1f} deg, which no motion sent explains'
        )
        if confirmed:
            self.broken = said
        return said

    def _believe(self, transform: Array, stamp: float) -> str:
        self.reckoning.believe(transform, stamp)
        self._seen, self._candidate, self._count = stamp, None, 0
        return ''

    def _agrees(self, transform: Array, stamp: float) -> bool:
        if self._candidate is None:
            return False
        before, when = self._candidate
        predicted = before @ self.reckoning.motion(when, stamp)
        return self.settings.scale(se3.inverse(predicted) @ transform) <= 1.0
