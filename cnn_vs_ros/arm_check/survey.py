"""What the joint states of an arm are like: names, order, rates, gaps and ages."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cnn_vs_ros.arm_check.finding import Finding, Level

Array = NDArray[np.float64]

LEAST_RATE, GOOD_RATE = 5.0, 50.0
"""Hz of a joint under which servoing does not work, and under which it is coarse."""

LARGEST_AGE = 0.1
"""Seconds between a stamp and the arrival of its message that are not a clock's fault."""

_SHARE_OF_NAMES = 0.5


@dataclass(frozen=True)
class JointSurvey:
    """What came of one joint: messages with it a second, the longest time between two, s, and where it is."""

    name: str
    rate: float
    longest_gap: float
    position: float
    has_velocity: bool


class JointStateSurvey:
    """Takes all messages of some seconds.

    Args:
        joints: of the chain, by the robot description.
        lower: position limits (n,).
        upper: position limits (n,).
        timeout: seconds for which the nodes use a position.
    """

    def __init__(self, joints: Sequence[str], lower: ArrayLike, upper: ArrayLike, timeout: float) -> None:
        self.joints, self._timeout = list(joints), timeout
        self._lower, self._upper = np.asarray(lower, dtype=np.float64), np.asarray(upper, dtype=np.float64)
        self._times: dict[str, list[float]] = {name: [] for name in joints}
        self._positions: dict[str, float] = {}
        self._with_velocity: set[str] = set()
        self._ages: list[float] = []
        self._short = False
        self.layouts: list[tuple[str, ...]] = []
        """The names of messages, in the order in which they came, once each."""

    def take(
        self,
        names: Sequence[str],
        positions: Sequence[float],
        velocities: Sequence[float],
        stamp: float,
        now: float,
    ) -> None:
        """Take a message stamped `stamp` that came at `now`, seconds of one clock."""
        if tuple(names) not in self.layouts:
            self.layouts.append(tuple(names))
        self._ages.append(now - stamp)
        self._short = self._short or 0 < len(positions) < len(names)
        for place, name in enumerate(names[: len(positions)]):
            if name in self._times:
                self._times[name].append(now)
                self._positions[name] = float(positions[place])
                if place < len(velocities):
                    self._with_velocity.add(name)

    @property
    def messages(self) -> int:
        """How many came."""
        return len(self._ages)

    @property
    def age(self) -> float:
        """Median seconds from stamp to arrival; nan without messages."""
        return float(np.median(self._ages)) if self._ages else float('nan')

    @property
    def foreign(self) -> list[str]:
        """Joints that are not of the chain, such as a gripper's, in the order in which they came."""
        return list(dict.fromkeys(name for names in self.layouts for name in names if name not in self._times))

    def each(self) -> list[JointSurvey]:
        """What came of each joint of the chain."""
        return [self._of(name) for name in self.joints]

    def _of(self, name: str) -> JointSurvey:
        times, position = self._times[name], self._positions.get(name, float('nan'))
        gaps = np.diff(times)
        if not len(gaps) or times[-1] <= times[0]:
            return JointSurvey(name, 0.0, float('inf'), position, name in self._with_velocity)
        rate = len(gaps) / (times[-1] - times[0])
        return JointSurvey(name, float(rate), float(gaps.max()), position, name in self._with_velocity)

    def findings(self) -> list[Finding]:
        """What is not as it should be, and what is worth a note."""
        found: list[Finding] = []

        def say(level: Level, sentence: str) -> None:
            found.append(Finding(level, sentence))

        if not self.messages:
            say(Level.PROBLEM, 'joint_states should come but none has')
            return found
        if self._short:
            say(Level.PROBLEM, 'joint_states should hold a position for each name but some hold fewer')
        missing = [name for name in self.joints if not self._times[name]]
        if missing:
            say(Level.PROBLEM, f'joint_states should hold {", ".join(missing)} but do not{self._alike(missing)}')
        there = [joint for joint in self.each() if self._times[joint.name]]
        found += [*self._of_rates(there), *self._of_places(there)]
        if abs(self.age) > LARGEST_AGE:
            say(
                Level.WARNING,
                f'joint_states should be stamped when they are sent but came {self.age:.3f} s after their stamps: '
                'are the clocks the same?',
            )
        order = [name for names in self.layouts for name in names if name in self._times]
        if not missing and list(dict.fromkeys(order)) != self.joints:
            say(Level.NOTE, 'joint_states have another order than the robot description, which is allowed')
        return found

    def _of_rates(self, joints: list[JointSurvey]) -> list[Finding]:
        rare = [item for item in joints if item.rate < LEAST_RATE or item.longest_gap > self._timeout]
        slow = [item for item in joints if item.rate < GOOD_RATE and item not in rare]
        found = []
        if rare:
            rate, gap = min(item.rate for item in rare), max(item.longest_gap for item in rare)
            sentence = (
                f'{_names(rare)} should come at least every {self._timeout:g} s but came at {rate:.1f} Hz, after '
                f'{gap:.3f} s at the longest'
            )
            found.append(Finding(Level.PROBLEM, sentence))
        if slow:
            rate = min(item.rate for item in slow)
            sentence = f'{_names(slow)} should come at {GOOD_RATE:g} Hz or more but came at {rate:.1f} Hz'
            found.append(Finding(Level.WARNING, sentence))
        return found

    def _of_places(self, joints: list[JointSurvey]) -> list[Finding]:
        found = []
        for joint in joints:
            index = self.joints.index(joint.name)
            if not self._lower[index] <= joint.position <= self._upper[index]:
                sentence = (
                    f'{joint.name} should be between {self._lower[index]:.3f} and {self._upper[index]:.3f} by the '
                    f'robot description but is at {joint.position:.3f}: degrees for radians, or another zero?'
                )
                found.append(Finding(Level.PROBLEM, sentence))
        return found

    def _alike(self, missing: list[str]) -> str:
        pairs = []
        for name in missing:
            alike = [other for other in self.foreign if other.endswith(name) or name.endswith(other)]
            alike = alike or difflib.get_close_matches(name, self.foreign, 1, _SHARE_OF_NAMES)
            pairs += [f'{alike[0]} for {name}'] if alike else []
        return f': they have {", ".join(pairs)}' if pairs else ''


def _names(joints: list[JointSurvey]) -> str:
    return ', '.join(joint.name for joint in joints)
