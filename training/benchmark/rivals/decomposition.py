"""Pose and plane from one homography of a calibrated camera."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.geometry import PinholeCamera, se3

Array = NDArray[np.float64]


def decompose(homography: Array, points: Array, camera: PinholeCamera, depth: float) -> Array | None:
    """``current_T_desired`` (4, 4) of a homography (3, 3) from desired to current pixels.

    Of the up to four motions (Malis and Vargas, 2007) those count whose plane lies before the desired camera at
    all `points` (N, 2), pixels, and of these the one whose plane is tilted least. `depth` in metres is the plane's
    along the desired optical axis. None where no motion is left.
    """
    _, turns, moves, normals = cv2.decomposeHomographyMat(homography, camera.matrix)
    rays = camera.rays(points)
    best: tuple[float, Array] | None = None
    for turn, move, normal in zip(turns, moves, normals, strict=True):
        n = normal.ravel()
        if n[2] <= 0 or not (rays @ n > 0).all():
            continue
        pose = se3.transform(turn, depth * n[2] * move.ravel())
        if best is None or n[2] > best[0]:
            best = float(n[2]), pose
    return None if best is None else best[1]
