"""The signals by which a process is told to end."""

from __future__ import annotations

import signal

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
"""A closed terminal sends SIGHUP, Ctrl-\\ SIGQUIT: both are no more than another way to say SIGTERM."""


def is_heeded(number: signal.Signals) -> bool:
    """Whether a signal to stop is meant for this process: under nohup SIGHUP is not."""
    return number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN
