"""Joint velocity commands without steps: bounded acceleration and jerk, and a stop that ends in time."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cnn_vs_ros.errors import ParameterError

Array = NDArray[np.float64]

LONGEST_STEP = 0.05
"""Seconds between two commands that count at most: what came after a gap is no leave for a leap."""

SLOWING = 20.0, 1000.0
"""rad/s^2 and rad/s^3 that slowing down has at least: a stop that twists tell of must reach the joints in time."""

_SHORTEST_STEP = 1e-4
_FIRST_STEP = 0.01
_THERE = 1e-9
"""Difference, rad/s, that is rounding: zeros are exact."""
_FADING = 0.9
"""Part of the jerk by which an acceleration fades: with all of it there would be a trace of overshoot."""


class JointRamp:
    """The command (n,) of an arm's joints, which follows a wanted one.

    The acceleration of the fastest changing joint is bounded by `acceleration`, and the change of acceleration by
    `jerk` (rad/s^2, rad/s^3; sliding joints: metres). One factor scales the whole change, so that all joints
    change together. A target within both bounds is followed at once, without delay. Where the target slows down,
    the command does, by SLOWING at least.

    A stop is no matter of these two: it takes at most `stop_time` seconds from any speed, by the true time, along
    ``1 - 3 x^2 + 2 x^3``, which begins and ends without a step of acceleration where time allows.

    Raises:
        ParameterError: a bound that is not positive.
    """

    def __init__(self, size: int, acceleration: float = 10.0, jerk: float = 500.0, stop_time: float = 0.2) -> None:
        if not (acceleration > 0 and jerk > 0 and stop_time > 0):
            raise ParameterError(
                'acceleration, jerk and stop_time should be positive but are '
                f'{acceleration}, {jerk} and {stop_time}'
            )
        self._limit, self._jerk, self._stop_time = acceleration, jerk, stop_time
        self.command = np.zeros(size)
        self._acceleration = np.zeros(size)
        self._time: float | None = None
        self._stop: tuple[float, float, Array] | None = None
        slowing = max(acceleration, SLOWING[0]), max(jerk, SLOWING[1])
        self._ceiling = JointRamp(1, *slowing, stop_time) if slowing != (acceleration, jerk) else None

    @property
    def is_moving(self) -> bool:
        """Whether the last command was not zero."""
        return bool(self.command.any())

    def follow(self, target: ArrayLike, now: float) -> Array:
        """Command (n,) at `now`, seconds, on the way to velocities `target` (n,)."""
        step = self._step(now)
        self._stop = None
        if step < _SHORTEST_STEP:
            return self.command
        target, before = np.asarray(target, dtype=np.float64), self.command
        missing = target - self.command
        wanted = missing * self._brisk(_fastest(missing), step)
        change = wanted - self._acceleration
        most = self._jerk * step
        self._acceleration = self._acceleration + change * min(1.0, most / max(np.abs(change).max(), 1e-300))
        self.command = self.command + self._acceleration * step
        if np.abs(target - self.command).max(initial=0.0) < _THERE:
            self.command = target.copy()
        if self._ceiling is not None:
            self.scale(self._slowed(self._ceiling, _fastest(before), _fastest(target), now))
        return self.command

    def _slowed(self, ceiling: JointRamp, before: float, target: float, now: float) -> float:
        """Part of the command that is left where the speed is to fall from `before` to that of the `target`."""
        if target >= before:
            ceiling.command, ceiling._acceleration, ceiling._time = np.array([before]), np.zeros(1), now
            return 1.0
        highest, fastest = max(0.0, float(ceiling.follow([target], now)[0])), _fastest(self.command)
        return highest / fastest if fastest > highest else 1.0

    def stop(self, now: float, longest: float = np.inf) -> Array:
        """Command (n,) at `now`, seconds, of a stop that the first of consecutive calls began.

        It takes no more than `longest` seconds from then.
        """
        step = self._step(now)
        if self._stop is None:
            duration = min(self._stop_time, longest, 1.5 * _fastest(self.command) / self._limit)
            self._stop = now, duration, self.command
        began, duration, speed = self._stop
        part = (now - began) / duration if duration > 0 else 1.0
        before = self.command
        self.command = speed * (1.0 - part * part * (3.0 - 2.0 * part)) if part < 1.0 else np.zeros_like(speed)
        moving = step >= _SHORTEST_STEP and part < 1.0
        self._acceleration = (self.command - before) / step if moving else np.zeros_like(speed)
        return self.command

    def scale(self, factor: float) -> Array:
        """Slow the present command down by a `factor` from 0 to 1, without regard to its acceleration."""
        if factor < 1.0:
            self.command, self._acceleration = factor * self.command, np.zeros_like(self.command)
        return self.command

    def _step(self, now: float) -> float:
        step = _FIRST_STEP if self._time is None else float(np.clip(now - self._time, 0.0, LONGEST_STEP))
        self._time = now if self._time is None else max(now, self._time)
        return step

    def _brisk(self, missing: float, step: float) -> float:
        """Acceleration for each unit of a difference of `missing`, from which it can come to zero by the jerk."""
        if missing == 0.0:
            return 0.0
        # Falling by jerk * step each step, an acceleration a still adds a^2 / (2 jerk) + a step / 2.
        jerk = _FADING * self._jerk
        fading = jerk * (np.sqrt(0.25 * step * step + 2.0 * missing / jerk) - 0.5 * step)
        return float(min(self._limit, fading, missing / step) / missing)


def _fastest(velocities: Array) -> float:
    return float(np.abs(velocities).max(initial=0.0))
