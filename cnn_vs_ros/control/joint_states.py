"""The joints of an arm as messages tell of them: several publishers, foreign joints, old and impossible values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cnn_vs_ros.errors import JointStateError

Array = NDArray[np.float64]
Angle = TypeVar('Angle', float, Array)

_JITTER = 0.1
"""Seconds by which the arrival of a message may differ from when it was measured."""


def within_half_a_turn(angle: Angle) -> Angle:
    """Return an angle, or angles (...), radians, less the whole turns in it: the shorter way round."""
    return angle - 2 * np.pi * np.round(angle / (2 * np.pi))  # exact where there are none


@dataclass
class _Joint:
    position: float
    time: float
    settles: float = -np.inf
    jump: float = 0.0


class JointStates:
    """Position and age of each joint of a chain.

    A message may hold any of its joints, in any order, beside foreign ones (a gripper's), which are ignored. A
    joint that moves further than its speed limit explains has jumped: two publishers contradict one another, or an
    encoder was set. It is believed again once it has followed itself for `timeout`.

    Args:
        joints: names of the chain's joints, in the order of all that is returned.
        timeout: seconds for which a position is used.
        speeds: greatest speeds (n,), rad/s or m/s, by which jumps are known; None takes any.
        circular: which joints (n,) turn without bounds, so that a whole turn is no jump.
    """

    def __init__(
        self,
        joints: Sequence[str],
        timeout: float,
        speeds: ArrayLike | None = None,
        circular: ArrayLike | None = None,
    ) -> None:
        count = len(joints)
        self.joints, self.timeout = list(joints), timeout
        self._speeds = np.full(count, np.inf) if speeds is None else np.asarray(speeds, dtype=np.float64)
        self._circular = np.zeros(count, bool) if circular is None else np.asarray(circular, dtype=bool)
        self._index = {name: index for index, name in enumerate(joints)}
        self._known: list[_Joint | None] = [None] * count

    def take(self, names: Sequence[str], positions: Sequence[float], now: float) -> bool:
        """Take a message that came at `now`, seconds; say whether any of the chain's joints is in it.

        A joint without a position is left as it was: messages may hold velocities or efforts alone.
        """
        taken = False
        for place, name in enumerate(names):
            index = self._index.get(name)
            if index is not None and place < len(positions):
                self._put(index, float(positions[place]), now)
                taken = True
        return taken

    def positions(self, now: float) -> Array:
        """Positions (n,) at `now`.

        Raises:
            JointStateError: a joint never came, is older than `timeout`, is not finite or has just jumped.
        """
        joints = self._all()
        for name, joint in zip(self.joints, joints, strict=True):
            if not 0.0 <= now - joint.time <= self.timeout:
                raise JointStateError(f'joint_states should come every {self.timeout:g} s but {name} does not')
            if not np.isfinite(joint.position):
                raise JointStateError(f'position of {name} should be finite but is {joint.position}')
            if now < joint.settles:
                raise JointStateError(
                    f'position of {name} should change no faster than the joint can move but jumped by '
                    f'{joint.jump:.3f} (do two nodes publish joint_states of it?)'
                )
        return np.array([joint.position for joint in joints])

    def age(self, now: float) -> float:
        """Seconds since the joint that came longest ago; infinite before each has come."""
        return now - min(-np.inf if joint is None else joint.time for joint in self._known)

    @property
    def last_positions(self) -> Array | None:
        """Positions (n,) that came last, however old; None before each has come, or where one is not finite."""
        values = np.array([np.nan if joint is None else joint.position for joint in self._known])
        return values if np.isfinite(values).all() else None

    def _put(self, index: int, position: float, now: float) -> None:
        before = self._known[index]
        joint = _Joint(position, now)
        if before is not None and np.isfinite(before.position):
            joint.settles, joint.jump = before.settles, before.jump
            moved = abs(position - before.position)
            if self._circular[index]:
                moved = abs(within_half_a_turn(moved))
            if moved > self._speeds[index] * (max(0.0, now - before.time) + _JITTER):
                joint.settles, joint.jump = now + self.timeout, moved
        self._known[index] = joint

    def _all(self) -> list[_Joint]:
        missing = [name for name, joint in zip(self.joints, self._known, strict=True) if joint is None]
        if missing:
            raise JointStateError(f'joint_states should hold {", ".join(missing)} but has not so far')
        return [joint for joint in self._known if joint is not None]
