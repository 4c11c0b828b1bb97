"""From images to tracks: where points of the reference are seen in each of them, and from what pose."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.calibration.recording import Recording
from cnn_vs_ros.errors import HandEyeError
from cnn_vs_ros.estimation import Estimator, Reference
from cnn_vs_ros.estimation.pyramid import ValidPixels, to_grey
from cnn_vs_ros.geometry import RelativePose, map_pixels, se3

Array = NDArray[np.float64]

_CELLS = 10, 8
"""Cells across and down the reference, of each of which one point is tracked."""
_WINDOW = 21
"""Pixels of the square about a point that is found again."""
_CORNER = 0.02
"""Strength of a corner, as a part of the strongest, under which it is no point."""
_FARTHEST = 6.0
"""Pixels from where the plane shows it within which a point is looked for."""
_LEAST_POINTS = 12
_LEAST_IMAGES = 3


@dataclass(frozen=True)
class Tracks:
    """Points (p, 2) of the undistorted reference and their `pixels` (n, p, 2) in n undistorted images.

    `seen` (n, p) says which were found; `poses` (n, 4, 4) are the estimates ``reference_T_camera``, in units of
    the depth that the reference was taken to have; `slope` (2,) the plane's; `image` (n,) which images these are.
    """

    points: Array
    pixels: Array
    seen: NDArray[np.bool_]
    poses: Array
    slope: Array
    image: NDArray[np.int64]


class Tracker:
    """Tracks one reference through images, by an estimator for the plane and by patches for the points.

    `stills`: the images have nothing to do with the ones before. Raises HandEyeError for too little texture.
    """

    def __init__(self, estimator: Estimator, reference: Reference, *, stills: bool = False) -> None:
        self._estimator, self._reference, self._stills = estimator, reference, stills
        self._camera = reference.camera
        estimator.set_reference(reference)
        self._grey = self._camera.undistort(to_grey(reference.image))
        self._points = strong_points(self._grey, reference)
        if len(self._points) < _LEAST_POINTS:
            raise HandEyeError(
                f'the scene should show {_LEAST_POINTS} points to track but shows {len(self._points)}: '
                'put something with texture in view'
            )
        self._count = 0
        self._found: list[tuple[int, Array, Array, NDArray[np.bool_]]] = []

    def add(self, image: np.ndarray) -> RelativePose:
        """Track the reference into the next image (H, W[, 3]) uint8; return the estimate, which may be lost."""
        index, self._count = self._count, self._count + 1
        if self._stills:
            self._estimator.reset()
        pose = self._estimator.estimate(image)
        plane = self._estimator.plane
        if not pose.is_lost and plane is not None:
            homography = plane.homography(se3.inverse(pose.transform), self._camera)
            grey = self._camera.undistort(to_grey(image))
            self._found.append((index, pose.transform, *self._refound(grey, homography)))
        return pose

    @property
    def tracks(self) -> Tracks:
        """What was found so far. Raises HandEyeError where hardly an image shows the reference."""
        if len(self._found) < _LEAST_IMAGES:
            raise HandEyeError(
                f'the reference should be seen in {_LEAST_IMAGES} images or more but is in {len(self._found)} of '
                f'{self._count}: is it in view, and has it texture?'
            )
        indices, poses, pixels, seen = zip(*self._found, strict=True)
        believed = self._estimator.believed_plane
        slope = np.zeros(2) if believed is None else believed.slope
        return Tracks(
            self._points, np.array(pixels), np.array(seen), np.array(poses), slope, np.array(indices, np.int64)
        )

    def _refound(self, grey: np.ndarray, homography: Array) -> tuple[Array, NDArray[np.bool_]]:
        """Pixels (p, 2) of the points in an image, and which were found (p,)."""
        size = self._camera.size
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        drawn = cv2.warpPerspective(grey, homography, size, flags=flags)
        start = self._points.astype(np.float32)[:, None]
        moved, status, _ = cv2.calcOpticalFlowPyrLK(
            self._grey,
            drawn,
            start,
            start.copy(),
            winSize=(_WINDOW, _WINDOW),
            maxLevel=1,
            criteria=(cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 0.002),
            flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
        )
        moved = moved[:, 0].astype(np.float64)
        pixels = map_pixels(homography, moved)
        near = np.linalg.norm(moved - self._points, axis=1) < _FARTHEST
        inside = ((pixels > _WINDOW / 2) & (pixels < np.array(size) - 1 - _WINDOW / 2)).all(axis=1)
        seen = (status[:, 0] > 0) & near & inside & np.isfinite(pixels).all(axis=1)
        pixels[~seen] = 0.0
        return pixels, seen


def track(recording: Recording, estimator: Estimator) -> Tracks:
    """Track the reference of a recording through all its images. Raises HandEyeError."""
    tracker = Tracker(estimator, recording.reference, stills=recording.still)
    for image in recording.images:
        tracker.add(image)
    return tracker.tracks


def strong_points(grey: np.ndarray, reference: Reference) -> Array:
    """Points (p, 2) of an undistorted grey image, the strongest corner of each cell, its mask left out."""
    camera = reference.camera
    shown = ValidPixels(camera, reference.mask).at(camera.size)
    usable = np.ones(grey.shape, np.uint8) if shown is None else shown.astype(np.uint8)
    margin = _WINDOW // 2 + 2
    usable = cv2.erode(usable, np.ones((_WINDOW, _WINDOW), np.uint8))
    strength = cv2.cornerMinEigenVal(cv2.GaussianBlur(grey, (0, 0), 1.0), 7)
    strength[usable == 0] = 0.0
    strength[:margin], strength[-margin:], strength[:, :margin], strength[:, -margin:] = 0.0, 0.0, 0.0, 0.0
    least = max(_CORNER * float(strength.max()), 1e-5)
    across, down = (
        np.linspace(0, size, cells + 1).astype(int) for size, cells in zip(camera.size, _CELLS, strict=True)
    )
    points = []
    for top, bottom in pairwise(down):
        for left, right in pairwise(across):
            cell = strength[top:bottom, left:right]
            row, column = np.unravel_index(int(cell.argmax()), cell.shape)
            if cell[row, column] > least:
                points.append((left + column, top + row))
    return np.array(points, np.float64).reshape(-1, 2)
