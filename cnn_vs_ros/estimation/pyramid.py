"""Images at several resolutions, undistorted: grey for networks and features, and free of light for alignment.

A light multiplies what it falls on (paper, eqs. 8 and 9), so in the logarithm it is a sum, and it changes slowly:
what remains of the logarithm after its smooth part is taken off is the scene, whatever the light. The smooth part
is that of a Gaussian applied twice, ``1 - (1 - G)^2``, which follows the slope and the bend of a light as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from cnn_vs_ros.errors import ImageError
from cnn_vs_ros.geometry import PinholeCamera

FINEST_WIDTH = 320
FULL_WIDTH = 640
LEVELS = 3

_DARK = 4.0  # grey levels added before the logarithm, so that noise in the dark is not blown up
_UNIT = 128.0  # one grey level of a mid-grey image is one unit of its flat image
_TABLE = (_UNIT * np.log(np.arange(256) + _DARK)).astype(np.float32)
# Standard deviation of G, in pixels of the level that it is applied to: that level itself for the coarsest, the
# next coarser one for the others, and that below the finest one for the full image.
_COARSEST_SMOOTHING = 5.0
_SMOOTHING = (3.0, 4.0)
SATURATED = 250  # grey levels; where the sensor is saturated nothing is seen
_WHOLE = 0.99  # of a pixel's area that has to be valid
# Pixels of the cells whose means fill what is not valid, and the share of one that has to be.
_FILL_CELL, _FILL_SHARE = 16, 0.1


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


def full_camera(camera: PinholeCamera) -> PinholeCamera:
    """Camera of the image at its own size, at most 640 pixels wide."""
    width = min(FULL_WIDTH, camera.width)
    return camera.undistorted.resized(width, round(camera.height * width / camera.width))


def whole_pixels(shown: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Which pixels of an image resized to `size` (w, h) are `shown` (H, W) throughout: boolean (h, w)."""
    share = cv2.resize(shown.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return np.asarray(share > _WHOLE)


class ValidPixels:
    """Which pixels of a camera's undistorted images can show the scene: the same in every image.

    Not what lies beyond the lens's view, nor what a `mask` (H, W), of the camera's distorted images, leaves out
    (0): a gripper that is always in view.
    """

    def __init__(self, camera: PinholeCamera, mask: np.ndarray | None = None) -> None:
        self._camera = camera
        shown = camera.undistorted_mask
        if mask is not None:
            unmasked = camera.undistort_mask(mask)
            shown = unmasked if shown is None else shown & unmasked
        self.everywhere = shown is None or bool(shown.all())
        self._shown = None if self.everywhere or shown is None else shown.astype(np.float32)

    def at(self, size: tuple[int, int], margin: int = 0) -> np.ndarray | None:
        """Boolean (h, w) of images resized to `size` (w, h), `margin` pixels short; None where all are valid."""
        if self._shown is None:
            return None
        valid = whole_pixels(self._shown, size)
        if margin:
            valid = cv2.erode(valid.astype(np.uint8), np.ones((2 * margin + 1, 2 * margin + 1))) > 0
        return np.asarray(valid)

    def filled(self, grey: np.ndarray) -> np.ndarray:
        """Grey image (H, W) uint8 whose other pixels continue those around them smoothly.

        What is smoothed over them, its light and contrast, would have an edge there that is none of the scene.
        """
        if self._shown is None:
            return grey
        size = tuple(max(1, side // _FILL_CELL) for side in reversed(grey.shape))
        share = cv2.resize(self._shown, size, interpolation=cv2.INTER_AREA)
        total = cv2.resize(grey * self._shown, size, interpolation=cv2.INTER_AREA)
        known = share > _FILL_SHARE
        means = np.where(known, total / np.maximum(share, _FILL_SHARE), 0.0).astype(np.float32)
        means = cv2.inpaint(means, np.uint8(~known), 3.0, cv2.INPAINT_TELEA)
        fill = cv2.resize(means, grey.shape[::-1], interpolation=cv2.INTER_LINEAR)
        return np.where(self._shown > 0, grey, np.rint(fill).astype(np.uint8))

    @cached_property
    def of_levels(self) -> list[np.ndarray | None]:
        """The same for the levels, coarse to fine, and the full image, without what their gradients reach into."""
        return [
            self.at(camera.size, margin=1) for camera in (*level_cameras(self._camera), full_camera(self._camera))
        ]


@dataclass(frozen=True)
class PyramidLevel:
    """One resolution of an image as `camera` sees it.

    `grey` (H, W) uint8; `flat` (H, W) float32, free of light: about grey levels of an evenly lit, mid-grey scene;
    `valid` (H, W) bool where the image can show the scene, None for everywhere.
    """

    camera: PinholeCamera
    grey: np.ndarray
    flat: np.ndarray
    valid: np.ndarray | None = None

    @cached_property
    def channels(self) -> np.ndarray:
        """Flat image and its gradient per pixel along x and y: (H, W, 3) float32."""
        gradient_x = cv2.Sobel(self.flat, cv2.CV_32F, 1, 0, scale=0.125)
        gradient_y = cv2.Sobel(self.flat, cv2.CV_32F, 0, 1, scale=0.125)
        return cv2.merge([self.flat, gradient_x, gradient_y])

    @cached_property
    def usable(self) -> np.ndarray | None:
        """Boolean (H, W): valid and not saturated; None for everywhere."""
        if int(self.grey.max()) < SATURATED:
            return self.valid
        lit = self.grey < SATURATED
        return lit if self.valid is None else lit & self.valid

    def moments(self, size: tuple[int, int]) -> np.ndarray:
        """Mean of the flat image and of its square over blocks: (h, w, 2) float32 for `size` (w, h)."""
        if size not in self._moments:
            both = cv2.merge([self.flat, self.flat * self.flat])
            self._moments[size] = cv2.resize(both, size, interpolation=cv2.INTER_AREA)
        return self._moments[size]

    @cached_property
    def _moments(self) -> dict[tuple[int, int], np.ndarray]:
        return {}


class ImagePyramid:
    """An image at the resolutions that the estimator works at, each computed when first asked for."""

    def __init__(self, image: np.ndarray, camera: PinholeCamera, valid: ValidPixels | None = None) -> None:
        """Take an image (H, W[, 3]) uint8 of `camera`, distorted as the camera sees it.

        `valid` pixels are those of the camera, by default. Raises ImageError when its size or type is wrong.
        """
        camera.check_image(np.asarray(image))
        self.valid = ValidPixels(camera) if valid is None else valid
        self.grey = self.valid.filled(camera.undistort(to_grey(image)))
        self._cameras = level_cameras(camera)
        self._full_camera = full_camera(camera)

    def level(self, index: int) -> PyramidLevel:
        """Level `index`, coarse to fine; LEVELS is the full image."""
        return self.full if index == LEVELS else self.levels[index]

    @cached_property
    def finest_grey(self) -> np.ndarray:
        """Grey image (H, W) uint8 of the finest level."""
        return _resized(self.grey, self._cameras[-1])

    @cached_property
    def levels(self) -> list[PyramidLevel]:
        """Levels coarse to fine."""
        greys, logarithms = [self.finest_grey], self._logarithms
        for camera in reversed(self._cameras[:-1]):
            greys.insert(0, _resized(greys[0], camera))
        backgrounds = [_smooth(logarithms[0], _COARSEST_SMOOTHING)]
        backgrounds += [_smooth(logarithms[k], _SMOOTHING[k]) for k in range(LEVELS - 1)]
        return [
            PyramidLevel(camera, grey, logarithm - _enlarged(background, camera), valid)
            for camera, grey, logarithm, background, valid in zip(
                self._cameras, greys, logarithms, backgrounds, self.valid.of_levels[:LEVELS], strict=True
            )
        ]

    @cached_property
    def full(self) -> PyramidLevel:
        """The image at its own size, at most 640 pixels wide."""
        background = _smooth(self._logarithms[LEVELS - 2], _SMOOTHING[-1])
        flat = self._full_logarithm - _enlarged(background, self._full_camera)
        return PyramidLevel(self._full_camera, self._full_grey, flat, self.valid.of_levels[LEVELS])

    @cached_property
    def _full_grey(self) -> np.ndarray:
        return _resized(self.grey, self._full_camera)

    @cached_property
    def _full_logarithm(self) -> np.ndarray:
        return cv2.LUT(self._full_grey, _TABLE)

    @cached_property
    def _logarithms(self) -> list[np.ndarray]:
        """Logarithm of the grey levels, averaged over the pixels of each level."""
        logarithms = [self._full_logarithm]
        for camera in reversed(self._cameras):
            logarithms.insert(0, _resized(logarithms[0], camera))
        return logarithms[:LEVELS]


def _resized(image: np.ndarray, camera: PinholeCamera) -> np.ndarray:
    if image.shape[::-1] == camera.size:
        return image
    return cv2.resize(image, camera.size, interpolation=cv2.INTER_AREA)


def _enlarged(image: np.ndarray, camera: PinholeCamera) -> np.ndarray:
    if image.shape[::-1] == camera.size:
        return image
    return cv2.resize(image, camera.size, interpolation=cv2.INTER_LINEAR)


def _smooth(logarithm: np.ndarray, deviation: float) -> np.ndarray:
    """``(1 - (1 - G)^2) L = 2 G L - G G L``."""
    once = cv2.GaussianBlur(logarithm, (0, 0), deviation)
    return 2.0 * once - cv2.GaussianBlur(once, (0, 0), deviation)
