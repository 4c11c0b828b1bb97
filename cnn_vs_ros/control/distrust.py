"""Why an arm that did not follow is not driven, and until when."""

from __future__ import annotations

_ZEROS_CLEAR = 0.2
"""Seconds of zero twists after which an arm that did not follow is tried again."""


class Distrust:
    """An arm that did not follow is not driven until its twists have been zero: whoever sends them then knows.

    `reason` says why; empty while the arm is trusted. Times are seconds of one clock.
    """

    def __init__(self) -> None:
        self.reason = ''
        self._zeros_since: float | None = None

    def begin(self, reason: str) -> None:
        """Distrust the arm for a reason, if there is one; the first stays."""
        self.reason = self.reason or reason

    def hear(self, is_zero: bool, now: float, may_end: bool) -> bool:
        """Take a twist that is zero or not; return whether this ends the distrust, if it may end now."""
        if not is_zero:
            self._zeros_since = None
            return False
        self._zeros_since = now if self._zeros_since is None else self._zeros_since
        ends = bool(self.reason) and may_end and now - self._zeros_since >= _ZEROS_CLEAR
        if ends:
            self.reason = ''
        return ends
