"""Warnings that do not flood the log, and do not hide one another either."""

from __future__ import annotations

import re
import time
from typing import Any

_REMEMBERED = 50
_NUMBER = re.compile(r'(?<!\w)[-+]?[0-9][0-9.e+-]*')


class ThrottledWarnings:
    """Logs each distinct sentence at most once in `period` seconds; other numbers do not make it another one.

    rclpy throttles a line of code, so that the second of two reasons logged from one line would go unsaid.
    """

    def __init__(self, logger: Any, period: float = 5.0) -> None:
        self._logger = logger
        self._period = period
        self._said: dict[str, float] = {}

    def __call__(self, sentence: str) -> None:
        """Warn, unless this very sentence was said just now."""
        now, words = time.monotonic(), _NUMBER.sub('', sentence)
        if now - self._said.get(words, -self._period) < self._period:
            return
        if len(self._said) >= _REMEMBERED:
            self._said.clear()
        self._said[words] = now
        self._logger.warning(sentence)
