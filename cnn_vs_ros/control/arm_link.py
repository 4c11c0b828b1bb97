"""What the next node says of the arm, and whether there is one."""

from __future__ import annotations

import math

from cnn_vs_ros.control.servo_status import ServoStatus
from cnn_vs_ros.control.speed_scaling import SpeedScaling

HOLDING = (ServoStatus.STALE, ServoStatus.ERROR, ServoStatus.STOPPED)
"""Words of arm_status at which the arm is not driven."""

ENDED = ServoStatus.STOPPED
"""The one of them that ends the motion: the arm does not follow, or is paused, or its node has ended."""

SLOWED = ServoStatus.LIMITED
"""The word at which the arm is slowed down or halted, by a singularity, a joint limit or a collision."""

WAITING = ServoStatus.IDLE
"""The word of an arm that is not ready: twists, zeros at least, come all the while."""


class ArmLink:
    """The last word about the arm, and how long it has been so. Times are seconds of one clock.

    `scaling` is what the robot's own controller says of its speed.
    """

    def __init__(self) -> None:
        self.scaling = SpeedScaling()
        self._word: ServoStatus | None = None
        self._reason = ''
        self._listener = True
        self._held_since = self._slowed_since = math.inf
        self._held_before = 0.0

    def hear(self, word: str, reason: str, now: float) -> None:
        """Take a word of arm_status (one that is not known says nothing) and its reason."""
        known = [status for status in ServoStatus if status.value == word]
        if known:
            self._word, self._reason = known[0], reason
            self._note(now)

    def see_listener(self, present: bool, now: float) -> None:
        """Note whether anybody drives the arm by the twists."""
        self._listener = present
        self._note(now)

    def start(self, now: float) -> None:
        """Count from here for how long it has been so."""
        self._held_since = self._slowed_since = math.inf
        self._held_before = 0.0
        self._note(now)

    @property
    def holding(self) -> str:
        """Why the arm is not driven; empty if it is."""
        if not self._listener:
            return 'nobody takes the twists: is differential_ik running?'
        return self._said if self._word in HOLDING else ''

    @property
    def ended(self) -> str:
        """Why no motion should go on that was under way; empty if it may."""
        return self._said if self._word is ENDED else ''

    @property
    def unready(self) -> str:
        """Why no task should begin; empty if one may."""
        return self.holding or (self._said if self._word is WAITING else '')

    @property
    def slowed(self) -> str:
        """Why the arm is slowed down; empty if it is not."""
        return self._said if self._word is SLOWED else ''

    @property
    def summary(self) -> str:
        """What is known of the arm, in a few words."""
        return self.holding or self.slowed or ('nothing said' if self._word is None else self._word.value)

    def held_for(self, now: float) -> float:
        """Seconds for which the arm has not been driven since the start, in all."""
        return self._held_before + max(0.0, now - self._held_since)

    def slowed_for(self, now: float) -> float:
        """Seconds for which the arm has been slowed down."""
        return max(0.0, now - self._slowed_since)

    @property
    def _said(self) -> str:
        return '' if self._word is None else f'the arm is {self._word.value}: {self._reason}'

    def _note(self, now: float) -> None:
        if self.holding:
            self._held_since = min(self._held_since, now)
        else:
            self._held_before, self._held_since = self.held_for(now), math.inf
        self._slowed_since = min(self._slowed_since, now) if self.slowed else math.inf
