"""Whether an arm does what it is commanded."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cnn_vs_ros.control.joint_states import within_half_a_turn

Array = NDArray[np.float64]

WINDOW = 0.5
"""Seconds over which the ways are compared."""

PART = 0.5
"""Part of the commanded way by which the measured one may differ."""

LAG = 0.1
"""Seconds by which a joint may lag behind: what it may differ by, times the fastest command of late, besides."""

REST = 0.1
"""Seconds of zeros after which a command is the first of another motion."""

STILL = 0.2
"""Seconds after which joints that have not moved by TOLERANCE stand."""

TOLERANCE = 0.004
"""Radians or metres by which they may differ in any case."""


class MotionWatch:
    """Compares the way that the joints were commanded with the one that they went, over the last WINDOW.

    Ways, not velocities: they need no measured velocity, and noise does not add up in them.

    Args:
        joints: names, in the order of commands and positions.
        limit: seconds for which they may disagree; a slow drive does while it gathers speed.
        circular: which joints (n,) turn without bounds.
    """

    def __init__(self, joints: Sequence[str], limit: float, circular: ArrayLike | None = None) -> None:
        self._joints, self._limit = list(joints), limit
        self._circular = np.zeros(len(joints), bool) if circular is None else np.asarray(circular, dtype=bool)
        self.reset()

    def reset(self) -> None:
        """Begin anew, as after a drop-out."""
        self._before: tuple[float, Array] | None = None
        self._way = np.zeros((2, len(self._joints)))
        self._seen: deque[tuple[float, Array, Array]] = deque()
        self._sent: deque[tuple[float, Array]] = deque()
        self._since: float | None = None

    @property
    def stands(self) -> bool:
        """Whether the joints are known to have stood for the last STILL."""
        if not self._seen:
            return False
        now, _, where = self._seen[-1]
        before = [index for index, (time, *_) in enumerate(self._seen) if now - time >= STILL - 1e-9]
        if not before:
            return False
        lately = np.array([positions for _, _, positions in self._seen])[before[-1] :]
        return bool((np.abs(self._turn(lately - where)) <= TOLERANCE).all())

    def observe(self, command: Array, positions: Array, now: float) -> str:
        """Note the command (n,) sent and the positions (n,) known at `now`; what disagrees, or an empty string."""
        if np.any(command) and not any(speed.any() for time, speed in self._sent if now - time <= REST):
            earlier = self._sent
            self.reset()  # who moved the arm before its first command is not to be judged by it
            self._sent = earlier  # but it may still lag behind
        if self._before is not None:
            time, sent = self._before
            self._way = self._way + (now - time) * np.array([sent, np.abs(sent)])
        self._before = now, np.array(command)
        self._seen.append((now, self._way, np.array(positions)))
        self._sent.append((now, np.abs(command)))
        while now - self._seen[0][0] > WINDOW:
            self._seen.popleft()
        while now - self._sent[0][0] > 2 * WINDOW:
            self._sent.popleft()
        _, way, where = self._seen[0]
        commanded, length = self._way - way
        measured = self._turn(positions - where)
        off = np.abs(commanded - measured) - PART * length - TOLERANCE
        off -= LAG * np.max([speed for _, speed in self._sent], axis=0)
        if not (off > 0.0).any():
            self._since = None
            return ''
        self._since = now if self._since is None else self._since
        if now - self._since < self._limit:
            return ''
        worst = int(off.argmax())
        if not length[worst]:
            return (
                f'{self._joints[worst]} should stand but moved by {measured[worst]:.3f} '
                f'in {now - self._seen[0][0]:.2f} s: does somebody else move the arm?'
            )
        return (
            f'{self._joints[worst]} should have moved by {commanded[worst]:.3f} in {now - self._seen[0][0]:.2f} s '
            f'but moved by {measured[worst]:.3f}: is the controller active, and the arm free?'
        )

    def _turn(self, difference: Array) -> Array:
        """A difference (..., n) of positions, the shorter way round where there are two."""
        return np.where(self._circular, within_half_a_turn(difference), difference)
