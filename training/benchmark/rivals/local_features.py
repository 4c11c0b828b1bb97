"""SIFT and ORB with the ratio test."""

from __future__ import annotations

import cv2
import numpy as np

from cnn_vs_ros.estimation.pyramid import to_grey
from training.benchmark.rivals.matching import LEAST_INLIERS

_RATIO = 0.8  # of the nearest descriptor's distance to the second's


class LocalFeatures:
    """A detector and descriptor of OpenCV, matched by brute force."""

    def __init__(self, detector: cv2.Feature2D, norm: int) -> None:
        self._detector, self._matcher = detector, cv2.BFMatcher(norm)
        self._points = np.zeros((0, 2))
        self._descriptors: np.ndarray | None = None

    def set_reference(self, image: np.ndarray) -> None:
        """Detect the features of the reference (H, W[, 3]) uint8."""
        self._points, self._descriptors = self._detect(image)

    def match(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """Pixels (N, 2) in the reference and in the image of features that match; None where they are few."""
        points, descriptors = self._detect(image)
        if self._descriptors is None or descriptors is None or min(len(points), len(self._points)) < 2:
            return None
        pairs = self._matcher.knnMatch(descriptors, self._descriptors, k=2)
        good = [pair[0] for pair in pairs if len(pair) == 2 and pair[0].distance < _RATIO * pair[1].distance]
        if len(good) < LEAST_INLIERS:
            return None
        return self._points[[match.trainIdx for match in good]], points[[match.queryIdx for match in good]]

    def _detect(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        keypoints, descriptors = self._detector.detectAndCompute(to_grey(image), None)
        return np.array([keypoint.pt for keypoint in keypoints]).reshape(-1, 2), descriptors


def sift() -> LocalFeatures:
    """Return SIFT, at most 1500 features."""
    return LocalFeatures(cv2.SIFT.create(nfeatures=1500), cv2.NORM_L2)


def orb() -> LocalFeatures:
    """Return ORB, at most 2000 features."""
    return LocalFeatures(cv2.ORB.create(nfeatures=2000, fastThreshold=10), cv2.NORM_HAMMING)
