"""Where a reference looks like itself: a pattern that repeats fits again one period on, or a quarter turn round.

A match of such a reference has rivals at known places, which differ from it by what little tells the repetitions
apart.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.estimation.pyramid import PyramidLevel
from cnn_vs_ros.geometry import se3

Array = NDArray[np.float64]

# Rotational symmetries: of patterns that repeat (2, 3, 4 and 6, and no other) and of single objects.
_FOLDS = (1, 2, 3, 4, 5, 6, 8)
_LEAST_CORRELATION = 0.55
_LEAST_OVERLAP = 0.2  # share of the image
_WINDOW = 1 / 16  # standard deviation of the window of the contrast, as a share of the width
_CONTRAST_FLOOR = 6.0
_SELF = 0.04  # widths of the image; nearer than this the reference is itself
_MOST = 240


def repetitions(level: PyramidLevel, depth: float) -> list[Array]:
    """Motions (4, 4) of the fronto-parallel plane at `depth` metres, onto itself, under which it looks alike.

    ``current_T_desired @ motion`` looks like ``current_T_desired`` for each of them. They are the maxima of the
    zero-normalised cross-correlation of a `level` of the reference with its own copies, shifted and turned by the
    angles of rotational symmetries; the best first, without the identity. Empty for most scenes.
    """
    camera = level.camera
    variance = cv2.GaussianBlur(level.flat * level.flat, (0, 0), _WINDOW * camera.width)
    image = level.flat / np.sqrt(variance + np.float32(_CONTRAST_FLOOR**2))
    everywhere = np.ones_like(image)
    spectra = _spectra(image, everywhere)
    found = []
    for angle in sorted({360.0 * k / fold for fold in _FOLDS for k in range(fold)}):
        turn = cv2.getRotationMatrix2D((camera.cx, camera.cy), -angle, 1.0)
        turned, covered = (cv2.warpAffine(each, turn, camera.size) for each in (image, everywhere))
        correlation, overlap = _correlate(spectra, _spectra(turned, covered), image.shape)
        correlation[overlap < _LEAST_OVERLAP * image.size] = 0.0
        for value, column, row in _peaks(correlation):
            if angle == 0.0 and np.hypot(column, row) < _SELF * camera.width:
                continue
            motion = se3.exp(np.array([0, 0, 0, 0, 0, np.deg2rad(angle)]))
            motion[:2, 3] = column * depth / camera.fx, row * depth / camera.fy
            found.append((value, motion))
    found.sort(key=lambda entry: -entry[0])
    return [motion for _, motion in found[:_MOST]]


def _spectra(image: np.ndarray, mask: np.ndarray) -> list[np.ndarray]:
    size = [2 * side for side in image.shape]
    return [np.fft.rfft2(each, size) for each in (image, image * image, mask)]


def _correlate(
    fixed: list[np.ndarray], moving: list[np.ndarray], shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Correlation and overlap, in pixels, of `fixed` and `moving` shifted by (x, y): at [h + y, w + x]."""

    def summed(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        product = np.fft.irfft2(a * b.conj(), [2 * side for side in shape])
        return np.asarray(np.fft.fftshift(product))

    power = summed(fixed[1], moving[2]) * summed(fixed[2], moving[1])
    correlation = summed(fixed[0], moving[0]) / np.sqrt(np.maximum(power, 1.0))
    return correlation, summed(fixed[2], moving[2])


def _peaks(correlation: np.ndarray) -> list[tuple[float, float, float]]:
    """Maxima (value, x, y) about the centre of (2 h, 2 w), to a fraction of a pixel."""
    highest = cv2.dilate(correlation, np.ones((5, 5)))
    rows, columns = np.nonzero((correlation == highest) & (correlation > _LEAST_CORRELATION))
    height, width = correlation.shape
    peaks = []
    for row, column in zip(rows, columns, strict=True):
        if not (0 < row < height - 1 and 0 < column < width - 1):
            continue
        value = correlation[row, column]
        across = correlation[row, column - 1 : column + 2]
        down = correlation[row - 1 : row + 2, column]
        peaks.append((float(value), column - width // 2 + _vertex(across), row - height // 2 + _vertex(down)))
    return peaks


def _vertex(three: np.ndarray) -> float:
    """Where the parabola through three values a pixel apart, the middle one the greatest, has its vertex."""
    bend = three[0] - 2.0 * three[1] + three[2]
    return float(0.5 * (three[0] - three[2]) / bend) if bend < -1e-9 else 0.0
