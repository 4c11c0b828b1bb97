"""What a user would write instead: local features, RANSAC homography, pose, PBVS."""

from __future__ import annotations

import cv2
import numpy as np

from cnn_vs_ros.errors import PoseError
from cnn_vs_ros.estimation import Reference
from cnn_vs_ros.estimation.plane_pose import solve_plane_pose
from cnn_vs_ros.estimation.pyramid import to_grey
from cnn_vs_ros.geometry import RelativePose, pose_from_homography, se3
from training.benchmark.methods.base import Method, Step, towards

_RATIO = 0.8
_MIN_INLIERS = 10
_REPROJECTION = 3.0


class FeatureServoing(Method):
    """SIFT or ORB on the full-size image; ratio test, MAGSAC homography, robust refinement on the inliers."""

    def __init__(self, kind: str) -> None:
        if kind == 'sift':
            self._detector: cv2.Feature2D = cv2.SIFT.create(nfeatures=1500)
            self._matcher = cv2.BFMatcher(cv2.NORM_L2)
        else:
            self._detector = cv2.ORB.create(nfeatures=2000, fastThreshold=10)
            self._matcher = cv2.BFMatcher(cv2.NORM_HAMMING)
        self._reference: Reference | None = None
        self._points = np.empty((0, 2))
        self._descriptors: np.ndarray | None = None

    def start(self, reference: Reference, seed: int) -> None:
        """Detect the reference's features."""
        cv2.setRNGSeed(seed)
        if self._reference is reference:
            return
        self._reference = reference
        self._points, self._descriptors = self._detect(to_grey(reference.image))

    def step(self, image: np.ndarray) -> Step:
        """Match anew at each image."""
        pose = self._pose(image)
        return Step(None) if pose is None else Step(towards(pose), pose=pose.transform)

    def _detect(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        keypoints, descriptors = self._detector.detectAndCompute(image, None)
        return np.array([keypoint.pt for keypoint in keypoints]).reshape(-1, 2), descriptors

    def _pose(self, image: np.ndarray) -> RelativePose | None:
        assert self._reference is not None
        points, descriptors = self._detect(to_grey(image))
        if self._descriptors is None or descriptors is None or len(points) < 2 or len(self._points) < 2:
            return None
        pairs = self._matcher.knnMatch(descriptors, self._descriptors, k=2)
        good = [pair[0] for pair in pairs if len(pair) == 2 and pair[0].distance < _RATIO * pair[1].distance]
        if len(good) < _MIN_INLIERS:
            return None
        current = points[[match.queryIdx for match in good]]
        desired = self._points[[match.trainIdx for match in good]]
        homography, mask = cv2.findHomography(
            desired, current, cv2.USAC_MAGSAC, _REPROJECTION, maxIters=2000, confidence=0.999
        )
        if homography is None or mask is None or mask.sum() < _MIN_INLIERS:
            return None
        inliers = mask.ravel() > 0
        camera, depth = self._reference.camera, self._reference.depth
        try:
            start = pose_from_homography(homography, camera, depth)
        except (PoseError, np.linalg.LinAlgError):
            return None
        found = solve_plane_pose(
            desired[inliers],
            current[inliers],
            np.ones(int(inliers.sum())),
            camera,
            depth,
            inlier_pixels=_REPROJECTION / 2,
            start=start,
        )
        return None if found is None else RelativePose(se3.inverse(found.current_T_desired))
