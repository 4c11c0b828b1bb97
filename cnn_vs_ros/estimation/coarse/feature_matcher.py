"""Local features and a robust homography: what finds a little overlap in a rich texture.

The network's failures and those of features hardly coincide: the network lives on low texture, light and
occlusion, features on the small distinct patch that is left in the corner of the view.
"""

from __future__ import annotations

import cv2
import numpy as np

from cnn_vs_ros.estimation.coarse.plane_pose import PlanePose, plane_pose_of, solve_plane_pose
from cnn_vs_ros.estimation.plane import ScenePlane
from cnn_vs_ros.estimation.pyramid import ImagePyramid
from cnn_vs_ros.geometry import PinholeCamera

_RATIO = 0.8  # of the nearest descriptor's distance to the second's
_MIN_INLIERS = 10
_REPROJECTION = 3.0  # pixels


class FeatureMatcher:
    """SIFT on images of at most `width` pixels; ratio test, MAGSAC homography, robust pose from the inliers.

    The strongest `count` features of an image are matched.
    """

    def __init__(self, reference: ImagePyramid, camera: PinholeCamera, width: int, count: int) -> None:
        self._detector = cv2.SIFT.create(nfeatures=count)
        width = min(width, camera.width)
        self._camera = camera.undistorted.resized(width, round(camera.height * width / camera.width))
        self._points, self._descriptors = self._detect(reference)

    def hypothesis(self, image: ImagePyramid, plane: ScenePlane) -> PlanePose | None:
        """Pose of the current camera that enough features agree on, or None."""
        matches = self._match(image)
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
        start = plane_pose_of(homography, self._camera, plane, _REPROJECTION / 2)
        if start is None:
            return None
        return solve_plane_pose(
            desired[inliers],
            current[inliers],
            np.ones(int(inliers.sum())),
            self._camera,
            plane,
            inlier_pixels=_REPROJECTION / 2,
            start=start,
        )

    def _detect(self, image: ImagePyramid) -> tuple[np.ndarray, np.ndarray | None]:
        grey, size = image.grey, self._camera.size
        if grey.shape[::-1] != size:
            grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
        valid = image.valid.at(size)
        mask = None if valid is None else valid.astype(np.uint8)
        keypoints, descriptors = self._detector.detectAndCompute(grey, mask)
        return np.array([keypoint.pt for keypoint in keypoints]).reshape(-1, 2), descriptors

    def _match(self, image: ImagePyramid) -> tuple[np.ndarray, np.ndarray] | None:
        """Pixels (N, 2) in the reference and in the image of features that match, if there are enough."""
        points, descriptors = self._detect(image)
        if self._descriptors is None or descriptors is None or min(len(points), len(self._points)) < 2:
            return None
        squared = _squared_distances(descriptors, self._descriptors)
        every = np.arange(len(points))
        nearest = squared.argmin(axis=1)
        first = squared[every, nearest]
        squared[every, nearest] = np.inf
        good = first < _RATIO**2 * squared.min(axis=1)
        if good.sum() < _MIN_INLIERS:
            return None
        return self._points[nearest[good]], points[good]


def _squared_distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Squared distances (N, M) of descriptors (N, D) and (M, D): in half of the time of OpenCV's matcher."""
    squares = np.square(first).sum(axis=1)[:, None] + np.square(second).sum(axis=1)
    return np.asarray(squares - 2.0 * first @ second.T)
