"""A small motion along and about each axis of the camera in turn, and what of it is seen."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.arm_check.response import AXES, AxisRecord
from cnn_vs_ros.errors import ArmError
from cnn_vs_ros.geometry import se3

Array = NDArray[np.float64]

_REST = 1 / 4
"""Part of a period in which it rests before each axis, and at the end."""
_TRIES = 3
"""How often an axis is moved at most, until neither the computer nor the joints pause meanwhile."""
_PAUSE_ALLOWED = 1 / 8
"""Part of a period in which an arm that takes no command loses a third of its way."""
_TOO_FAR = 3.0
"""Times the amplitude that the camera may be away from where it began."""


@dataclass(frozen=True)
class WiggleBounds:
    """How far and how fast: each axis goes there and back in `period` seconds, and rests a quarter of it."""

    distance: float = 0.002
    """Metres along an axis; the greatest speed is pi times that in a period."""
    angle: float = 0.01
    """Radians about an axis."""
    period: float = 2.0

    @property
    def longest_time(self) -> float:
        """Seconds that all axes take when each is moved as often as it may be."""
        return (len(AXES) * _TRIES * (1 + _REST) + _REST) * self.period


class _Phase(enum.Enum):
    RESTING = 'resting'
    MOVING = 'moving'
    FINISHED = 'finished'


@dataclass
class Wiggle:
    """Motion program: fed with what is known of the camera, it gives the twists, and keeps what came of them.

    The axes are vx, vy, vz, wx, wy, wz of the camera's optical frame. One that was interrupted, by a computer that
    was busy for instance, is moved again. `records` has those that were begun.
    """

    bounds: WiggleBounds = field(default_factory=WiggleBounds)
    records: list[AxisRecord] = field(default_factory=list)
    _phase: _Phase = _Phase.RESTING
    _began: float | None = None
    _start: Array | None = None
    _tries: int = 0

    @property
    def finished(self) -> bool:
        """Whether all axes were tried, or it was ended."""
        return self._phase is _Phase.FINISHED

    def end(self) -> None:
        """Move no more."""
        self._phase = _Phase.FINISHED

    def update(self, now: float, base_T_camera: Array, age: float = 0.0) -> Array:
        """Twist (6,) of the camera at `now`, s; `age` seconds ago the joints said that it is at a pose (4, 4).

        Raises ArmError when the camera is further away than a motion of this size explains.
        """
        if self._start is None or self._began is None:
            self._start, self._began = base_T_camera, now
        if self.finished:
            return np.zeros(6)
        self._check(base_T_camera)
        elapsed = now - self._began
        if self._phase is _Phase.RESTING and elapsed >= _REST * self.bounds.period:
            if not self._begin():
                self.end()
                return np.zeros(6)
            self._phase, self._began, elapsed = _Phase.MOVING, now, 0.0
        elif self._phase is _Phase.MOVING and elapsed >= self.bounds.period:
            self._phase, self._began = _Phase.RESTING, now
        twist = np.zeros(6)
        if self.records:
            record = self.records[-1]
            amplitude = self.bounds.distance if record.axis < 3 else self.bounds.angle
            if self._phase is _Phase.MOVING:
                # There and back without a jump of the speed: amplitude (1 - cos) / 2.
                rate = 2.0 * np.pi / self.bounds.period
                twist[record.axis] = 0.5 * amplitude * rate * np.sin(rate * elapsed)
            record.add_command(now, float(twist[record.axis]))
            record.add_pose(now - age, base_T_camera)
        return twist

    def _begin(self) -> bool:
        """Begin the record of the next motion, which may be the last one once more; say whether there is one."""
        if self.records and self.records[-1].is_interrupted and self._tries < _TRIES:
            self.records.pop()
        else:
            self._tries = 0
        if len(self.records) == len(AXES):
            return False
        self.records.append(AxisRecord(len(self.records), _PAUSE_ALLOWED * self.bounds.period))
        self._tries += 1
        return True

    def see(self, stamp: float, desired_T_current: Array) -> None:
        """Take an estimate (4, 4) of an image stamped `stamp`, if there are any."""
        if self.records and not self.finished:
            self.records[-1].add_seen(stamp, desired_T_current)

    def _check(self, base_T_camera: Array) -> None:
        assert self._start is not None
        metres, radians = se3.pose_error(se3.inverse(self._start) @ base_T_camera)
        if metres > _TOO_FAR * self.bounds.distance or radians > _TOO_FAR * self.bounds.angle:
            raise ArmError(
                f'the camera should stay within {1e3 * self.bounds.distance:g} mm and '
                f'{np.degrees(self.bounds.angle):.2g} degrees of where it began but is {1e3 * metres:.1f} mm and '
                f'{np.degrees(radians):.2f} degrees away'
            )
