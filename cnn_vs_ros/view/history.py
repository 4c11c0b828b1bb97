"""The errors of the last while, as the curves of the page show them."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.geometry import se3

Array = NDArray[np.float64]

_LONGEST = 3000
"""Estimates kept: as many as 100 Hz bring in half a minute."""


class ErrorHistory:
    """Distance to the goal by the estimates of the last `length` seconds."""

    def __init__(self, length: float) -> None:
        self._length = length
        self._rows: deque[tuple[float, float, float]] = deque(maxlen=_LONGEST)

    def add(self, stamp: float, desired_T_current: Array) -> None:
        """Take an estimate (4, 4) of an image stamped `stamp`, seconds."""
        self._rows.append((stamp, *se3.pose_error(desired_T_current)))

    def recent(self) -> Array:
        """Rows (n, 3): seconds after the newest stamp (0 or less), metres, radians; what is older is left out."""
        newest = self._rows[-1][0] if self._rows else 0.0
        kept = [(stamp - newest, *error) for stamp, *error in self._rows if 0 <= newest - stamp <= self._length]
        return np.array(kept).reshape(-1, 3)
