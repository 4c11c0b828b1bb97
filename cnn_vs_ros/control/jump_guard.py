"""Estimates that jump away from the motion that was sent are not believed at once."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cnn_vs_ros.control.motion_history import MotionHistory
from cnn_vs_ros.errors import ParameterError
from cnn_vs_ros.geometry import se3

Array = NDArray[np.float64]


class JumpGuard:
    """Compares each estimate with the one before, moved by the twists sent in between.

    An estimate further than `translation` (m) or `rotation` (rad) from that is refused. A new place is believed
    after `confirmations` successive estimates there, which agree with one another in the same sense: the camera
    was pushed, or the reference was replaced. After `memory` seconds without estimates there is nothing to
    compare with.
    """

    def __init__(self, translation: float, rotation: float, confirmations: int = 3, memory: float = 0.5) -> None:
        if not (translation > 0 and rotation > 0 and confirmations >= 1 and memory > 0):
            raise ParameterError(
                'jump thresholds, confirmations and memory should be positive but are '
                f'{translation} m, {rotation} rad, {confirmations} and {memory} s'
            )
        self.translation = translation
        self.rotation = rotation
        self.confirmations = confirmations
        self.memory = memory
        self._history = MotionHistory(2.0 * memory)
        self._believed: tuple[Array, float] | None = None
        self._candidate: tuple[Array, float] | None = None
        self._count = 0

    def reset(self) -> None:
        """Forget the estimates and the motion: the next estimate is believed."""
        self._history.clear()
        self._believed = self._candidate = None
        self._count = 0

    def resume(self, other: JumpGuard) -> None:
        """Go on from the state of `other`."""
        self._history, self._believed = other._history, other._believed
        self._candidate, self._count = other._candidate, other._count

    def record(self, time: float, twist: ArrayLike) -> None:
        """Record the twist (6,) sent at `time` (seconds)."""
        self._history.add(time, twist)

    def refusal(self, desired_T_current: Array, stamp: float) -> str:
        """Say why the estimate (4, 4) of an image taken at `stamp` (seconds) is refused; empty if believed."""
        distance, angle = self._deviation(self._believed, desired_T_current, stamp)
        if distance <= self.translation and angle <= self.rotation:
            self._believe(desired_T_current, stamp)
            return ''
        candidate = self._deviation(self._candidate, desired_T_current, stamp)
        agrees = self._candidate is not None and candidate[0] <= self.translation and candidate[1] <= self.rotation
        self._count = self._count + 1 if agrees else 1
        self._candidate = (desired_T_current, stamp)
        if self._count >= self.confirmations:
            self._believe(desired_T_current, stamp)
            return ''
        return (
            f'estimate jumped by {distance:.3f} m and {math.degrees(angle):.1f} deg, which no motion sent explains'
        )

    def _believe(self, transform: Array, stamp: float) -> None:
        self._believed, self._candidate, self._count = (transform, stamp), None, 0

    def _deviation(
        self, previous: tuple[Array, float] | None, transform: Array, stamp: float
    ) -> tuple[float, float]:
        if previous is None or not 0 <= stamp - previous[1] <= self.memory:
            return 0.0, 0.0
        predicted = previous[0] @ self._history.motion(previous[1], stamp)
        return se3.pose_error(se3.inverse(predicted) @ transform)
