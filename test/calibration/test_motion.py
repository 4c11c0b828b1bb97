import numpy as np
import pytest

from cnn_vs_ros.calibration.motion import (
    CalibrationMotion,
    MotionLimits,
    few_places,
    first_places,
    later_places,
)
from cnn_vs_ros.errors import HandEyeError, ParameterError
from cnn_vs_ros.geometry import se3

START = se3.from_pose_vector([0.5, 0.1, 0.3, 3.0, 0.2, -0.1])
LIMITS = MotionLimits()
MOUNT = se3.from_pose_vector([0.05, -0.02, 0.1, 0.3, 0.2, 1.0])
PERIOD = 0.02


class Arm:
    """An arm whose tip follows its twists exactly."""

    def __init__(self, places, limits=LIMITS):
        self.pose, self.now, self.twists, self.way = START, 10.0, [], []
        self.motion = CalibrationMotion(START, places, limits, self.now)

    def step(self, *, sees=True, obeys=True, push=np.zeros(6)):  # noqa: B008
        self.now += PERIOD
        if sees:
            self.motion.see(self.now)
        twist = self.motion.update(self.now, self.pose)
        self.pose = self.pose @ se3.exp(PERIOD * (twist * obeys + push))
        self.twists.append(twist)
        self.way.append(se3.inverse(START) @ self.pose)

    def run(self, **how):
        end = self.now + 120
        while not self.motion.finished:
            assert self.now < end
            self.step(**how)


def test_goes_to_all_places_and_back_within_a_minute_and_its_bounds():
    arm = Arm(first_places(LIMITS))
    arm.run()
    arm.motion.extend(later_places(LIMITS, MOUNT, 0.4), arm.now)
    arm.run()
    assert arm.now - 10.0 < 60.0
    assert max(se3.pose_error(arm.way[-1])) < 0.011
    twists = np.array(arm.twists)
    for part, speed, acceleration in (
        (np.s_[:, :3], LIMITS.linear_velocity, LIMITS.linear_acceleration),
        (np.s_[:, 3:], LIMITS.angular_velocity, LIMITS.angular_acceleration),
    ):
        assert np.linalg.norm(twists[part], axis=1).max() <= speed + 1e-9
        assert np.linalg.norm(np.diff(twists[part], axis=0), axis=1).max() <= acceleration * PERIOD + 1e-9


def test_the_first_places_are_small_and_turn_about_all_axes():
    turns = np.array([se3.pose_vector(place)[3:] for place in first_places(LIMITS)])
    assert np.linalg.matrix_rank(turns, tol=0.05) == 3
    assert np.linalg.norm(turns, axis=1).max() < 0.12


@pytest.mark.parametrize('depth', [0.2, 0.8])
@pytest.mark.parametrize('distance', [0.05, 0.12])
@pytest.mark.parametrize('flange_T_tip', [np.eye(4), MOUNT], ids=['flange', 'camera'])
def test_the_camera_keeps_looking_at_the_scene_and_neither_it_nor_the_flange_goes_too_far(
    depth, distance, flange_T_tip
):
    limits = MotionLimits(distance=distance)
    for place in later_places(limits, MOUNT, depth, flange_T_tip):
        flange = flange_T_tip @ place @ se3.inverse(flange_T_tip)
        camera = se3.inverse(MOUNT) @ flange @ MOUNT
        assert np.linalg.norm(flange[:3, 3]) <= distance + 1e-9
        assert np.linalg.norm(camera[:3, 3]) <= distance + 1e-9
        assert camera[2, 3] <= 1e-9  # no nearer
        ahead = se3.inverse(camera) @ (0, 0, depth, 1)
        assert np.abs(ahead[:2] / ahead[2]).max() < 0.3


@pytest.mark.parametrize('distance', [0.01, 0.12])
@pytest.mark.parametrize('flange_T_tip', [np.eye(4), MOUNT], ids=['flange', 'camera'])
def test_the_few_places_are_different_and_within_the_distance(distance, flange_T_tip):
    places = few_places(MotionLimits(distance=distance), MOUNT, flange_T_tip)
    for place in places:
        flange = flange_T_tip @ place @ se3.inverse(flange_T_tip)
        camera = se3.inverse(MOUNT) @ flange @ MOUNT
        assert 0.1 * distance < np.linalg.norm(flange[:3, 3]) <= distance + 1e-9
        assert np.linalg.norm(camera[:3, 3]) <= distance + 1e-9
    turns = np.array([se3.pose_vector(place)[3:] for place in places])
    assert np.linalg.matrix_rank(turns / np.linalg.norm(turns, axis=1)[:, None], tol=0.1) == 3


@pytest.mark.parametrize(
    ('how', 'sentence'),
    [
        ({'sees': False}, 'should be in view but was not found for 1 s'),
        ({'obeys': False}, 'does it follow the twists'),
        ({'push': np.array([0, 0, -0.1, 0, 0, 0])}, 'does something else move the arm'),
    ],
)
def test_trouble_ends_it_with_a_sentence(how, sentence):
    with pytest.raises(HandEyeError, match=sentence):
        Arm(first_places(LIMITS)).run(**how)


def test_a_clock_that_goes_backwards_ends_it():
    arm = Arm(first_places(LIMITS))
    arm.step()
    arm.now -= 5.0
    with pytest.raises(HandEyeError, match='clock'):
        arm.step()


def test_limits_have_to_be_positive():
    with pytest.raises(ParameterError, match='distance should be positive'):
        MotionLimits(distance=0.0)
