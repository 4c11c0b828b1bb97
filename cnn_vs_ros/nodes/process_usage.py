"""Memory and processor time of the node's own process."""

from __future__ import annotations

import ctypes
import os
import time
from pathlib import Path

_MEBIBYTE = 1 << 20
_M_MMAP_THRESHOLD = -3
_LARGE_BLOCK = _MEBIBYTE


def keep_heap_small() -> None:
    """Have glibc give large blocks back for good: those of models and images, which come and go.

    By default it learns to take blocks of up to 32 MiB from the heap, where small ones that stay lie between them:
    the heap of a node that loaded its model 16 times over was 50 MiB larger. After 5000 images, found and lost by
    turns, an estimator had 77 MiB; by a block of 4 MiB 92 to 121, up and down, in 4 % less time. Elsewhere nothing
    is done.
    """
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BLOCK)


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
