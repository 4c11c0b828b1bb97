"""Speed and acceleration limits that keep the direction of a twist."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cnn_vs_ros.errors import ParameterError
from cnn_vs_ros.geometry import se3

Array = NDArray[np.float64]


def _common_scale(twist: Array, max_linear: float, max_angular: float) -> float:
    """Largest factor up to 1 that brings both halves of `twist` (6,) within their limits."""
    linear, angular = float(np.linalg.norm(twist[:3])), float(np.linalg.norm(twist[3:]))
    scale = 1.0
    if linear > max_linear:
        scale = max_linear / linear
    if angular * scale > max_angular:
        scale = max_angular / angular
    return scale


class TwistLimiter:
    """Bounds the speed and the acceleration of a stream of twists.

    Where a limit binds, linear and angular velocity are scaled by one common factor: a screw stays the same
    screw, so that the camera keeps its path and only takes longer. The change from one twist to the next is
    treated likewise, so that a stop follows the direction of motion down to zero.

    `max_linear` in m/s, `max_angular` in rad/s, accelerations in m/s^2 and rad/s^2; all bound Euclidean norms.
    """

    def __init__(
        self,
        max_linear: float,
        max_angular: float,
        max_linear_acceleration: float = math.inf,
        max_angular_acceleration: float = math.inf,
    ) -> None:
        limits = (max_linear, max_angular, max_linear_acceleration, max_angular_acceleration)
        if not all(limit > 0 for limit in limits):
            raise ParameterError(f'speed and acceleration limits should be positive but are {limits}')
        self.max_linear = max_linear
        self.max_angular = max_angular
        self.max_linear_acceleration = max_linear_acceleration
        self.max_angular_acceleration = max_angular_acceleration
        self._twist = np.zeros(6)

    @property
    def twist(self) -> Array:
        """The last twist (6,) that `limit` returned."""
        return self._twist.copy()

    def limit(self, twist: ArrayLike, dt: float) -> Array:
        """Return the admissible twist (6,) nearest to `twist` (6,), `dt` seconds after the previous one.

        Zeros ask for a smooth stop. Raises PoseError if `twist` is not finite and leaves the state as it was.
        """
        if not (math.isfinite(dt) and dt >= 0):
            raise ParameterError(f'dt should be zero or more seconds but is {dt}')
        demand = se3.as_vector(twist, 6, 'twist')
        demand = demand * _common_scale(demand, self.max_linear, self.max_angular)
        change = demand - self._twist
        factor = _common_scale(change, self.max_linear_acceleration * dt, self.max_angular_acceleration * dt)
        # Both ends lie within the speed limits, which are convex, so every twist between them does.
        self._twist = demand if factor == 1.0 else self._twist + factor * change
        return self._twist.copy()

    def reset(self) -> None:
        """Take the camera to stand still: the next twist starts from zero."""
        self._twist = np.zeros(6)

    def resume(self, twist: ArrayLike) -> None:
        """Take the camera to move with `twist` (6,)."""
        self._twist = se3.as_vector(twist, 6, 'twist')
