"""Grey images at several resolutions, undistorted."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from cnn_vs_ros.errors import ImageError
from cnn_vs_ros.geometry import PinholeCamera

FINEST_WIDTH = 320
LEVELS = 3


def to_grey(image: np.ndarray) -> np.ndarray:
    """Grey uint8 (H, W) of a uint8 image: (H, W), (H, W, 1) or BGR (H, W, 3). Raises ImageError otherwise."""
    image = np.asarray(image)
    if image.dtype != np.uint8:
        raise ImageError(f'image should hold uint8 values but holds {image.dtype}')
    if image.ndim == 2:
        return image
    if image.ndim == 3 and image.shape[2] == 1:
        return image[..., 0]
    if image.ndim == 3 and image.shape[2] == 3:
        return cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    raise ImageError(f'image should have shape (H, W) or (H, W, 3) but has shape {image.shape}')


def level_cameras(camera: PinholeCamera) -> list[PinholeCamera]:
    """Cameras of the pyramid for an image of `camera`, coarse to fine; the finest is at most 320 pixels wide."""
    width = min(FINEST_WIDTH, camera.width)
    height = round(camera.height * width / camera.width)
    return [
        camera.undistorted.resized(max(1, width >> shift), max(1, height >> shift))
        for shift in reversed(range(LEVELS))
    ]


@dataclass(frozen=True)
class PyramidLevel:
    """One resolution of an image: `grey` (H, W) float32, 0 to 255, as `camera` sees it."""

    camera: PinholeCamera
    grey: np.ndarray

    @cached_property
    def channels(self) -> np.ndarray:
        """Grey levels and their gradient per pixel along x and y: (H, W, 3) float32."""
        gradient_x = cv2.Sobel(self.grey, cv2.CV_32F, 1, 0, scale=0.125)
        gradient_y = cv2.Sobel(self.grey, cv2.CV_32F, 0, 1, scale=0.125)
        return cv2.merge([self.grey, gradient_x, gradient_y])

    def moments(self, size: tuple[int, int]) -> np.ndarray:
        """Mean of the grey levels and of their squares over blocks: (h, w, 2) float32 for `size` (w, h)."""
        if size not in self._moments:
            both = cv2.merge([self.grey, self.grey * self.grey])
            self._moments[size] = cv2.resize(both, size, interpolation=cv2.INTER_AREA)
        return self._moments[size]

    @cached_property
    def _moments(self) -> dict[tuple[int, int], np.ndarray]:
        return {}


class ImagePyramid:
    """An image at the resolutions that the estimator works at, each computed when first asked for."""

    def __init__(self, image: np.ndarray, camera: PinholeCamera) -> None:
        """Take an image (H, W[, 3]) uint8 of `camera`, distorted as the camera sees it.

        Raises ImageError when its size or type is wrong.
        """
        camera.check_image(np.asarray(image))
        self.grey = camera.undistort(to_grey(image))
        self.cameras = level_cameras(camera)

    @cached_property
    def levels(self) -> list[PyramidLevel]:
        """Levels coarse to fine."""
        levels: list[PyramidLevel] = []
        grey = self.grey.astype(np.float32) if self.grey.shape[1] < 2 * FINEST_WIDTH else self.grey
        for camera in reversed(self.cameras):
            grey = cv2.resize(grey, camera.size, interpolation=cv2.INTER_AREA).astype(np.float32, copy=False)
            levels.append(PyramidLevel(camera, grey))
        return levels[::-1]
