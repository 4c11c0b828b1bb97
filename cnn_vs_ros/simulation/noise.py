"""Image noise, cheap enough for every frame."""

from __future__ import annotations

import cv2
import numpy as np


class NoiseBank:
    """Adds Gaussian noise to images from a field drawn once.

    Each frame takes a window of the field at a random place, so that no two frames have the same noise and a frame
    costs two additions. `sigma` is in grey levels; the same `seed` gives the same sequence.
    """

    _MARGIN = 256

    def __init__(self, width: int, height: int, sigma: float = 2.0, seed: int = 0) -> None:
        self._rng = np.random.default_rng(seed)
        shape = (height + self._MARGIN, width + self._MARGIN, 3)
        field = np.rint(self._rng.normal(0.0, sigma, shape))
        self._brighter = np.clip(field, 0, 255).astype(np.uint8)
        self._darker = np.clip(-field, 0, 255).astype(np.uint8)

    def add(self, image: np.ndarray) -> np.ndarray:
        """The image (height, width, 3) uint8 with noise; values saturate at 0 and 255."""
        height, width = image.shape[:2]
        row, column = self._rng.integers(0, self._MARGIN, 2)
        window = np.s_[row : row + height, column : column + width]
        return cv2.subtract(cv2.add(image, self._brighter[window]), self._darker[window])
