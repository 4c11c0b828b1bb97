"""How the camera answered a motion along or about one of its axes: which way, how far, how late."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.geometry import se3

Array = NDArray[np.float64]

AXES = ('along x', 'along y', 'along z', 'about x', 'about y', 'about z')
"""Words for the six components of a twist."""

LONGEST_DELAY, _STEP = 0.6, 0.005
"""Seconds of delay that are looked for, and in which steps."""

_LEAST = 8
"""Poses from which a response can be told."""


@dataclass(frozen=True)
class Response:
    """What a unit of the commanded motion brought about.

    `motion` (6,) is the camera's motion ``[t; theta u]`` in its own frame for a metre or a radian of the
    command; `delay` seconds after it.
    """

    axis: int
    motion: Array
    delay: float

    @property
    def half(self) -> Array:
        """The translation (3,) that a translation brought about, or the rotation of a rotation."""
        return self.motion[:3] if self.axis < 3 else self.motion[3:]

    @property
    def gain(self) -> float:
        """How far it went, as a part of how far it should have gone."""
        return float(np.linalg.norm(self.half))

    @property
    def angle(self) -> float:
        """Radians between the way it went and the way it should have gone."""
        wanted = np.eye(3)[self.axis % 3]
        return float(np.arctan2(np.linalg.norm(np.cross(wanted, self.half)), wanted @ self.half))

    @property
    def direction(self) -> str:
        """The axis that it went along or about, with its sign."""
        nearest = int(np.abs(self.half).argmax())
        sign = '-' if self.half[nearest] < 0 else '+'
        return f'{sign}{"xyz"[nearest]}'


@dataclass
class AxisRecord:
    """What was commanded along an axis, 0 to 5, and where the camera was, by the joints and by the images.

    A pause of more than `pause_allowed` seconds makes it worth little.
    """

    axis: int
    pause_allowed: float
    _commands: list[tuple[float, float]] = field(default_factory=list)
    _poses: list[tuple[float, Array]] = field(default_factory=list)
    _seen: list[tuple[float, Array]] = field(default_factory=list)

    def add_command(self, now: float, speed: float) -> None:
        """Take the speed sent from `now` on, m/s or rad/s."""
        self._commands.append((now, speed))

    def add_pose(self, time: float, base_T_camera: Array) -> None:
        """Take where the joints said at `time` that the camera is; once, however often they are asked."""
        if not self._poses or time > self._poses[-1][0]:
            self._poses.append((time, base_T_camera))

    def add_seen(self, stamp: float, desired_T_current: Array) -> None:
        """Take where an image stamped `stamp` says that it is."""
        self._seen.append((stamp, desired_T_current))

    @property
    def is_interrupted(self) -> bool:
        """Whether there was a longer pause than is allowed."""
        return self.longest_pause > self.pause_allowed

    @property
    def longest_pause(self) -> float:
        """Seconds for which nothing was commanded, or the joints told nothing, since it began."""
        if not self._commands:
            return 0.0
        sent = np.array([time for time, _ in self._commands])
        told = np.clip([*(time for time, _ in self._poses), sent[-1]], sent[0], None)
        return float(max(np.diff(times).max(initial=0.0) for times in (sent, told)))

    def by_joints(self) -> Response | None:
        """What the joints say; None where too little came."""
        return self._response(self._poses)

    def by_images(self) -> Response | None:
        """What the images say; None where too little came."""
        return self._response(self._seen)

    def _response(self, poses: list[tuple[float, Array]]) -> Response | None:
        if len(poses) < _LEAST or len(self._commands) < 2:
            return None
        times, speeds = (np.array(column) for column in zip(*self._commands, strict=True))
        way = np.concatenate([[0.0], np.cumsum(speeds[:-1] * np.diff(times))])
        start = se3.inverse(poses[0][1])
        stamps = np.array([stamp for stamp, _ in poses])
        moved = np.array([se3.pose_vector(start @ pose) for _, pose in poses])
        best: tuple[float, Response] | None = None
        for delay in np.arange(0.0, LONGEST_DELAY, _STEP):
            commanded = np.interp(stamps - delay, times, way)
            commanded = commanded - commanded[0]
            power = float(commanded @ commanded)
            if power <= 0.0:
                continue
            motion = commanded @ moved / power
            left = float(((moved - np.outer(commanded, motion)) ** 2).sum())
            if best is None or left < best[0]:
                best = left, Response(self.axis, motion, float(delay))
        return None if best is None else best[1]


def mount_error(responses: list[Response]) -> Array | None:
    """Rotation vector (3,), radians, by which the camera is turned from what the description says of it.

    It takes the responses of the three translations, by the images; None without all of them.
    """
    columns = {item.axis: item.half for item in responses if item.axis < 3 and item.gain > 0}
    if len(columns) < 3:
        return None
    seen = np.column_stack([columns[axis] / np.linalg.norm(columns[axis]) for axis in range(3)])
    # A motion along an axis as described appears, to the camera as it is, turned by the inverse of the error.
    return se3.rotation_log(se3.nearest_rotation(seen).T)
