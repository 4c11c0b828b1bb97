"""Grey images made comparable: undistorted, reduced, and normalised against local light."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from cnn_vs_ros.errors import ImageError
from cnn_vs_ros.geometry import PinholeCamera

FINEST_WIDTH = 320
LEVELS = 3

# The window's standard deviation, as a share of the image width: large enough to keep the texture's coarse
# structure, small enough that a lamp's falloff looks constant in it.
_WINDOW = 1 / 12
# Grey levels: contrast below this is noise and is not amplified to full scale.
_CONTRAST_FLOOR = 4.0
# Local means are smooth, so they are computed on an image this many times smaller.
_WINDOW_REDUCTION = 4


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


def normalise_locally(image: np.ndarray) -> np.ndarray:
    """Subtract the local mean and divide by the local contrast: float32 (H, W) in, float32 (H, W) out.

    Affine changes of light that are slow across a window of W/12 pixels vanish (paper, section III-B.1).
    """
    height, width = image.shape
    small_size = (max(1, width // _WINDOW_REDUCTION), max(1, height // _WINDOW_REDUCTION))
    small = cv2.resize(image, small_size, interpolation=cv2.INTER_AREA)
    small_square = cv2.resize(image * image, small_size, interpolation=cv2.INTER_AREA)
    sigma = _WINDOW * small_size[0]
    mean = cv2.GaussianBlur(small, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
    square = cv2.GaussianBlur(small_square, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
    contrast = np.sqrt(np.maximum(square - mean * mean, 0.0) + _CONTRAST_FLOOR**2)
    full_mean = cv2.resize(mean, (width, height), interpolation=cv2.INTER_LINEAR)
    inverse_contrast = cv2.resize(1.0 / contrast, (width, height), interpolation=cv2.INTER_LINEAR)
    return (image - full_mean) * inverse_contrast


@dataclass(frozen=True)
class PyramidLevel:
    """One resolution of an image: `grey` (H, W) float32, 0 to 255, as `camera` sees it."""

    camera: PinholeCamera
    grey: np.ndarray

    @cached_property
    def normalised(self) -> np.ndarray:
        """Locally normalised image (H, W), float32."""
        return normalise_locally(self.grey)

    @cached_property
    def channels(self) -> np.ndarray:
        """Normalised image and its gradient per pixel along x and y: (H, W, 3) float32."""
        image = self.normalised
        gradient_x = cv2.Sobel(image, cv2.CV_32F, 1, 0, scale=0.125)
        gradient_y = cv2.Sobel(image, cv2.CV_32F, 0, 1, scale=0.125)
        return cv2.merge([image, gradient_x, gradient_y])


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
