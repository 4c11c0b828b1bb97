"""The wiggle on arms that are right, wired the wrong way round, mounted askew, or late."""

from __future__ import annotations

import json
from collections import deque

import numpy as np
import pytest

from cnn_vs_ros.arm_check.finding import Level
from cnn_vs_ros.arm_check.page import ArmCheck
from cnn_vs_ros.arm_check.survey import JointStateSurvey
from cnn_vs_ros.arm_check.wiggle import Wiggle
from cnn_vs_ros.control import DifferentialIk
from cnn_vs_ros.errors import ArmError
from cnn_vs_ros.geometry import se3
from cnn_vs_ros.simulation import load_robot_description

KINEMATICS = DifferentialIk(load_robot_description(), 'camera_optical_frame')
Q = np.array([-0.24, -1.33, 1.83, -2.07, -1.57, 1.33])
PERIOD = 0.02
QUARTER = se3.from_pose_vector([0, 0, 0, 0, 0, np.pi / 2])


class Arm:
    """Joints that follow their commands `delay` seconds later, by the signs given, with a camera on a mount."""

    def __init__(self, signs=1.0, delay=0.0, described_T_camera=None, scale=1.0) -> None:
        self.q, self.signs, self.scale = Q.copy(), signs, scale
        self.described_T_camera = np.eye(4) if described_T_camera is None else described_T_camera
        self.waiting = deque([np.zeros(6)] * round(delay / PERIOD))
        self.noise = np.random.default_rng(0)

    def step(self, twist) -> None:
        self.waiting.append(np.linalg.solve(KINEMATICS.jacobian(self.q), twist))
        self.q = self.q + PERIOD * self.signs * self.waiting.popleft()

    @property
    def base_T_camera(self):
        return KINEMATICS.pose(self.q + 1e-5 * self.noise.standard_normal(6))

    @property
    def estimate(self):
        """Pose of the camera that images tell, relative to where it would be at Q."""
        desired = KINEMATICS.pose(Q) @ self.described_T_camera
        moved = se3.inverse(desired) @ KINEMATICS.pose(self.q) @ self.described_T_camera
        return se3.transform(moved[:3, :3], self.scale * moved[:3, 3])


def checked(arm: Arm, seen: bool = True, held_up: tuple[tuple[float, float], ...] = ()) -> ArmCheck:
    """Wiggle the arm to the end, and return the page; it tells and follows nothing while it is held up."""
    wiggle, now, told, greatest, pose = Wiggle(), 0.0, 0.0, 0.0, arm.base_T_camera
    while not wiggle.finished:
        is_held_up = any(begin < now < end for begin, end in held_up)
        if not is_held_up:
            told, pose = now, arm.base_T_camera
        twist = wiggle.update(now, pose, now - told)
        if not is_held_up:
            arm.step(twist)
        now += PERIOD
        if seen:
            wiggle.see(now, arm.estimate)
        greatest = max(greatest, se3.pose_error(se3.inverse(KINEMATICS.pose(Q)) @ KINEMATICS.pose(arm.q))[0])
    assert greatest < 0.006
    survey = JointStateSurvey(KINEMATICS.joint_names, KINEMATICS.lower, KINEMATICS.upper, 0.2)
    for time in np.arange(0.0, 1.0, 0.01):
        survey.take(KINEMATICS.joint_names, Q, [], time, time)
    return ArmCheck(survey, command_order=KINEMATICS.joint_names, controller='/c', records=wiggle.records)


def said(page: ArmCheck, level: Level) -> str:
    return '\n'.join(item.sentence for item in page.findings() if item.level is level)


def test_a_right_arm_passes_and_ends_where_it_began():
    arm = Arm()
    page = checked(arm)
    assert page.passed
    assert page.findings() == []
    assert se3.pose_error(se3.inverse(KINEMATICS.pose(Q)) @ KINEMATICS.pose(arm.q))[0] < 5e-5
    assert len(page.records) == 6
    for record in page.records:
        for response in (record.by_joints(), record.by_images()):
            assert response.gain == pytest.approx(1.0, abs=0.05)
            assert response.angle < 0.03
            assert response.delay < 0.05
            assert response.direction == '+' + 'xyz'[record.axis % 3]


def test_the_page_says_the_same_to_people_and_to_programs():
    page = checked(Arm(), seen=False)
    values = json.loads(json.dumps(page.as_values()))
    assert values['passed'] is True
    assert [axis['axis'] for axis in values['axes']] == [
        'along x', 'along y', 'along z', 'about x', 'about y', 'about z',
    ]  # fmt: skip
    assert values['axes'][0]['images'] is None
    assert values['mount_error'] is None
    text = page.text()
    assert 'along x' in text
    assert '100.0' in text
    assert text.endswith('passed')


def test_an_inverted_joint_is_told_by_the_joints():
    page = checked(Arm(signs=np.array([-1.0, 1, 1, 1, 1, 1])))
    assert not page.passed
    assert 'order and signs of the joints' in said(page, Level.PROBLEM)


def test_a_mount_that_is_turned_is_told_by_the_images_and_measured():
    page = checked(Arm(described_T_camera=QUARTER))
    assert not page.passed
    problems = said(page, Level.PROBLEM)
    assert 'commanded along x, the images went -y' in problems
    assert 'the joints went' not in problems
    np.testing.assert_allclose(page.mount_error, [0, 0, np.pi / 2], atol=0.02)


def test_a_late_arm_is_told_with_its_delay():
    page = checked(Arm(delay=0.2))
    assert page.passed
    assert 'later: lower gain.at_zero' in said(page, Level.WARNING)
    assert page.records[0].by_joints().delay == pytest.approx(0.2, abs=0.03)
    assert not checked(Arm(delay=0.4), seen=False).passed


def test_an_arm_that_does_not_move_and_a_wrong_depth_are_told():
    assert 'is the controller active' in said(checked(Arm(signs=0.0)), Level.PROBLEM)
    page = checked(Arm(scale=0.5))
    assert 'the images went 50 % of the way' in said(page, Level.WARNING)


def test_a_motion_that_was_interrupted_is_made_again_and_three_times_at_most():
    """A page said that the joints went 0 % of the way along x: the computer had been busy meanwhile."""
    for held_up in ((0.6, 1.4), (2.1, 3.1), (8.0, 8.5)):
        assert checked(Arm(), held_up=(held_up,)).findings() == []
    page = checked(Arm(), held_up=((0.6, 1.4), (4.1, 4.9), (5.6, 6.4)))
    assert [item.level for item in page.findings()] == [Level.PROBLEM]
    assert 'along x nothing was sent, or nothing came of the joints, for 0.82 s' in said(page, Level.PROBLEM)
    assert len(page.records) == 6


def test_an_arm_that_runs_away_ends_it():
    wiggle = Wiggle()
    wiggle.update(0.0, KINEMATICS.pose(Q))
    with pytest.raises(ArmError, match=r'is 7\.0 mm'):
        wiggle.update(0.02, KINEMATICS.pose(Q) @ se3.from_pose_vector([0.007, 0, 0, 0, 0, 0]))
