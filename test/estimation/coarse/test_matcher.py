"""The matcher with the shipped network: what it finds, and how finely."""

import numpy as np
import pytest

from cnn_vs_ros.estimation.coarse.matcher import MatcherNetwork, ReferenceMatcher
from cnn_vs_ros.estimation.model_file import load_model
from cnn_vs_ros.estimation.plane import ScenePlane
from cnn_vs_ros.estimation.pyramid import ImagePyramid
from cnn_vs_ros.geometry import se3
from test.scenes import CAMERA, DEPTH, drawn_texture, view

PLANE = ScenePlane(DEPTH)
WIDTH = 160
CELL = 8 * DEPTH / (CAMERA.fx * WIDTH / CAMERA.width)  # metres of the scene that a cell of the grid spans


@pytest.fixture(scope='module')
def network():
    return MatcherNetwork(load_model('scene_agnostic'))


@pytest.fixture(scope='module')
def matcher(network):
    return ReferenceMatcher(network, ImagePyramid(view(drawn_texture(), np.eye(4), seed=1), CAMERA), CAMERA, WIDTH)


def hypothesis(matcher, desired_T_current):
    image = ImagePyramid(view(drawn_texture(), desired_T_current, seed=2), CAMERA)
    return next(matcher.hypotheses(matcher.matches(image), PLANE))


@pytest.mark.parametrize('cells', [(0.32, 0.0), (-0.32, 0.3), (0.0, -0.35)])
def test_a_shift_is_found_to_a_fraction_of_a_cell(matcher, cells):
    """All matches of whole cells would say that nothing moved."""
    shift = np.array([*cells, 0, 0, 0, 0]) * CELL
    found = hypothesis(matcher, se3.from_pose_vector(shift))
    # Where the middle of the view is shown: a shift and a turn are not told apart by it.
    middle = found.current_T_desired @ (0, 0, DEPTH, 1)
    miss = middle[:2] / middle[2] * DEPTH / CELL + cells
    assert np.abs(miss).max() < 0.2
