"""Where the camera of one picture is from that of another: two_images.py DESIRED CURRENT [DEPTH]. No ROS."""

import sys

import cv2

import cnn_vs_ros as vs

desired, current = (cv2.imread(path) for path in sys.argv[1:3])
depth = float(sys.argv[3]) if len(sys.argv) > 3 else 0.25  # of the scene in the desired picture, metres
height, width = desired.shape[:2]
camera = vs.PinholeCamera.from_field_of_view(width, height, horizontal=1.0)  # better: your calibration

estimator = vs.PoseEstimator.load('scene_agnostic')
estimator.set_reference(vs.Reference(desired, camera, depth))
pose = estimator.estimate(current)
millimetres, radians = 1e3 * pose.vector[:3], pose.vector[3:]
print(f'{pose.status.value}, confidence {pose.confidence:.2f}')
print(f'translation {millimetres.round(2)} mm, rotation {radians.round(4)} rad, in the desired camera')
sys.exit(0 if not pose.is_lost else 1)
