"""What is said about the images of the last second or so."""

from __future__ import annotations

from collections import deque

import numpy as np


class ImageStatistics:
    """Rates and latency of the images processed since the last report: by the wall's time, and by the stamps."""

    def __init__(self) -> None:
        self._latencies: deque[float] = deque(maxlen=10_000)
        self._stamps: deque[float] = deque(maxlen=10_000)
        self._since = 0.0

    def reset(self, now: float) -> None:
        """Begin to count at `now` (seconds of a steady clock)."""
        self._latencies.clear()
        self._stamps.clear()
        self._since = now

    def add(self, stamp: float, now: float) -> None:
        """Count an image taken at `stamp` and answered for at `now`, seconds of the node's clock."""
        self._latencies.append(now - stamp)
        self._stamps.append(stamp)

    def report(self, now: float) -> dict[str, float | int]:
        """Figures since the last report, and begin anew; milliseconds, as people read them."""
        latencies, elapsed = np.array(self._latencies), now - self._since
        shown = self._stamps[-1] - self._stamps[0] if self._stamps else 0.0
        self.reset(now)
        figures: dict[str, float | int] = {
            'images': len(latencies),
            'estimate_rate_hz': len(latencies) / elapsed if elapsed > 0 else 0.0,
        }
        if shown > 0:
            figures['image_rate_hz'] = (len(latencies) - 1) / shown
        if len(latencies):
            figures['latency_median_ms'] = 1e3 * float(np.median(latencies))
            figures['latency_max_ms'] = 1e3 * float(latencies.max())
        return figures
