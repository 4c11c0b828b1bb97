"""Given homographies brought to the images they are of: those of data sets are off by up to 2 % of the width."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_STOP = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 100, 1e-6)
_SMOOTHING = (9, 3)  # pixels, of the widths of two rounds
_FARTHEST = 0.03  # widths; a homography that moves further was not refined but lost


def refine(homography: Array, reference: np.ndarray, image: np.ndarray) -> tuple[Array, float]:
    """Return the homography (3, 3) near the given one that correlates best (ECC), and by how much it moved.

    The move is the mean over what the image shows of the reference, in widths of the image; 0 where the given one
    is kept, because no other correlates better nearby.
    """
    height, width = image.shape[:2]
    enlargement = np.sqrt(abs(np.linalg.det(homography[:2, :2])))
    grey, wanted = (_grey(picture) for picture in (reference, image))
    if enlargement < 1:  # the image is the coarser one: no finer detail should be left in the reference
        grey = cv2.GaussianBlur(grey, (0, 0), 0.5 / enlargement)
    found: Array = np.asarray(np.linalg.inv(homography), np.float64)
    before = _correlation(found, grey, wanted)
    try:
        for smoothing in _SMOOTHING:
            found = cv2.findTransformECC(
                wanted, grey, found.astype(np.float32), cv2.MOTION_HOMOGRAPHY, _STOP, None, smoothing
            )[1].astype(np.float64)
    except cv2.error:  # it does not converge
        return homography, 0.0
    refined: Array = np.asarray(np.linalg.inv(found), np.float64)
    moved = _move(homography, refined, width, height)
    if moved > _FARTHEST or _correlation(found, grey, wanted) <= before:
        return homography, 0.0
    return refined / refined[2, 2], moved


def _grey(picture: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.float32)


def _drawn(reference_from_image: Array, picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpPerspective(picture, reference_from_image, size, flags=flags))


def _correlation(reference_from_image: Array, reference: np.ndarray, image: np.ndarray) -> float:
    size = image.shape[1], image.shape[0]
    seen = _drawn(reference_from_image, np.ones_like(reference), size) > 0.999
    if seen.sum() < 100:
        return -1.0
    return float(np.corrcoef(_drawn(reference_from_image, reference, size)[seen], image[seen])[0, 1])


def _move(given: Array, refined: Array, width: int, height: int) -> float:
    grid = np.meshgrid(np.linspace(0, width - 1, 20), np.linspace(0, height - 1, 15))
    points = np.stack(grid, axis=-1).reshape(1, -1, 2)
    first, second = (cv2.perspectiveTransform(points, matrix)[0] for matrix in (given, refined))
    seen = ((first >= 0) & (first < (width, height))).all(axis=1)
    return float(np.linalg.norm(first - second, axis=1)[seen].mean() / width) if seen.any() else np.inf
