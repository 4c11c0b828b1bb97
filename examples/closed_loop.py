"""Servo a drawn camera over a picture to its reference view, in one process: closed_loop.py PICTURE. No ROS."""

import sys

import cv2
import numpy as np

import cnn_vs_ros as vs
from cnn_vs_ros.geometry import se3

DEPTH, PERIOD = 0.25, 0.1  # metres from the camera to the picture, seconds from image to image
START = se3.from_pose_vector([0.03, -0.02, -0.02, 0.05, -0.05, 0.2])

camera = vs.PinholeCamera.from_field_of_view(480, 360, horizontal=1.0)
picture = cv2.resize(cv2.imread(sys.argv[1]), camera.size)


def seen(desired_T_current: np.ndarray) -> np.ndarray:
    """What a camera sees of the picture, which fills the view of the desired one."""
    inverse = se3.inverse(desired_T_current)
    plane = inverse[:3, :3] + np.outer(inverse[:3, 3], [0.0, 0.0, 1.0]) / DEPTH
    homography = camera.matrix @ plane @ camera.inverse_matrix
    return cv2.warpPerspective(picture, homography, camera.size, borderMode=cv2.BORDER_REFLECT)


estimator = vs.PoseEstimator.load('scene_agnostic')
estimator.set_reference(vs.Reference(seen(np.eye(4)), camera, DEPTH))
law = vs.PbvsLaw(gain=2.0)
place = START
for step in range(60):
    pose = estimator.estimate(seen(place))
    if pose.is_lost:
        sys.exit('lost')
    place = place @ se3.exp(PERIOD * law(pose))
    metres, radians = se3.pose_error(place)
    print(f'{step * PERIOD:4.1f} s  {1e3 * metres:7.3f} mm  {np.degrees(radians):7.3f} deg')
    if metres < 1e-4 and radians < 1e-3:
        sys.exit(0)
sys.exit('not there')
