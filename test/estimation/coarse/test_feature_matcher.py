import numpy as np
import pytest

from cnn_vs_ros.estimation.coarse.feature_matcher import FeatureMatcher
from cnn_vs_ros.estimation.plane import ScenePlane
from cnn_vs_ros.estimation.pyramid import ImagePyramid
from cnn_vs_ros.geometry import se3
from test.scenes import CAMERA, DEPTH, drawn_texture, view

PLANE = ScenePlane(DEPTH)
OFFSET = se3.from_pose_vector([0.03, -0.02, 0.02, 0.2, -0.1, 1.2])


def pyramid(image):
    return ImagePyramid(image, CAMERA)


def test_features_find_the_pose_of_a_textured_scene():
    texture = drawn_texture()
    matcher = FeatureMatcher(pyramid(view(texture, np.eye(4), seed=1)), CAMERA, 320, 800)
    found = matcher.hypothesis(pyramid(view(texture, OFFSET, seed=2)), PLANE)
    translation, _ = se3.pose_error(se3.inverse(OFFSET) @ se3.inverse(found.current_T_desired))
    assert translation < 0.01


@pytest.mark.parametrize('image', [np.zeros((480, 640), np.uint8), view(drawn_texture(seed=50), OFFSET, seed=3)])
def test_no_pose_without_agreement(image):
    matcher = FeatureMatcher(pyramid(view(drawn_texture(), np.eye(4), seed=1)), CAMERA, 320, 800)
    assert matcher.hypothesis(pyramid(image), PLANE) is None


def test_a_reference_without_features_matches_nothing():
    matcher = FeatureMatcher(pyramid(np.full((480, 640), 90, np.uint8)), CAMERA, 320, 800)
    assert matcher.hypothesis(pyramid(view(drawn_texture(), OFFSET, seed=3)), PLANE) is None
