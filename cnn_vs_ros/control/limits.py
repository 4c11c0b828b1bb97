"""Speed and acceleration limits that keep the direction of a twist, and stops that no parameter can lengthen."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cnn_vs_ros.errors import ParameterError
from cnn_vs_ros.geometry import se3

Array = NDArray[np.float64]

STOP_TIME = 0.25
"""Seconds after which the twist of a stop is zero, however fast the camera was."""

STOP_DISTANCE = 0.025
"""Metres that the camera may go on for in a stop, apart from the step in which it is asked for."""


def _norms(twist: Array) -> tuple[float, float]:
    return float(np.linalg.norm(twist[:3])), float(np.linalg.norm(twist[3:]))


def _common_scale(twist: Array, max_linear: float, max_angular: float) -> float:
    """Largest factor up to 1 that brings both halves of `twist` (6,) within their limits."""
    linear, angular = _norms(twist)
    scale = 1.0
    if linear > max_linear:
        scale = max_linear / linear
    if angular * scale > max_angular:
        scale = max_angular / angular
    return scale


@dataclass(frozen=True)
class TwistLimits:
    """Bounds of Euclidean norms: m/s, rad/s, m/s^2 and rad/s^2; all positive, infinity leaves one out.

    The decelerations are those of slowing down, and of a stop.
    """

    linear: float = math.inf
    angular: float = math.inf
    linear_acceleration: float = math.inf
    angular_acceleration: float = math.inf
    linear_deceleration: float = math.inf
    angular_deceleration: float = math.inf

    def __post_init__(self) -> None:
        if not all(limit > 0 for limit in astuple(self)):
            raise ParameterError(f'speed and acceleration limits should be positive but are {astuple(self)}')

    def stop_duration(self, twist: Array) -> float:
        """Seconds that a stop from `twist` (6,) takes.

        The greater of ``speed / deceleration`` of the two halves, but STOP_TIME at most, and no more than keeps
        ``speed duration / 2``, the way of an even stop, within STOP_DISTANCE.
        """
        linear, angular = _norms(twist)
        duration = max(linear / self.linear_deceleration, angular / self.angular_deceleration)
        return min(duration, STOP_TIME, 2.0 * STOP_DISTANCE / linear if linear > 0 else math.inf)


class TwistLimiter:
    """Bounds the speed and the acceleration of a stream of twists.

    Where a limit binds, linear and angular velocity are scaled by one common factor: a screw stays the same
    screw, so that the camera keeps its path and only takes longer. The change from one twist to the next is
    treated likewise, so that a stop follows the direction of motion down to zero.

    `max_linear` in m/s, `max_angular` in rad/s, accelerations in m/s^2 and rad/s^2; all bound Euclidean norms.
    `longest_step` is what a twist that speeds up reckons with at most, s: after a pause the camera must not be
    given in one step what it should have been given in many.
    """

    def __init__(
        self,
        max_linear: float,
        max_angular: float,
        max_linear_acceleration: float = math.inf,
        max_angular_acceleration: float = math.inf,
    ) -> None:
        accelerations = max_linear_acceleration, max_angular_acceleration
        self.limits = TwistLimits(max_linear, max_angular, *accelerations, *accelerations)
        self.longest_step = math.inf
        self._twist = np.zeros(6)
        self._stop: tuple[Array, float, float] | None = None
        self._before: tuple[Array, tuple[Array, float, float] | None] = self._twist, None

    @classmethod
    def of(cls, limits: TwistLimits, longest_step: float = math.inf) -> TwistLimiter:
        """Limiter of a camera at rest."""
        limiter = cls(limits.linear, limits.angular)
        limiter.limits, limiter.longest_step = limits, longest_step
        return limiter

    @property
    def twist(self) -> Array:
        """The last twist (6,) that `limit` or `brake` returned."""
        return self._twist.copy()

    def limit(self, twist: ArrayLike, dt: float) -> Array:
        """Return the admissible twist (6,) nearest to `twist` (6,), `dt` seconds after the previous one.

        Raises PoseError if `twist` is not finite and leaves the state as it was.
        """
        _check(dt)
        limits = self.limits
        demand = se3.as_vector(twist, 6, 'twist')
        self._before = self._twist, self._stop
        demand = demand * _common_scale(demand, limits.linear, limits.angular)
        slower = _slowed(self._twist, demand)
        braking = limits.linear_deceleration * dt, limits.angular_deceleration * dt
        twist, left = _towards(self._twist, slower, *braking)
        step = left * min(dt, self.longest_step)
        # All ends lie within the speed limits, which are convex, so every twist between them does.
        self._twist, _ = _towards(
            twist, demand, limits.linear_acceleration * step, limits.angular_acceleration * step
        )
        self._stop = None
        return self._twist.copy()

    def brake(self, dt: float) -> Array:
        """Return the next twist (6,) of a stop, `dt` seconds after the previous one.

        The first call begins the stop; it keeps the direction, and ends `TwistLimits.stop_duration` later in
        zeros, in whatever steps it is asked for.
        """
        _check(dt)
        if self._stop is None:
            self._stop = self._twist, self.limits.stop_duration(self._twist), 0.0
        first, duration, elapsed = self._stop
        elapsed += dt
        self._stop = first, duration, elapsed
        self._twist = first * (1.0 - elapsed / duration) if elapsed < duration else np.zeros(6)
        return self._twist.copy()

    def reset(self) -> None:
        """Take the camera to stand still: the next twist starts from zero."""
        self.resume(np.zeros(6))

    def resume(self, twist: ArrayLike) -> None:
        """Take the camera to move with `twist` (6,)."""
        self._twist, self._stop = se3.as_vector(twist, 6, 'twist'), None

    def retune(self, limits: TwistLimits, longest_step: float) -> None:
        """Take other limits and go on from the present motion; a stop under way ends no later for it."""
        self.limits, self.longest_step = limits, longest_step
        if self._stop is not None:
            _, duration, elapsed = self._stop
            left = min(duration - elapsed, limits.stop_duration(self._twist))
            self._stop = self._twist, max(0.0, left), 0.0

    def brake_instead(self, dt: float) -> Array:
        """Return what `brake` would have in place of what `limit` has just returned; a stop goes on."""
        self._twist, self._stop = self._before
        return self.brake(dt)


def _slowed(twist: Array, demand: Array) -> Array:
    """The twist (6,) nearest to `demand` that `twist` becomes by slowing down alone.

    For each half that is the nearest point of the ball whose diameter reaches from zero to the present velocity.
    """
    centre = 0.5 * twist
    away = demand - centre
    for part in (slice(0, 3), slice(3, 6)):
        radius, distance = np.linalg.norm(centre[part]), np.linalg.norm(away[part])
        if distance > radius:
            away[part] *= radius / distance
    return centre + away


def _towards(twist: Array, goal: Array, max_linear: float, max_angular: float) -> tuple[Array, float]:
    """`twist` (6,) moved towards `goal` within a change of each half; and the part of that change left over."""
    change = goal - twist
    linear, angular = _norms(change)
    factor = _common_scale(change, max_linear, max_angular)
    if factor < 1.0:
        return twist + factor * change, 0.0
    used = max(linear / max_linear if linear else 0.0, angular / max_angular if angular else 0.0)
    return goal, 1.0 - used


def _check(dt: float) -> None:
    if not (math.isfinite(dt) and dt >= 0):
        raise ParameterError(f'dt should be zero or more seconds but is {dt}')
