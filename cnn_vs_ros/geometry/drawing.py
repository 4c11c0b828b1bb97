"""What is drawn of a camera: the edges of what it sees, and the way that it went."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cnn_vs_ros.geometry.camera import PinholeCamera

Array = NDArray[np.float64]

_STEP = 5e-4
"""Metres between two points of a trail: fewer lines, and none while nothing moves."""
_LONGEST = 3000
"""Points of a trail; the oldest go."""


def frustum(camera: PinholeCamera, depth: float) -> Array:
    """Ends (16, 3) of the eight edges of what a camera sees up to `depth`, in its optical frame, metres."""
    w, h = camera.width, camera.height
    corners = np.array(((-0.5, -0.5), (w - 0.5, -0.5), (w - 0.5, h - 0.5), (-0.5, h - 0.5)))
    far = camera.rays(corners) * depth
    rays = [point for corner in far for point in (np.zeros(3), corner)]
    sides = [point for i in range(4) for point in (far[i], far[(i + 1) % 4])]
    return np.array([*rays, *sides])


class Trail:
    """The way of a camera, as points."""

    def __init__(self) -> None:
        self._points: deque[Array] = deque(maxlen=_LONGEST)

    def add(self, point: ArrayLike) -> None:
        """Take where the camera is, (3,) metres."""
        point = np.array(point, np.float64)
        if not self._points or np.linalg.norm(self._points[-1] - point) > _STEP:
            self._points.append(point)

    @property
    def points(self) -> Array:
        """The points (n, 3), the oldest first."""
        return np.array(self._points).reshape(-1, 3)
