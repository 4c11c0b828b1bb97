"""Which twists an arm follows: of the right frame, finite, of a possible size, fresh, and from one sender."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cnn_vs_ros.errors import TwistError
from cnn_vs_ros.geometry import se3

Array = NDArray[np.float64]

RIVALS_REMEMBERED = 1.0
"""Seconds for which two senders are remembered."""


class TwistGate:
    """Admits twists [v; omega] of one frame.

    Args:
        frame: name of the frame.
        linear: greatest speed, m/s.
        angular: greatest speed, rad/s.
        timeout: seconds by which a stamp may differ from now.
    """

    def __init__(self, frame: str, linear: float, angular: float, timeout: float) -> None:
        self._frame, self._linear, self._angular, self._timeout = frame, linear, angular, timeout

    def admit(self, twist: ArrayLike, frame: str, stamp: float, now: float) -> Array:
        """Return the twist (6,) that is stamped `stamp` at `now`, both seconds of the clock of stamps.

        Raises:
            PoseError: it has another shape or is not finite.
            TwistError: it is of another frame, too fast, not stamped, old or of the future.
        """
        values = se3.as_vector(twist, 6, 'twist')
        if frame != self._frame:
            raise TwistError(f'twist should be in {self._frame} but is in {frame!r}')
        if stamp == 0.0:
            raise TwistError('twist should be stamped but its stamp is zero')
        if abs(now - stamp) > self._timeout:
            raise TwistError(f'twist should be at most {self._timeout:g} s old but its age is {now - stamp:.1g} s')
        speeds = float(np.linalg.norm(values[:3])), float(np.linalg.norm(values[3:]))
        if not (speeds[0] <= self._linear and speeds[1] <= self._angular):
            raise TwistError(
                f'twist should be at most {self._linear:g} m/s and {self._angular:g} rad/s '
                f'but is {speeds[0]:.1g} m/s and {speeds[1]:.1g} rad/s'
            )
        return values


class SenderWatch:
    """Tells two senders on one topic apart by the numbers that each one gives its messages.

    One sender's numbers rise. A single step back is a sender that was restarted or relieved by another; two within
    a second are two that send at once, of which neither can be trusted.
    """

    def __init__(self) -> None:
        self._newest: int | None = None
        self._steps_back: deque[float] = deque(maxlen=2)

    def take(self, number: int | None, now: float) -> None:
        """Take the number of a message that came at `now`, seconds; None where the middleware gives none.

        Raises:
            TwistError: there are two senders.
        """
        if number is None:
            return
        if self._newest is not None and number <= self._newest:
            self._steps_back.append(now)
        self._newest = number
        if len(self._steps_back) == 2 and now - self._steps_back[0] < RIVALS_REMEMBERED:
            raise TwistError('one node should publish twist but two do: end one of them')
