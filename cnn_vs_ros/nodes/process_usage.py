"""Memory and processor time of the node's own process, for its diagnostics."""

from __future__ import annotations

import os
import time
from pathlib import Path

_MEBIBYTE = 1 << 20


class ProcessUsage:
    """Resident memory, and processor time since the last report. Where there is no /proc, memory is left out."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.monotonic(), time.process_time()

    def report(self) -> dict[str, float]:
        """`memory_mib`, and `cpu_percent` of one core since the last report."""
        wall, cpu = time.monotonic(), time.process_time()
        elapsed = wall - self._wall
        figures = {'cpu_percent': 100.0 * (cpu - self._cpu) / elapsed if elapsed > 0 else 0.0}
        self._wall, self._cpu = wall, cpu
        try:
            pages = int(Path('/proc/self/statm').read_text().split()[1])
        except OSError:
            return figures
        return {'memory_mib': pages * os.sysconf('SC_PAGE_SIZE') / _MEBIBYTE, **figures}
