"""Where the camera is by the last estimate that was believed and the motion sent since."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cnn_vs_ros.control.motion_history import MotionHistory

Array = NDArray[np.float64]


class DeadReckoning:
    """The believed pose, carried on by the twists sent; these are remembered for `horizon` seconds."""

    def __init__(self, horizon: float) -> None:
        self._history = MotionHistory(horizon)
        self._pose: tuple[Array, float] | None = None

    def clear(self) -> None:
        """Forget pose and motion."""
        self._pose = None
        self._history.clear()

    def forget_pose(self) -> None:
        """Forget the pose alone."""
        self._pose = None

    def believe(self, desired_T_current: Array, stamp: float) -> None:
        """Take the pose (4, 4) of the camera at `stamp` (seconds)."""
        self._pose = desired_T_current, stamp

    def add(self, time: float, twist: ArrayLike) -> None:
        """Record the twist (6,) sent at `time` (seconds)."""
        self._history.add(time, twist)
        begin = time - 0.5 * self._history.horizon
        if self._pose is not None and self._pose[1] < begin:
            self._pose = self._at(begin, *self._pose), begin

    def at(self, time: float) -> Array | None:
        """Pose (4, 4) of the camera at `time`; None when none is known."""
        return None if self._pose is None else self._at(time, *self._pose)

    def motion(self, start: float, end: float) -> Array:
        """Pose (4, 4) of the camera at time `end` in its frame at time `start`."""
        return self._history.motion(start, end)

    def _at(self, time: float, pose: Array, stamp: float) -> Array:
        return pose @ self._history.motion(stamp, time)
