"""Where a reference looks like itself: a pattern that repeats fits again one period on, or a quarter turn round.

A match of such a reference has rivals at known places, which differ from it by what little tells the repetitions
apart. They are looked for in the plane's own frame, seen squarely: an oblique pattern is not symmetric in the
image.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.estimation.plane import ScenePlane
from cnn_vs_ros.estimation.pyramid import PyramidLevel
from cnn_vs_ros.geometry import PinholeCamera, se3

Array = NDArray[np.float64]

# Rotational symmetries: of patterns that repeat (2, 3, 4 and 6, and no other) and of single objects.
_FOLDS = (1, 2, 3, 4, 5, 6, 8)
_LEAST_CORRELATION = 0.5
_LEAST_OVERLAP = 0.2  # share of the image's power, of the image and of its copy
_WINDOW = 1 / 16  # standard deviation of the window of the contrast, as a share of the width
_CONTRAST_FLOOR = 6.0
_SQUARE = 0.01  # a part by which pixels may be wider than high, to be turned as if they were square
_SELF = 0.04  # widths of the image; nearer than this the reference is itself
_MOST = 240
_SLOPES = 0.05  # whether a plane repeats itself at all shows as well with its slope rounded to multiples of this


class Rivals:
    """The motions of the plane onto itself under which one reference looks alike."""

    def __init__(self, level: PyramidLevel) -> None:
        self._level = level
        self._repeats: dict[tuple[float, ...], bool] = {}

    def motions(self, plane: ScenePlane) -> list[Array]:
        """Return motions (4, 4), see `repetitions`; of this very plane, for over another one a rival is missed."""
        slope = _SLOPES * np.rint(plane.slope / _SLOPES)
        key = tuple(slope.tolist())
        if key not in self._repeats:
            self._repeats[key] = bool(repetitions(self._level, plane.at(slope)))
        return repetitions(self._level, plane) if self._repeats[key] else []


def repetitions(level: PyramidLevel, plane: ScenePlane) -> list[Array]:
    """Motions (4, 4) of the plane onto itself, in the desired camera's frame, under which it looks alike.

    ``current_T_desired @ motion`` looks like ``current_T_desired`` for each of them. They are the maxima of the
    zero-normalised cross-correlation of a `level` of the reference with its own copies, seen squarely, shifted and
    turned by the angles of rotational symmetries; the best first, without the identity. Empty for most scenes.
    """
    square, camera, square_T_desired = _squarely(level, plane)
    image, shown = square
    distance = plane.depth / float(np.linalg.norm(plane.normal))
    middle = ((camera.width - 1) / 2, (camera.height - 1) / 2)
    centre = np.array([(middle[0] - camera.cx) / camera.fx, (middle[1] - camera.cy) / camera.fy, 0.0]) * distance
    fixed = _Spectra.of(image, shown)
    least = _LEAST_OVERLAP * float((image * image).sum())
    found = []
    for angle in sorted({360.0 * k / fold for fold in _FOLDS for k in range(fold // 2 + 1)}):
        turn = cv2.getRotationMatrix2D(middle, -angle, 1.0)
        for value, column, row in _peaks(*_correlate(fixed, image, shown, turn, least)):
            if angle == 0.0 and np.hypot(column, row) < _SELF * camera.width:
                continue
            rotation = se3.rotation_exp(np.array([0, 0, np.deg2rad(angle)]))
            shift = np.array([column * distance / camera.fx, row * distance / camera.fy, 0.0])
            motion = se3.transform(rotation, centre - rotation @ centre + shift)
            motion = se3.inverse(square_T_desired) @ motion @ square_T_desired
            found.append((value, motion))
            if 0.0 < angle < 180.0:  # it fits as well the other way round
                found.append((value, se3.inverse(motion)))
    found.sort(key=lambda entry: -entry[0])
    return [motion for _, motion in found[:_MOST]]


def _squarely(
    level: PyramidLevel, plane: ScenePlane
) -> tuple[tuple[np.ndarray, np.ndarray], PinholeCamera, Array]:
    """Return contrast and mask (h, w) as a camera sees them that faces the plane, that camera, and its turn."""
    camera = level.camera
    variance = cv2.GaussianBlur(level.flat * level.flat, (0, 0), _WINDOW * camera.width)
    image = level.flat / np.sqrt(variance + np.float32(_CONTRAST_FLOOR**2))
    mask = np.ones_like(image) if level.valid is None else level.valid.astype(np.float32)
    image = image * mask
    axis = np.cross(plane.unit_normal, (0.0, 0.0, 1.0))
    sine = float(np.linalg.norm(axis))
    if sine < 1e-3 and abs(camera.fx / camera.fy - 1.0) < _SQUARE:
        return (image, mask), camera, np.eye(4)
    turn = se3.rotation_exp(axis / max(sine, 1e-9) * np.arcsin(min(sine, 1.0)))
    corners = camera.rays(np.array([[0, 0], [camera.width, 0], [camera.width, camera.height], [0, camera.height]]))
    seen = corners @ turn.T
    # Beyond a steep view's horizon there is nothing, and far towards it little.
    flat = seen[:, :2] / np.maximum(seen[:, 2:], 0.35)
    low, high = flat.min(axis=0), flat.max(axis=0)
    focal = min(camera.width / (high[0] - low[0]), camera.height / (high[1] - low[1]))
    middle = 0.5 * (low + high)
    square = PinholeCamera(
        camera.width,
        camera.height,
        focal,
        focal,
        (camera.width - 1) / 2 - focal * middle[0],
        (camera.height - 1) / 2 - focal * middle[1],
    )
    homography = square.matrix @ turn @ camera.inverse_matrix
    image, mask = (cv2.warpPerspective(each, homography, square.size) for each in (image, mask))
    return (image, mask), square, se3.transform(turn, np.zeros(3))


@dataclass(frozen=True)
class _Spectra:
    """Of an image (h, w), its square, and what of it is shown, at twice the size."""

    image: np.ndarray
    squared: np.ndarray
    shown: np.ndarray

    @classmethod
    def of(cls, image: np.ndarray, shown: np.ndarray) -> _Spectra:
        return cls(*(_spectrum(each) for each in (image, image * image, shown)))


def _spectrum(image: np.ndarray) -> np.ndarray:
    return np.fft.rfft2(image, [2 * side for side in image.shape])


def _correlate(
    fixed: _Spectra, image: np.ndarray, shown: np.ndarray, turn: np.ndarray, least: float
) -> tuple[np.ndarray, np.ndarray]:
    """Correlation with the `image` (h, w) turned, and shifted by (x, y): at [h + y, w + x] of (2 h, 2 w).

    And where both have the `least` power in what both show. There, what reaches _LEAST_CORRELATION has so much of
    that in common: mostly nothing has, and then zeros are returned.
    """
    size = [2 * side for side in image.shape]

    def turned(each: np.ndarray) -> np.ndarray:
        return cv2.warpAffine(each, turn, image.shape[::-1])

    def summed(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.asarray(np.fft.irfft2(a * b.conj(), size))

    common = summed(fixed.image, _spectrum(turned(image)))
    if common.max() < _LEAST_CORRELATION * least:
        return np.zeros(size), np.zeros(size, bool)
    moving = _Spectra.of(turned(image), turned(shown))
    power, other = summed(fixed.squared, moving.shown), summed(fixed.shown, moving.squared)
    correlation = common / np.sqrt(np.maximum(power * other, 1.0))
    return np.fft.fftshift(correlation), np.fft.fftshift(np.minimum(power, other) > least)


def _peaks(correlation: np.ndarray, enough: np.ndarray) -> list[tuple[float, float, float]]:
    """Maxima (value, x, y) about the centre of (2 h, 2 w), where `enough` is shown, to a fraction of a pixel."""
    highest = cv2.dilate(correlation, np.ones((5, 5)))
    rows, columns = np.nonzero(enough & (correlation == highest) & (correlation > _LEAST_CORRELATION))
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
