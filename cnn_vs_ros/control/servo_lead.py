"""Whether the arm is where MoveIt Servo has it.

Servo begins each step where its last command ended, not where the arm is. Where nobody takes its commands, because
their controller is inactive, it runs ahead, and when somebody does again the arm leaps there, or, further on, its
controller refuses.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

PATIENCE = 0.3
"""Seconds for which the arm must be elsewhere: a late joint state is nothing yet."""

_FRESH = 0.5
"""Seconds for which a trajectory and a joint state count."""


class ServoLead:
    """Compares Servo's trajectories with the joint states.

    The points of a trajectory reach about as far back from now as ahead (`max_expected_latency`): an arm that
    follows is between them.

    Args:
        tolerance: as far beyond them a joint may be, rad or m.
    """

    def __init__(self, tolerance: float) -> None:
        self._tolerance = tolerance
        self._middle: dict[str, float] = {}
        self._reach: dict[str, float] = {}
        self._commanded = self._follows = -math.inf
        self._measured: dict[str, tuple[float, float]] = {}

    def command(self, names: Sequence[str], positions: Sequence[Sequence[float]], now: float) -> None:
        """Take a trajectory of Servo's, positions of points, of joints; one that lacks some says nothing."""
        if not names or {len(point) for point in positions} != {len(names)}:
            return
        points = np.asarray(positions, float)
        if not np.isfinite(points).all():
            return
        low, high = points.min(axis=0), points.max(axis=0)
        self._middle = dict(zip(names, (low + high) / 2, strict=True))
        self._reach = dict(zip(names, (high - low) / 2, strict=True))
        if now - self._commanded > _FRESH or self._furthest(now)[1] <= self._tolerance:
            self._follows = now
        self._commanded = now

    def measure(self, names: Sequence[str], positions: Sequence[float], now: float) -> bool:
        """Take joint positions; return whether some are of joints that Servo moves, as far as these are known."""
        measured = {
            name: (position, now)
            for name, position in zip(names, positions, strict=False)
            if math.isfinite(position)
        }
        self._measured.update(measured)
        return not self._middle or any(name in self._middle for name in measured)

    def lost(self, now: float) -> str:
        """A sentence about the joint that is furthest from where Servo has it; empty while the arm follows."""
        if now - self._commanded > _FRESH or now - self._follows < PATIENCE:
            return ''
        joint, gap = self._furthest(now)
        return f'{joint} is {gap:.2f} from where MoveIt Servo has it' if gap > self._tolerance else ''

    def forget(self) -> None:
        """Forget the trajectory: Servo begins anew where the arm is."""
        self._commanded = -math.inf

    def _furthest(self, now: float) -> tuple[str, float]:
        gaps = {
            name: abs(math.remainder(position - self._middle[name], math.tau)) - self._reach[name]
            for name, (position, stamp) in self._measured.items()
            if name in self._middle and now - stamp < _FRESH
        }
        return max(gaps.items(), key=lambda item: item[1], default=('', 0.0))
