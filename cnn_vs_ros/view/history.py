"""The errors of the last while, as the curves of the page show them."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.geometry import se3

Array = NDArray[np.float64]

_FINEST = 1 / 3000
"""Part of the length that lies between two estimates that are kept, but for the newest."""


class ErrorHistory:
    """Distance to the goal by the estimates of the last `length` seconds."""

    def __init__(self, length: float) -> None:
        self._length = length
        self._rows: deque[tuple[float, float, float]] = deque()

    def add(self, stamp: float, desired_T_current: Array) -> None:
        """Take an estimate (4, 4) of an image stamped `stamp`, seconds."""
        rows = self._rows
        if rows and stamp < rows[-1][0]:  # the clock was set back
            kept = [row for row in rows if row[0] <= stamp]
            rows.clear()
            rows.extend(kept)
        if len(rows) > 1 and rows[-1][0] - rows[-2][0] < _FINEST * self._length:
            rows.pop()
        rows.append((stamp, *se3.pose_error(desired_T_current)))
        while stamp - rows[0][0] > self._length:
            rows.popleft()

    def recent(self) -> Array:
        """Rows (n, 3): seconds after the newest stamp (0 or less), metres, radians; what is older is left out."""
        newest = self._rows[-1][0] if self._rows else 0.0
        return np.array([(stamp - newest, *error) for stamp, *error in self._rows]).reshape(-1, 3)
