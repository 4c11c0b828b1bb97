"""What a regressor is built for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Site:
    """A camera, and the scene that it is to be located over.

    Attributes:
        width: of the images in pixels; `height` too.
        scale: deviations (6,) of the poses of training.
        intrinsics: fx, fy, cx, cy of these images.
        normal: of the plane in the desired camera.
        depth: of the scene, metres; 1 for pairs, whose lengths are in depths.
        image: what the desired camera sees, grey (height, width) uint8; None for pairs.
    """

    width: int
    height: int
    scale: tuple[float, ...]
    intrinsics: tuple[float, float, float, float]
    normal: tuple[float, float, float] = (0.0, 0.0, 1.0)
    depth: float = 1.0
    image: np.ndarray | None = None
