"""The matcher with the shipped network: what it finds, and how finely."""

import numpy as np
import pytest

from cnn_vs_ros.estimation.coarse.matcher import MatcherNetwork, ReferenceMatcher
from cnn_vs_ros.estimation.model_file import load_model
from cnn_vs_ros.estimation.plane import ScenePlane
from cnn_vs_ros.estimation.pyramid import ImagePyramid
from cnn_vs_ros.geometry import se3
from test.scenes import CAMERA, DEPTH, drawn_texture, tilted, view

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


@pytest.mark.parametrize(('around', 'roll'), [(0.3, 1.3), (1.9, -2.4)])
def test_an_oblique_view_is_matched_with_the_reference_as_it_looks_from_there(matcher, around, roll):
    """The copies of the reference, seen squarely, have half of these matches and less."""
    desired_T_current = tilted(45, around) @ se3.from_pose_vector([0, 0, 0, 0, 0, roll])
    assert hypothesis(matcher, desired_T_current).support > 110


def test_a_pose_of_ample_support_comes_before_it_is_matched_once_more(matcher):
    desired_T_current = se3.from_pose_vector([0.02, 0.01, 0.01, 0, 0, 0.1])
    matches = matcher.matches(ImagePyramid(view(drawn_texture(), desired_T_current, seed=2), CAMERA))[:1]
    matched_again = next(matcher.hypotheses(matches, PLANE))
    as_it_is, *others = matcher.hypotheses(matches, PLANE, ample_support=20.0)
    assert 20.0 < as_it_is.support != matched_again.support
    assert others[0].support == matched_again.support
    others = list(matcher.hypotheses(matches, PLANE, ample_support=as_it_is.support))
    assert others[0].support == matched_again.support


@pytest.mark.parametrize('roll', [0.0, 0.8, 1.6, 2.4, -3.1, -2.0, -1.2, -0.4])
def test_any_roll_is_found(matcher, roll):
    found = hypothesis(matcher, se3.from_pose_vector([0.02, 0.01, 0.01, 0, 0, roll]))
    turn = np.arctan2(found.current_T_desired[1, 0], found.current_T_desired[0, 0])
    assert abs(np.angle(np.exp(1j * (turn + roll)))) < np.deg2rad(3)


def test_another_scene_has_no_support(matcher):
    other = ImagePyramid(view(drawn_texture(seed=50), np.eye(4), seed=3), CAMERA)
    assert list(matcher.hypotheses(matcher.matches(other), PLANE, least_support=7.0)) == []
