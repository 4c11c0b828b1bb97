"""Backing off along the optical axis, to see more of a scene that was lost."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.errors import ParameterError

Array = NDArray[np.float64]


class Retreat:
    """A bounded motion backwards along the optical axis.

    `speed` in m/s, `distance` in metres for one episode of loss; the speed falls towards the end so that a
    camera that decelerates at `deceleration` (m/s^2) stops at the distance and not after it.
    """

    def __init__(self, speed: float, distance: float, deceleration: float = math.inf) -> None:
        if not (speed > 0 and distance >= 0 and deceleration > 0):
            raise ParameterError(
                'retreat speed and deceleration should be positive and distance zero or more but are '
                f'{speed} m/s, {deceleration} m/s^2 and {distance} m'
            )
        self.speed = speed
        self.distance = distance
        self.deceleration = deceleration
        self._travelled = 0.0

    @property
    def remaining(self) -> float:
        """Metres still allowed in this episode."""
        return max(0.0, self.distance - self._travelled)

    def reset(self) -> None:
        """The target was found: the next loss is another episode."""
        self._travelled = 0.0

    def resume(self, other: object) -> None:
        """Go on with the episode of `other`, if that retreated as well."""
        if isinstance(other, Retreat):
            self._travelled = other._travelled

    def twist(self, dt: float) -> Array:
        """Twist (6,) to ask for now, given that it is revised every `dt` seconds."""
        twist = np.zeros(6)
        if not self.remaining:
            return twist
        # Half of the deceleration leaves the limiter room to follow.
        speed = min(self.speed, math.sqrt(self.deceleration * self.remaining))
        twist[2] = -min(speed, self.remaining / dt) if dt > 0 else -speed
        return twist

    def record(self, twist: Array, dt: float) -> None:
        """Count the motion really asked of the arm: `twist` (6,) during `dt` seconds."""
        self._travelled += max(0.0, -float(twist[2])) * dt
