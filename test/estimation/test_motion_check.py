"""Whether what is tracked turns as the camera is turned."""

from __future__ import annotations

import numpy as np
import pytest

from cnn_vs_ros.estimation.motion_check import MotionCheck
from cnn_vs_ros.geometry import se3

TURN = np.array([0.012, -0.008, 0.02])


def looked(seen: np.ndarray, sent: np.ndarray | None, images: int = 10) -> MotionCheck:
    """A check of a track that has turned by `seen` (4, 4) from image to image while `sent` (4, 4) was sent."""
    check = MotionCheck()
    pose = np.eye(4)
    check.add(pose)
    for _ in range(images):
        pose = se3.inverse(seen) @ pose
        check.send(sent)
        check.add(pose)
    return check


def turn(vector: np.ndarray) -> np.ndarray:
    return se3.from_pose_vector([0.01, 0.02, -0.01, *vector])


def test_a_scene_turns_as_the_camera_does():
    check = looked(turn(TURN), turn(TURN))
    assert not check.contradicts
    assert check.proves


@pytest.mark.parametrize('seen', [2.0 * TURN, TURN[[1, 0, 2]] * (-1, -1, -0.5) + 1.2 * TURN])
def test_a_mirror_image_and_a_pose_over_the_wrong_plane_do_not(seen):
    # The camera comes to rest in the end, so that no lag explains what is left.
    check = at_rest(looked(turn(seen), turn(TURN)), se3.inverse(np.linalg.matrix_power(turn(seen), 10)))
    assert check.contradicts
    assert not check.proves


def at_rest(check: MotionCheck, pose: np.ndarray, images: int = 3) -> MotionCheck:
    for _ in range(images):
        check.send(turn(1e-5 * TURN))
        check.add(pose)
    return check


def test_a_pose_that_is_off_and_put_right_is_no_contradiction():
    off, right = turn(np.array([0.0, 0.3, 0.3])), se3.inverse(np.linalg.matrix_power(turn(TURN), 10))
    check = at_rest(looked(turn(TURN), turn(TURN)), off @ right, images=2)
    assert not check.contradicts
    check = at_rest(check, right, images=1)
    assert not at_rest(check, off @ right, images=2).contradicts
    assert at_rest(check, off @ right).contradicts


@pytest.mark.parametrize('sign', [1.0, -1.0])
def test_without_a_turn_a_pose_that_wavers_is_no_contradiction(sign):
    """Of a turn that is nothing but rounding half of all others are in its direction."""
    off = turn(np.array([0.0, 0.03 * sign, 0.02]))
    check = MotionCheck()
    check.add(np.eye(4))
    for _ in range(5):
        check.send(turn(np.array([0.0, 1e-9, 0.0])))
        check.add(off)
    assert not check.contradicts


def test_a_hand_eye_calibration_that_is_off_by_some_degrees_is_no_contradiction():
    off = se3.rotation_exp(np.deg2rad(20.0) * np.array([0.0, 0.6, 0.8]))
    assert not looked(turn(off @ TURN), turn(TURN)).contradicts


def test_an_arm_that_does_not_follow_is_for_the_controller_to_tell():
    check = looked(np.eye(4), turn(TURN))
    assert not check.contradicts
    assert not check.proves


@pytest.mark.parametrize('sent', [None, np.eye(4)])
def test_without_a_motion_sent_others_may_move_the_camera(sent):
    check = looked(turn(2.0 * TURN), sent)
    assert not check.contradicts
    assert not check.proves


def test_where_the_camera_has_come_to_rest_no_lag_explains_what_is_left():
    fast = turn(np.array([np.deg2rad(8.0), 0.0, 0.0]))
    check = looked(fast, fast, images=1)
    proofs = []
    for _ in range(4):
        check.send(np.eye(4))
        check.add(se3.inverse(fast))
        proofs.append(check.proves)
    assert proofs == [False, False, True, False]  # then others may move it


FAST = np.array([np.deg2rad(8.0), 0.0, 0.0])


def test_fast_turns_that_are_seen_as_they_are_sent_prove_it_before_they_end():
    check = MotionCheck()
    check.send(turn(FAST))  # a track that begins while the camera turns
    check.add(np.eye(4))
    proofs = []
    for image in range(1, 5):
        check.send(turn(FAST))
        check.add(se3.inverse(turn(image * FAST)))
        proofs.append(check.proves)
    assert proofs == [False, False, True, True]


@pytest.mark.parametrize('lag', [0, 1, 2, 3])
def test_a_mirror_image_that_lags_behind_fast_turns_proves_nothing(lag):
    check = MotionCheck()
    check.add(np.eye(4))
    for image in range(1, 12):
        check.send(turn(FAST))
        check.add(se3.inverse(turn(2.0 * max(0, image - lag) * FAST)))
        assert not check.proves


def test_a_turn_that_an_arm_may_still_lag_behind_proves_nothing():
    fast, slow = turn(np.array([np.deg2rad(8.0), 0.0, 0.0])), turn(1e-3 * TURN)
    check = looked(fast, fast, images=1)
    assert not check.proves
    check.send(slow)
    check.add(se3.inverse(fast @ slow))
    assert check.proves
