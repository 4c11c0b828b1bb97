"""What a check has to say."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Level(enum.Enum):
    """How much a finding matters."""

    NOTE = 'note'
    WARNING = 'warning'
    """Something to look at; servoing works, perhaps worse."""
    PROBLEM = 'problem'
    """Servoing would go wrong, or not go at all."""


@dataclass(frozen=True)
class Finding:
    """One sentence: what should be and what is."""

    level: Level
    sentence: str
