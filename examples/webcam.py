"""Follow the first image of a camera or video through the others: webcam.py [0 or VIDEO]. No ROS."""

import sys

import cv2

import cnn_vs_ros as vs

source = sys.argv[1] if len(sys.argv) > 1 else '0'
images = cv2.VideoCapture(int(source) if source.isdigit() else source)
there, image = images.read()
if not there:
    sys.exit(f'{source} gives no image')
height, width = image.shape[:2]
camera = vs.PinholeCamera.from_field_of_view(width, height, horizontal=1.0)  # better: your calibration
estimator = vs.PoseEstimator.load('scene_agnostic')
estimator.set_reference(vs.Reference(image, camera, depth=0.25))
while there:
    pose = estimator.estimate(image)
    print(f'{pose.status.value:9}', (1e3 * pose.vector[:3]).round(1), 'mm' if not pose.is_lost else '')
    there, image = images.read()
