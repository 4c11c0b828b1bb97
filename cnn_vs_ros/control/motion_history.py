"""The motion commanded since an image was taken, to servo on the present pose instead of a past one."""

from __future__ import annotations

import bisect

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cnn_vs_ros.geometry import se3

Array = NDArray[np.float64]

STANDSTILL = 0.1
"""Seconds without a twist after which whoever drives the arm has stopped it: the next one starts from zero."""


class MotionHistory:
    """Twists sent during the last `horizon` seconds, each one held until the next, for STANDSTILL at most.

    An estimate is as old as the image it was made from. With the twists sent since,
    ``desired_T_now = desired_T_image @ history.motion(image_time, now)``.
    """

    def __init__(self, horizon: float = 1.0) -> None:
        self.horizon = horizon
        self._times: list[float] = []
        self._twists: list[Array] = []

    def clear(self) -> None:
        """Forget all twists: the camera is taken to have stood still."""
        self._times.clear()
        self._twists.clear()

    def add(self, time: float, twist: ArrayLike) -> None:
        """Record a twist (6,) of the camera in its own frame, sent at `time` (seconds)."""
        if self._times and time < self._times[-1]:
            self.clear()
        self._times.append(time)
        self._twists.append(se3.as_vector(twist, 6, 'twist'))
        # The twist that was in force at the horizon is kept.
        surplus = bisect.bisect_right(self._times, time - self.horizon) - 1
        if surplus > 0:
            del self._times[:surplus], self._twists[:surplus]

    def motion(self, start: float, end: float) -> Array:
        """Pose (4, 4) of the camera at time `end` in its frame at time `start` (identity if end <= start)."""
        pose = np.eye(4)
        first = max(0, bisect.bisect_right(self._times, start) - 1)
        boundaries = [*self._times[first + 1 :], end]
        for begin, finish, twist in zip(self._times[first:], boundaries, self._twists[first:], strict=False):
            duration = min(finish, end, begin + STANDSTILL) - max(begin, start)
            if duration > 0:
                pose = pose @ se3.exp(twist * duration)
        return pose
