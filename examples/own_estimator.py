"""An estimator of your own, by local features, in a closed loop: own_estimator.py PICTURE. No ROS.

Anything with these methods is an `Estimator`, and takes the place of ours.
"""

import sys

import cv2
import numpy as np

import cnn_vs_ros as vs
from cnn_vs_ros.geometry import se3

DEPTH, PERIOD = 0.25, 0.1  # metres from the camera to the picture, seconds from image to image
FEWEST, SPREAD = 30, 2.0  # matches that make a pose, and pixels by which one of them may miss


class FeatureEstimator:
    """SIFT features of the reference, lifted onto its plane, and the pose from which they appear as they do."""

    name = 'sift'

    def __init__(self) -> None:
        self.details: dict[str, float] = {}
        self.reference: vs.Reference | None = None
        self._features = cv2.SIFT.create(500)
        self._matcher = cv2.BFMatcher(crossCheck=True)

    @property
    def plane(self) -> vs.ScenePlane | None:
        """It learns nothing of the plane: what the reference says."""
        return None if self.reference is None else self.reference.plane

    believed_plane = plane

    def set_reference(self, reference: vs.Reference) -> None:
        """Take a new desired image."""
        self.reference = reference
        points, self._described = self._found(reference.image)
        self._points = reference.camera.rays(points) * reference.depth  # of a plane across the optical axis

    def forget_reference(self) -> None:
        """Have none, as before the first."""
        self.reference = None

    def reset(self) -> None:
        """Each image stands for itself: there is no track to forget."""

    forget_scene = reset

    def estimate(self, image: np.ndarray, motion: object = None) -> vs.RelativePose:
        """Relative pose of the camera that took `image`: LOST where it is not sure."""
        assert self.reference is not None
        points, described = self._found(image)
        matches = self._matcher.match(self._described, described) if len(points) else []
        self.details = {'matches': float(len(matches))}
        if len(matches) < FEWEST:
            return vs.RelativePose(np.eye(4), confidence=0.0, status=vs.PoseStatus.LOST)
        there, rotation, translation, inliers = cv2.solvePnPRansac(
            self._points[[match.queryIdx for match in matches]],
            points[[match.trainIdx for match in matches]],
            self.reference.camera.matrix,
            None,  # undistort the points first where the camera distorts
            reprojectionError=SPREAD,
        )
        count = 0 if inliers is None else len(inliers)
        self.details['inliers'] = float(count)
        if not there or count < FEWEST:
            return vs.RelativePose(np.eye(4), confidence=0.0, status=vs.PoseStatus.LOST)
        current_T_desired = se3.transform(se3.rotation_exp(rotation.ravel()), translation.ravel())
        return vs.RelativePose(se3.inverse(current_T_desired), confidence=None, status=vs.PoseStatus.ACQUIRED)

    def _found(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        keypoints, described = self._features.detectAndCompute(image, None)
        return np.array([point.pt for point in keypoints]).reshape(-1, 2), described


camera = vs.PinholeCamera.from_field_of_view(480, 360, horizontal=1.0)
picture = cv2.resize(cv2.imread(sys.argv[1]), camera.size)


def seen(desired_T_current: np.ndarray) -> np.ndarray:
    """What a camera sees of the picture, which fills the view of the desired one."""
    inverse = se3.inverse(desired_T_current)
    plane = inverse[:3, :3] + np.outer(inverse[:3, 3], [0.0, 0.0, 1.0]) / DEPTH
    homography = camera.matrix @ plane @ camera.inverse_matrix
    return cv2.warpPerspective(picture, homography, camera.size, borderMode=cv2.BORDER_REFLECT)


estimator: vs.Estimator = FeatureEstimator()
estimator.set_reference(vs.Reference(seen(np.eye(4)), camera, DEPTH))
law = vs.PbvsLaw(gain=2.0)
place = se3.from_pose_vector([0.03, -0.02, -0.02, 0.05, -0.05, 0.2])
for step in range(60):
    pose = estimator.estimate(seen(place))
    if pose.is_lost:
        sys.exit('lost')
    place = place @ se3.exp(PERIOD * law(pose))
    metres, radians = se3.pose_error(place)
    print(f'{step * PERIOD:4.1f} s  {1e3 * metres:7.3f} mm  {np.degrees(radians):7.3f} deg')
    if metres < 5e-4 and radians < 2e-3:
        sys.exit(0)
sys.exit('not there')
