"""One line that tells how a run is going."""

from __future__ import annotations

import sys
import time
from typing import TextIO


class ProgressLine:
    """Rewrites one line of a terminal; elsewhere prints a line now and then.

    `terminal_period` and `log_period` are the least wall-clock seconds between two of them.
    """

    def __init__(
        self, stream: TextIO | None = None, *, terminal_period: float = 0.1, log_period: float = 10.0
    ) -> None:
        self._stream = stream if stream is not None else sys.stdout
        self._terminal = self._stream.isatty()
        self._period = terminal_period if self._terminal else log_period
        self._last = time.monotonic()
        self._width = 0

    def show(self, text: str) -> None:
        """Show `text` in place of what is shown, unless it is too early."""
        now = time.monotonic()
        if now - self._last < self._period:
            return
        self._last = now
        self._write(f'\r{text:<{self._width}}' if self._terminal else f'{text}\n')
        self._width = len(text)

    def clear(self) -> None:
        """Wipe the line, so that others can print."""
        if self._terminal and self._width:
            self._write(f'\r{"":<{self._width}}\r')
        self._width = 0

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
