"""What moves with the camera is no scene: a gripper, a hose, the edge of a lamp; learned while the camera moves.

At the reference pose such things lie where they lay in the reference, so they draw every pose near it to it. But
they lie there at every other pose as well, where the scene has moved on: what in an image correlates better with
the reference at the same place than with the reference as the pose shows it is attached to the camera.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.estimation.fine.alignment import Alignment
from cnn_vs_ros.estimation.pyramid import PyramidLevel
from cnn_vs_ros.geometry import PinholeCamera

Array = NDArray[np.float64]

_WINDOW = 2.0  # pixels of the coarsest level, standard deviation
_CONTRAST = 6.0  # as much noise is in the flat image; with less nothing is told
_MOVED = 2.5  # pixels that the scene must have moved by
_MOST_CORRELATION = 0.97
# Log odds: what an image adds at most, where they begin, where they end, and where a pixel is taken for attached.
_STEP, _BEGIN, _LIMIT, _TAKEN = 0.5, -2.0, 4.0, 1.0


MOSTLY = 0.65
"""Share that has to be unoccluded of what would else fit by a part of it alone."""

_AT_REFERENCE = 0.06  # widths of the image
_AWAY = 0.2  # widths; nothing that is attached was found so far from the reference


def may_be_attached(alignment: Alignment, camera: PinholeCamera) -> bool:
    """Whether what is found, at the reference, is no more than what moves with the `camera` would show there."""
    return _from_reference(alignment, camera) < _AT_REFERENCE and alignment.unoccluded <= MOSTLY


def is_scene(alignment: Alignment, camera: PinholeCamera) -> bool:
    """Whether it is more: it shows most of the reference, or lies where nothing that is attached would fit."""
    return alignment.unoccluded > MOSTLY or _from_reference(alignment, camera) > _AWAY


def _from_reference(alignment: Alignment, camera: PinholeCamera) -> float:
    """How far from where the reference shows it the scene lies in the image, in widths of it."""
    return alignment.plane.image_shift(alignment.current_T_desired, np.eye(4), camera) / camera.width


class AttachedParts:
    """The log odds, for each pixel of the coarsest level, that it shows what moves with the camera."""

    def __init__(self, reference: PyramidLevel) -> None:
        self._reference = reference
        self._odds = np.full(reference.flat.shape, _BEGIN, np.float32)
        self._mean, self._variance = _moments(reference.flat)

    @property
    def mask(self) -> np.ndarray | None:
        """Boolean (h, w) of the coarsest level where something is attached; None where nothing is."""
        taken = (self._odds > _TAKEN).astype(np.uint8)
        if not taken.any():
            return None
        return cv2.dilate(taken, np.ones((3, 3), np.uint8)) > 0

    def update(self, image: PyramidLevel, alignment: Alignment) -> None:
        """Take an image, at the coarsest level, whose alignment is believed."""
        camera = self._reference.camera
        homography = alignment.plane.homography(alignment.current_T_desired, camera)
        shift, ahead = _shift(homography, camera.size)
        moved = ahead & (shift > _MOVED)
        if not moved.any():
            return
        mean, variance = _moments(image.flat)
        shown = cv2.warpPerspective(self._reference.flat, homography, camera.size, borderMode=cv2.BORDER_REPLICATE)
        shown_mean, shown_variance = _moments(shown)
        still = _correlation(image.flat, mean, variance, self._reference.flat, self._mean, self._variance)
        moving = _correlation(image.flat, mean, variance, shown, shown_mean, shown_variance)
        told = moved & (np.minimum(variance, self._variance) > _CONTRAST**2)
        change = np.clip(np.arctanh(still) - np.arctanh(moving), -_STEP, _STEP)
        self._odds = np.clip(self._odds + np.where(told, change, 0.0), 2 * _BEGIN, _LIMIT).astype(np.float32)


def _moments(flat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    mean = cv2.GaussianBlur(flat, (0, 0), _WINDOW)
    return mean, np.maximum(cv2.GaussianBlur(flat * flat, (0, 0), _WINDOW) - mean * mean, 1e-6)


def _correlation(
    a: np.ndarray,
    mean_a: np.ndarray,
    variance_a: np.ndarray,
    b: np.ndarray,
    mean_b: np.ndarray,
    variance_b: np.ndarray,
) -> np.ndarray:
    common = cv2.GaussianBlur(a * b, (0, 0), _WINDOW) - mean_a * mean_b
    floor = np.float32(_CONTRAST**2)
    return np.clip(common / np.sqrt((variance_a + floor) * (variance_b + floor)), 0.0, _MOST_CORRELATION)


def _shift(homography: Array, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (h, w) by which what a pixel shows lay elsewhere in the reference, and where that is ahead of it."""
    columns, rows = np.meshgrid(np.arange(size[0], dtype=np.float64), np.arange(size[1], dtype=np.float64))
    points = np.stack([columns.ravel(), rows.ravel(), np.ones(columns.size)])
    before = np.linalg.inv(homography) @ points
    before = before * np.sign(before[2, size[1] // 2 * size[0] + size[0] // 2])
    ahead = before[2] > 1e-6
    depth = np.where(ahead, before[2], 1.0)
    shift = np.hypot(before[0] / depth - points[0], before[1] / depth - points[1])
    return shift.reshape(columns.shape), ahead.reshape(columns.shape)
