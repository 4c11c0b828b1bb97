"""The pinhole camera, in OpenCV's pixel-centre convention (the image centre is (W-1)/2, (H-1)/2)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from cnn_vs_ros.errors import CalibrationError, ImageError
from cnn_vs_ros.foreign.images import MAX_PIXELS

Array = NDArray[np.float64]

_SHORTEST, _LARGEST = 1e-3, 1e6
"""Bounds of focal lengths in pixels; the greater one also of all other numbers of a calibration."""

_NO_SKEW = 1e-6
"""Pixels of skew that are the rounding of a calibration, and count as none."""

_COEFFICIENTS = {'plumb_bob': (4, 5), 'rational_polynomial': (8, 12, 14), 'equidistant': (4,)}

MAX_COEFFICIENTS = max(max(counts) for counts in _COEFFICIENTS.values())
"""Distortion coefficients of the longest model."""


@dataclass(frozen=True)
class PinholeCamera:
    """Intrinsics of a camera.

    `width`, `height` in pixels; `fx`, `fy` focal lengths and `cx`, `cy` principal point in pixels.
    `distortion` holds the coefficients of `distortion_model` (a sensor_msgs/CameraInfo name) or nothing.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    distortion: tuple[float, ...] = field(default=())
    distortion_model: str = 'plumb_bob'

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise CalibrationError(
                f'camera size should be positive but is {self.width}x{self.height}: is the camera calibrated?'
            )
        if self.width * self.height > MAX_PIXELS:
            raise CalibrationError(
                f'camera should have at most {MAX_PIXELS} pixels but is {self.width}x{self.height}'
            )
        numbers = np.abs((self.fx, self.fy, self.cx, self.cy, *self.distortion))
        if not (numbers <= _LARGEST).all() or self.fx < _SHORTEST or self.fy < _SHORTEST:
            raise CalibrationError(
                'camera calibration should have finite positive focal lengths, in pixels, but got '
                f'fx={self.fx}, fy={self.fy}, cx={self.cx}, cy={self.cy}, '
                f'distortion up to {numbers[4:].max(initial=0.0):g}: is the camera calibrated?'
            )
        if self.distortion_model not in _COEFFICIENTS:
            raise CalibrationError(
                f'distortion model should be one of {", ".join(_COEFFICIENTS)} but is {self.distortion_model!r}'
            )
        if self.distortion and len(self.distortion) not in _COEFFICIENTS[self.distortion_model]:
            raise CalibrationError(
                f'distortion model {self.distortion_model} takes '
                f'{" or ".join(map(str, _COEFFICIENTS[self.distortion_model]))} coefficients '
                f'but got {len(self.distortion)}'
            )

    @classmethod
    def from_calibration(
        cls, width: int, height: int, k: ArrayLike, d: ArrayLike = (), model: str = 'plumb_bob'
    ) -> PinholeCamera:
        """Camera from the fields of sensor_msgs/CameraInfo: `k` row-major (9,) or (3, 3), `d` any length.

        Some drivers send eight coefficients or more by the name of plumb_bob: zeros after those that the model has
        are dropped; where they are not zero the model is rational_polynomial, which begins with the same.
        Raises CalibrationError when the calibration is missing (k[0] is 0) or malformed.
        """
        matrix = np.asarray(k, dtype=np.float64)
        if matrix.size != 9:
            raise CalibrationError(f'camera matrix K should have 9 entries but got {matrix.size}')
        if np.size(d) > MAX_COEFFICIENTS:
            raise CalibrationError(
                f'distortion should have at most {MAX_COEFFICIENTS} coefficients but has {np.size(d)}'
            )
        matrix = matrix.reshape(3, 3)
        if matrix[0, 0] == 0.0:
            raise CalibrationError('camera matrix K should be calibrated but K[0] is 0: calibrate the camera')
        if not abs(matrix[0, 1]) <= _NO_SKEW:
            raise CalibrationError(f'camera matrix K should have no skew but K[1] is {matrix[0, 1]}')
        coefficients = tuple(float(value) for value in np.asarray(d, dtype=np.float64).ravel())
        for index, value in enumerate(coefficients):
            if not np.isfinite(value):
                raise CalibrationError(f'distortion D should be finite but D[{index}] is {value}')
        if not any(coefficients):
            coefficients, model = (), 'plumb_bob'
        model = model or 'plumb_bob'
        longest = max(_COEFFICIENTS.get(model, (MAX_COEFFICIENTS,)))
        if model == 'plumb_bob' and any(coefficients[longest:]):
            model, longest = 'rational_polynomial', MAX_COEFFICIENTS
        while len(coefficients) > longest and coefficients[-1] == 0.0:
            coefficients = coefficients[:-1]
        return cls(
            width=int(width),
            height=int(height),
            fx=float(matrix[0, 0]),
            fy=float(matrix[1, 1]),
            cx=float(matrix[0, 2]),
            cy=float(matrix[1, 2]),
            distortion=coefficients,
            distortion_model=model,
        )

    @classmethod
    def from_field_of_view(cls, width: int, height: int, horizontal: float) -> PinholeCamera:
        """Ideal camera with square pixels, centred, with a horizontal field of view in radians."""
        focal = width / 2 / np.tan(horizontal / 2)
        return cls(width, height, focal, focal, (width - 1) / 2, (height - 1) / 2)

    @cached_property
    def matrix(self) -> Array:
        """Camera matrix K (3, 3)."""
        return np.array([[self.fx, 0.0, self.cx], [0.0, self.fy, self.cy], [0.0, 0.0, 1.0]])

    @cached_property
    def inverse_matrix(self) -> Array:
        """Inverse (3, 3) of the camera matrix."""
        return np.asarray(np.linalg.inv(self.matrix))

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels, as OpenCV takes it."""
        return self.width, self.height

    def resized(self, width: int, height: int) -> PinholeCamera:
        """The same camera at another resolution; pixel centres shift: c' = (c + 1/2) s - 1/2."""
        sx, sy = width / self.width, height / self.height
        return replace(
            self,
            width=width,
            height=height,
            fx=self.fx * sx,
            fy=self.fy * sy,
            cx=(self.cx + 0.5) * sx - 0.5,
            cy=(self.cy + 0.5) * sy - 0.5,
        )

    def windowed(self, x: int, y: int, width: int, height: int) -> PinholeCamera:
        """The same camera, of whose images only a window is left, the first pixel of which was (x, y).

        Raises CalibrationError where the window is not within the image.
        """
        if not (x >= 0 and y >= 0 and x + width <= self.width and y + height <= self.height):
            raise CalibrationError(
                f'region of interest should be within the image of {self.width}x{self.height} pixels '
                f'but is {width}x{height} at {x}, {y}'
            )
        return replace(self, width=width, height=height, cx=self.cx - x, cy=self.cy - y)

    def project(self, points: ArrayLike) -> Array:
        """Pixels (..., 2) of points (..., 3) in the optical frame; no distortion; z must be positive."""
        points = np.asarray(points, dtype=np.float64)
        normalised = points[..., :2] / points[..., 2:]
        return normalised * (self.fx, self.fy) + (self.cx, self.cy)

    def rays(self, pixels: ArrayLike) -> Array:
        """Points (..., 3) at unit depth in the optical frame for undistorted pixels (..., 2)."""
        pixels = np.asarray(pixels, dtype=np.float64)
        normalised = (pixels - (self.cx, self.cy)) / (self.fx, self.fy)
        return np.concatenate([normalised, np.ones((*pixels.shape[:-1], 1))], axis=-1)

    @property
    def undistorted(self) -> PinholeCamera:
        """The ideal camera whose images `undistort` returns."""
        return replace(self, distortion=(), distortion_model='plumb_bob')

    @cached_property
    def _undistortion_maps(self) -> tuple[np.ndarray, np.ndarray]:
        coefficients = np.asarray(self.distortion)
        fisheye = self.distortion_model == 'equidistant'
        build = cv2.fisheye.initUndistortRectifyMap if fisheye else cv2.initUndistortRectifyMap
        return build(self.matrix, coefficients, np.eye(3), self.matrix, self.size, cv2.CV_16SC2)

    def undistort(self, image: np.ndarray) -> np.ndarray:
        """The image (H, W[, C]) as the undistorted camera sees it, same K; itself if there is no distortion."""
        self.check_image(image)
        if not self.distortion:
            return image
        # What the lens does not show is continued from the border: a black edge would be taken for a contrast.
        return cv2.remap(image, *self._undistortion_maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

    def undistort_mask(self, mask: np.ndarray) -> np.ndarray:
        """Boolean (H, W): where an undistorted image shows nothing that a `mask` (H, W) hides, by 0 or False."""
        return self.undistort(np.where(np.asarray(mask) > 0, 255, 0).astype(np.uint8)) > 254

    @cached_property
    def undistorted_mask(self) -> np.ndarray | None:
        """Boolean (H, W): where an undistorted image has data; None when it has everywhere."""
        if not self.distortion:
            return None
        mask = cv2.remap(np.ones(self.size[::-1], np.uint8), *self._undistortion_maps, cv2.INTER_NEAREST) > 0
        return None if mask.all() else mask

    def pixel_difference(self, other: PinholeCamera) -> float:
        """Greatest distance, in pixels, of where this camera and another one of the same size see a point.

        The points are those of a grid over the undistorted image of this one.
        """
        if self.size != other.size:
            return np.inf
        grid = np.stack(np.meshgrid(*(np.linspace(0, size - 1, 9) for size in self.size)), axis=-1).reshape(-1, 2)
        rays = self.rays(grid)
        difference = np.linalg.norm(self._distorted(rays) - other._distorted(rays), axis=-1)
        return float(difference.max()) if np.isfinite(difference).all() else np.inf

    def _distorted(self, points: Array) -> Array:
        """Pixels (n, 2) of points (n, 3) with the distortion."""
        zero, coefficients = np.zeros(3), np.asarray(self.distortion)
        if self.distortion_model == 'equidistant' and self.distortion:
            pixels, _ = cv2.fisheye.projectPoints(points[:, None], zero, zero, self.matrix, coefficients)
        else:
            pixels, _ = cv2.projectPoints(points[:, None], zero, zero, self.matrix, coefficients)
        return np.asarray(pixels, dtype=np.float64).reshape(-1, 2)

    def check_image(self, image: np.ndarray) -> None:
        """Raise ImageError unless `image` is this camera's size."""
        if image.ndim not in (2, 3) or image.shape[:2] != (self.height, self.width):
            raise ImageError(
                f'image should be {self.width}x{self.height} as its calibration says but has shape {image.shape}'
            )
