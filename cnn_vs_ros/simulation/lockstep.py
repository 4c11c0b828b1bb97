"""Lockstep: simulated time stands still while someone owes it an answer."""

from __future__ import annotations


class Debtor:
    """A peer that may owe something.

    It owes nothing before it has ever spoken, nor, once it has kept others waiting for `timeout` wall-clock
    seconds, until it speaks again.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._speaking = False
        self._waiting_since: float | None = None

    def speak(self) -> None:
        """The peer was heard."""
        self._speaking = True
        self._waiting_since = None

    def keeps_waiting(self, owes: bool, wall: float) -> bool:
        """Whether to wait for the peer, at `wall` seconds of a steady clock, given whether it `owes` an answer."""
        if not owes or not self._speaking:
            self._waiting_since = None
            return False
        if self._waiting_since is None:
            self._waiting_since = wall
        if wall - self._waiting_since >= self._timeout:
            self._speaking = False
            self._waiting_since = None
            return False
        return True


class Lockstep:
    """Whether simulated time may go on.

    It waits for an estimate of the newest image, once estimates are coming, and for a velocity command in each
    control period, once commands are coming. Simulated times are integer nanoseconds.

    Args:
        control_period: simulated nanoseconds within which the next command is due.
        timeout: wall-clock seconds after which a silent peer is no longer waited for.
    """

    def __init__(self, control_period: int = 20_000_000, timeout: float = 1.0) -> None:
        self._control_period = control_period
        self._estimator, self._controller = Debtor(timeout), Debtor(timeout)
        self._image_stamp = self._estimate_stamp = self._command_time = 0

    def image_published(self, stamp: int) -> None:
        """An image stamped `stamp` was published."""
        self._image_stamp = stamp

    def estimate_received(self, stamp: int) -> None:
        """An estimate of the image stamped `stamp` arrived."""
        self._estimate_stamp = max(self._estimate_stamp, stamp)
        self._estimator.speak()

    def command_received(self, time: int) -> None:
        """A velocity command arrived at simulated `time`."""
        self._command_time = time
        self._controller.speak()

    def waits(self, time: int, wall: float) -> bool:
        """Whether simulated `time` must stand still now, at `wall` seconds of a steady clock."""
        estimate = self._estimator.keeps_waiting(self._estimate_stamp < self._image_stamp, wall)
        command = self._controller.keeps_waiting(time - self._command_time >= self._control_period, wall)
        return estimate or command
