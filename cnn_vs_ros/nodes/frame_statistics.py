"""What the diagnostics say about the images of the last second or so."""

from __future__ import annotations

from collections import deque

import numpy as np


class FrameStatistics:
    """Rate of the images processed and their latency, since the last report."""

    def __init__(self) -> None:
        self._latencies: deque[float] = deque(maxlen=10_000)
        self._since = 0.0

    def reset(self, now: float) -> None:
        """Begin to count at `now` (seconds of a steady clock)."""
        self._latencies.clear()
        self._since = now

    def add(self, latency: float) -> None:
        """Count an image published `latency` seconds after it was taken."""
        self._latencies.append(latency)

    def report(self, now: float) -> dict[str, float | int]:
        """Figures since the last report, and begin anew; milliseconds, as people read them."""
        latencies, elapsed = np.array(self._latencies), now - self._since
        self.reset(now)
        figures: dict[str, float | int] = {
            'images': len(latencies),
            'frame_rate_hz': len(latencies) / elapsed if elapsed > 0 else 0.0,
        }
        if len(latencies):
            figures['latency_median_ms'] = 1e3 * float(np.median(latencies))
            figures['latency_max_ms'] = 1e3 * float(latencies.max())
        return figures
