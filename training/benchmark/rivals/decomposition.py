"""Pose and plane from one homography of a calibrated camera."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.geometry import PinholeCamera, decompose_homography

Array = NDArray[np.float64]


def decompose(homography: Array, points: Array, camera: PinholeCamera, depth: float) -> Array | None:
    """``current_T_desired`` (4, 4) of a homography (3, 3) from desired to current pixels.

    Of the up to four motions (Malis and Vargas, 2007) those count whose plane lies before the desired camera at
    all `points` (N, 2), pixels, and of these the one whose plane is tilted least. `depth` in metres is the plane's
    along the desired optical axis. None where no motion is left.
    """
    rays = camera.rays(points)
    candidates = decompose_homography(homography, camera, depth, least_cosine=0.0)
    seen = [(pose, normal) for pose, normal in candidates if (rays @ normal > 0).all()]
    return min(seen, key=lambda each: float(np.linalg.norm(each[1])))[0] if seen else None
