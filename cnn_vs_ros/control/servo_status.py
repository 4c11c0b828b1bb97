"""The words for what a servo task is doing, and the arm below it."""

from __future__ import annotations

import enum


class ServoStatus(enum.Enum):
    """What the servo task is doing."""

    IDLE = 'idle'
    """Not started yet."""
    SERVOING = 'servoing'
    """Moving towards the reference view."""
    CONVERGED = 'converged'
    """At the reference view for the hold time."""
    LOST = 'lost'
    """The estimator finds no pose."""
    STALE = 'stale'
    """No valid estimate has come for too long."""
    LIMITED = 'limited'
    """At a bound of place, way or time, or slowed down by the arm's: stopped until the next start."""
    STOPPED = 'stopped'
    """Stopped by request, or out of patience, until the next start."""
    ERROR = 'error'
    """The estimates contradict the motion, the arm is not driven, or no twist can be made."""
