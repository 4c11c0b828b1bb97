"""What the next node says of the arm, and whether there is one."""

from __future__ import annotations

import math

HOLDING = ('stale', 'error', 'stopped')
"""Words of arm_status at which the arm is not driven."""

SLOWED = 'limited'
"""The word at which the arm is slowed down or halted, by a singularity, a joint limit or a collision."""

_WAITING = 'idle'
"""The word of an arm that is not ready: twists, zeros at least, come all the while."""

_DRIVEN = ('servoing', 'converged')


class ArmLink:
    """The last word about the arm, and how long it has been so. Times are seconds of one clock."""

    def __init__(self) -> None:
        self._word, self._reason = '', ''
        self._listener = True
        self._held_since = self._slowed_since = math.inf
        self._held_before = 0.0

    def hear(self, word: str, reason: str, now: float) -> None:
        """Take a word of arm_status (one that is not known says nothing) and its reason."""
        if word in (*HOLDING, SLOWED, _WAITING, *_DRIVEN):
            self._word, self._reason = word, reason
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
        return f'the arm is {self._word}: {self._reason}' if self._word in HOLDING else ''

    @property
    def unready(self) -> str:
        """Why no task should begin; empty if one may."""
        return self.holding or (f'the arm is {self._word}: {self._reason}' if self._word == _WAITING else '')

    @property
    def slowed(self) -> str:
        """Why the arm is slowed down; empty if it is not."""
        return f'the arm is {self._word}: {self._reason}' if self._word == SLOWED else ''

    @property
    def summary(self) -> str:
        """What is known of the arm, in a few words."""
        return self.holding or self.slowed or self._word or 'nothing said'

    def held_for(self, now: float) -> float:
        """Seconds for which the arm has not been driven since the start, in all."""
        return self._held_before + max(0.0, now - self._held_since)

    def slowed_for(self, now: float) -> float:
        """Seconds for which the arm has been slowed down."""
        return max(0.0, now - self._slowed_since)

    def _note(self, now: float) -> None:
        if self.holding:
            self._held_since = min(self._held_since, now)
        else:
            self._held_before, self._held_since = self.held_for(now), math.inf
        self._slowed_since = min(self._slowed_since, now) if self.slowed else math.inf
