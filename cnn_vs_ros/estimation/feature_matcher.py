"""Local features and a robust homography: what finds a little overlap in a rich texture.

The network's failures and those of features hardly coincide: the network lives on low texture, light and
occlusion, features on the small distinct patch that is left in the corner of the view.
"""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np

from cnn_vs_ros.errors import PoseError
from cnn_vs_ros.estimation.plane_pose import PlanePose, solve_plane_pose
from cnn_vs_ros.estimation.pyramid import ImagePyramid
from cnn_vs_ros.geometry import PinholeCamera, pose_from_homography

_RATIO = 0.8  # of the nearest descriptor's distance to the second's
_MIN_INLIERS = 10
_REPROJECTION = 3.0  # pixels


class FeatureMatcher:
    """SIFT or ORB on full-size images; ratio test, MAGSAC homography, robust pose from the inliers."""

    def __init__(
        self, reference: ImagePyramid, camera: PinholeCamera, depth: float, kind: Literal['sift', 'orb'] = 'sift'
    ) -> None:
        if kind == 'sift':
            self._detector: cv2.Feature2D = cv2.SIFT.create(nfeatures=1500)
            self._matcher = cv2.BFMatcher(cv2.NORM_L2)
        else:
            self._detector = cv2.ORB.create(nfeatures=2000, fastThreshold=10)
            self._matcher = cv2.BFMatcher(cv2.NORM_HAMMING)
        self._camera = camera.undistorted
        self._depth = depth
        self._points, self._descriptors = self._detect(reference.grey)

    def hypothesis(self, image: ImagePyramid) -> PlanePose | None:
        """Pose of the current camera that enough features agree on, or None."""
        matches = self._match(image.grey)
        if matches is None:
            return None
        desired, current = matches
        cv2.setRNGSeed(0)
        homography, mask = cv2.findHomography(
            desired, current, cv2.USAC_MAGSAC, _REPROJECTION, maxIters=2000, confidence=0.999
        )
        if homography is None or mask is None or mask.sum() < _MIN_INLIERS:
            return None
        inliers = mask.ravel() > 0
        try:
            start = pose_from_homography(homography, self._camera, self._depth)
        except (PoseError, np.linalg.LinAlgError):
            return None
        return solve_plane_pose(
            desired[inliers],
            current[inliers],
            np.ones(int(inliers.sum())),
            self._camera,
            self._depth,
            inlier_pixels=_REPROJECTION / 2,
            start=start,
        )

    def _detect(self, grey: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        keypoints, descriptors = self._detector.detectAndCompute(grey, None)
        return np.array([keypoint.pt for keypoint in keypoints]).reshape(-1, 2), descriptors

    def _match(self, grey: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """Pixels (N, 2) in the reference and in the image of features that match, if there are enough."""
        points, descriptors = self._detect(grey)
        if self._descriptors is None or descriptors is None or min(len(points), len(self._points)) < 2:
            return None
        pairs = self._matcher.knnMatch(descriptors, self._descriptors, k=2)
        good = [pair[0] for pair in pairs if len(pair) == 2 and pair[0].distance < _RATIO * pair[1].distance]
        if len(good) < _MIN_INLIERS:
            return None
        return self._points[[match.trainIdx for match in good]], points[[match.queryIdx for match in good]]
