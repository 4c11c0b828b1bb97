"""A gripper in every image, the reference included, that the reference's mask leaves out."""

import cv2
import numpy as np
import pytest

from cnn_vs_ros.estimation import PoseEstimator, Reference
from cnn_vs_ros.geometry import se3
from test.scenes import CAMERA, DEPTH, drawn_texture, view

TEXTURE = drawn_texture(0)
GRIPPER = drawn_texture(9)[: CAMERA.height, : CAMERA.width]
MASK = cv2.fillPoly(
    np.full(GRIPPER.shape, 255, np.uint8), [np.array([[160, 480], [220, 190], [420, 190], [480, 480]])], 0
)


def picture(desired_T_current, seed, gripper=GRIPPER):
    return np.where(MASK, view(TEXTURE, desired_T_current, seed=seed), gripper)


@pytest.fixture(scope='module')
def masked():
    estimator = PoseEstimator.load()
    estimator.set_reference(Reference(picture(np.eye(4), 1), CAMERA, DEPTH, mask=MASK))
    return estimator


@pytest.mark.parametrize(
    'vector',
    [[0.03, -0.02, 0.03, 0.05, 0.1, 0.5], [-0.05, 0.02, 0, 0, 0.1, 1.4], [0.004, -0.003, 0.005, 0, 0, 0.05]],
)
def test_the_pose_is_that_of_the_scene_and_not_of_the_gripper(masked, vector):
    masked.reset()
    masked.forget_scene()
    truth = se3.from_pose_vector(vector)
    poses = [masked.estimate(picture(truth, seed)) for seed in (2, 3)]
    translation, rotation = se3.pose_error(se3.inverse(truth) @ poses[-1].transform)
    assert translation < 0.001
    assert rotation < np.radians(0.2)
    assert poses[-1].confidence > 0.5


def test_nothing_hangs_on_what_the_gripper_looks_like(masked):
    truth = se3.from_pose_vector([0.02, -0.01, 0.02, 0.05, 0.1, 0.3])
    poses = []
    for gripper in (0, 255, GRIPPER):
        masked.reset()
        masked.forget_scene()
        poses.append(masked.estimate(picture(truth, 2, np.uint8(gripper))).transform)
    np.testing.assert_array_equal(poses[0], poses[2])
    np.testing.assert_array_equal(poses[1], poses[2])
