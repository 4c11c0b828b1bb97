"""What no twist leaves the servo task without."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cnn_vs_ros.control import ExitSettings, Move, TwistExit, TwistLimits, Workspace
from cnn_vs_ros.errors import ParameterError
from cnn_vs_ros.geometry import se3

POSE = se3.from_pose_vector([0.01, -0.02, 0.03, 0.1, -0.2, 0.05])
TWIST = np.array([0.1, 0.2, -0.1, 0.3, -0.2, 0.1])
FREE = ExitSettings()
LIMITS = TwistLimits(0.2, 1.0, 1.0, 4.0, 1.0, 4.0)
PERIOD = 0.02


@pytest.mark.parametrize('to_goal', [True, False])
def test_by_default_the_twist_is_left_as_it_is(to_goal):
    np.testing.assert_array_equal(TwistExit(FREE)(Move(TWIST, POSE, to_goal), PERIOD), TWIST)


@pytest.mark.parametrize('to_goal', [True, False])
def test_masked_components_do_not_move_and_the_others_do_as_before(to_goal):
    mask = (True, False, True, True, False, True)
    twist = TwistExit(replace(FREE, mask=mask))(Move(TWIST, POSE, to_goal), PERIOD)
    np.testing.assert_array_equal(twist, np.where(mask, TWIST, 0.0))


def test_the_error_is_in_the_axes_of_the_current_camera_without_the_masked_components():
    mask = (True, True, False, False, True, True)
    rotation = POSE[:3, :3]
    expected = np.concatenate([rotation.T @ POSE[:3, 3], se3.rotation_log(rotation)])
    np.testing.assert_allclose(replace(FREE, mask=mask).error(POSE), np.array(mask) * expected, atol=1e-12)


@pytest.mark.parametrize(
    ('translation', 'rotation', 'moves'), [(0.04, 0.25, False), (0.03, 0.25, True), (0.04, 0.2, True)]
)
def test_nothing_moves_to_the_goal_within_both_deadbands_only(translation, rotation, moves):
    settings = replace(FREE, deadband_translation=translation, deadband_rotation=rotation)
    assert TwistExit(settings)(Move(TWIST, POSE), PERIOD).any() == moves
    assert TwistExit(settings)(Move(TWIST, POSE, to_goal=False), PERIOD).any()


def test_a_bound_counts_for_where_a_stop_would_end():
    for settings, bound in (
        (ExitSettings(LIMITS, workspace=Workspace([0.1, 1.0, 1.0])), 0.1),
        (ExitSettings(LIMITS, travel=0.1), 0.1),
        (ExitSettings(LIMITS, turn=0.5), 0.5),
    ):
        leave, pose, turned = TwistExit(settings), np.eye(4), 0.0
        said, twist = [], np.zeros(6)
        for _ in range(200):
            twist = leave(Move(np.array([0.2, 0, 0, 0, 0, 1.0]), pose, to_goal=False), PERIOD)
            said.append(leave.violation)
            pose = pose @ se3.exp(PERIOD * twist)
            turned += PERIOD * twist[5]
        reached = turned if settings.turn < 1 else pose[0, 3]
        assert any(said)
        assert reached <= bound + 1e-9
        if settings.travel < 1 or settings.turn < 1:
            assert reached > 0.8 * bound


def test_after_a_gap_the_next_twist_starts_from_zero():
    leave = TwistExit(ExitSettings(LIMITS))
    for _ in range(50):
        leave(Move(TWIST, None), PERIOD)
    twist = leave(Move(TWIST, None), 0.2)
    assert np.linalg.norm(twist[:3]) <= 0.04 * 1.0 + 1e-12


def test_retuning_keeps_the_motion():
    leave = TwistExit(ExitSettings(LIMITS))
    for _ in range(50):
        before = leave(Move(TWIST, None), PERIOD)
    leave.retune(replace(leave.settings, limits=replace(LIMITS, linear=0.05)))
    twist = leave(Move(TWIST, None), PERIOD)
    assert 0.05 < np.linalg.norm(twist[:3]) < np.linalg.norm(before[:3])


def test_values_without_meaning_are_refused():
    for mask in ((True,) * 5, (False,) * 6):
        with pytest.raises(ParameterError, match='six booleans'):
            ExitSettings(mask=mask)
    with pytest.raises(ParameterError, match='zero or more'):
        ExitSettings(deadband_translation=-1.0)
    with pytest.raises(ParameterError, match='should be positive'):
        ExitSettings(travel=0.0)
