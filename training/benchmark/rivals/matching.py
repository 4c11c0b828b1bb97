"""What the rivals share: the interface of a matcher of features, and a robust homography."""

from __future__ import annotations

from typing import Protocol

import cv2
import numpy as np

REPROJECTION = 3.0
"""Pixels, MAGSAC's threshold for users' pipelines."""
LEAST_INLIERS = 10
"""Matches that have to agree on a homography before it is believed."""


class Matcher(Protocol):
    """Finds the same points in a reference and in images."""

    def set_reference(self, image: np.ndarray) -> None:
        """Detect the features of the reference (H, W[, 3]) uint8, without distortion."""

    def match(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """Pixels (N, 2) in the reference and in the image of features that match; None where they are few."""


def robust_homography(
    desired: np.ndarray, current: np.ndarray, pixels: float = REPROJECTION
) -> tuple[np.ndarray, np.ndarray] | None:
    """MAGSAC homography (3, 3) from desired to current pixels and its inliers, boolean (N,).

    None where too few agree.
    """
    if len(desired) < LEAST_INLIERS:
        return None
    cv2.setRNGSeed(0)
    homography, mask = cv2.findHomography(
        desired, current, cv2.USAC_MAGSAC, pixels, maxIters=2000, confidence=0.999
    )
    if homography is None or mask is None or mask.sum() < LEAST_INLIERS:
        return None
    return homography, mask.ravel() > 0
