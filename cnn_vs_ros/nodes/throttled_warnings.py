"""Warnings that do not flood the log, and do not hide one another either."""

from __future__ import annotations

import time
from typing import Any

_REMEMBERED = 50


class ThrottledWarnings:
    """Logs each distinct sentence at most once in `period` seconds.

    rclpy throttles a line of code, so that the second of two reasons logged from one line would go unsaid.
    """

    def __init__(self, logger: Any, period: float = 5.0) -> None:
        self._logger = logger
        self._period = period
        self._said: dict[str, float] = {}

    def __call__(self, sentence: str) -> None:
        """Warn, unless this very sentence was said just now."""
        now = time.monotonic()
        if now - self._said.get(sentence, -self._period) < self._period:
            return
        if len(self._said) >= _REMEMBERED:
            self._said.clear()
        self._said[sentence] = now
        self._logger.warning(sentence)
