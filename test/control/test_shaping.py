from __future__ import annotations

import numpy as np
import pytest

from cnn_vs_ros.control import DemandShaping
from cnn_vs_ros.errors import ParameterError
from cnn_vs_ros.geometry import se3

POSE = se3.from_pose_vector([0.01, -0.02, 0.03, 0.1, -0.2, 0.05])
TWIST = np.array([0.1, 0.2, -0.1, 0.3, -0.2, 0.1])


def test_by_default_the_twist_is_left_as_it_is():
    np.testing.assert_array_equal(DemandShaping()(TWIST, POSE, 0.0), TWIST)


def test_masked_components_do_not_move_and_the_others_do_as_before():
    mask = [True, False, True, True, False, True]
    twist = DemandShaping(mask)(TWIST, POSE, 1.0)
    np.testing.assert_array_equal(twist, np.where(mask, TWIST, 0.0))


def test_the_error_is_in_the_axes_of_the_current_camera_without_the_masked_components():
    mask = np.array([True, True, False, False, True, True])
    rotation = POSE[:3, :3]
    expected = np.concatenate([rotation.T @ POSE[:3, 3], se3.rotation_log(rotation)])
    np.testing.assert_allclose(DemandShaping(mask).error(POSE), mask * expected, atol=1e-12)


@pytest.mark.parametrize(
    ('translation', 'rotation', 'moves'), [(0.04, 0.25, False), (0.03, 0.25, True), (0.04, 0.2, True)]
)
def test_nothing_moves_within_both_deadbands_only(translation, rotation, moves):
    twist = DemandShaping(deadband_translation=translation, deadband_rotation=rotation)(TWIST, POSE, 1.0)
    assert twist.any() == moves


def test_the_speed_falls_in_proportion_to_the_confidence_down_to_a_tenth():
    shaping = DemandShaping(full_speed_confidence=0.8)
    for confidence, part in ((1.0, 1.0), (0.8, 1.0), (0.4, 0.5), (0.2, 0.25), (0.0, 0.1)):
        np.testing.assert_allclose(shaping(TWIST, POSE, confidence), part * TWIST, atol=1e-15)


def test_values_without_meaning_are_refused():
    for mask in ([True] * 5, [False] * 6):
        with pytest.raises(ParameterError, match='six booleans'):
            DemandShaping(mask)
    with pytest.raises(ParameterError, match='zero or more'):
        DemandShaping(deadband_translation=-1.0)
    with pytest.raises(ParameterError, match='within 0 to 1'):
        DemandShaping(full_speed_confidence=1.5)
