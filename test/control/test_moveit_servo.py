from __future__ import annotations

import numpy as np
import pytest

from cnn_vs_ros.control import ServoStatus
from cnn_vs_ros.control.differential_ik import DifferentialIk
from cnn_vs_ros.control.moveit_servo import (
    SILENCE,
    ServoCode,
    ServoLink,
    meaning,
    rigid_transform,
    twist_of_end_effector,
)
from cnn_vs_ros.errors import DescriptionError, PoseError
from cnn_vs_ros.geometry import se3
from cnn_vs_ros.simulation import load_robot_description

URDF = load_robot_description()
TWIST = np.array([0.02, -0.01, 0.03, 0.05, -0.1, 0.08])
Q = np.array([0.3, -1.2, 1.7, -2.0, -1.4, 0.8])


def test_the_mount_is_that_of_the_kinematics():
    expected = se3.inverse(DifferentialIk(URDF, 'tool0').pose(Q)) @ DifferentialIk(
        URDF, 'camera_optical_frame'
    ).pose(Q)
    np.testing.assert_allclose(rigid_transform(URDF, 'tool0', 'camera_optical_frame'), expected, atol=1e-12)


def test_both_twists_are_of_the_same_motion():
    tool_T_camera = rigid_transform(URDF, 'tool0', 'camera_optical_frame')
    tool_twist = twist_of_end_effector(tool_T_camera, TWIST)
    # Moving the tool by its twist moves the camera by its own.
    np.testing.assert_allclose(se3.exp(tool_twist) @ tool_T_camera, tool_T_camera @ se3.exp(TWIST), atol=1e-12)
    tool = DifferentialIk(URDF, 'tool0', hard_stop_singularity_threshold=1e6, lower_singularity_threshold=1e5)
    camera = DifferentialIk(
        URDF, 'camera_optical_frame', hard_stop_singularity_threshold=1e6, lower_singularity_threshold=1e5
    )
    np.testing.assert_allclose(tool.joint_velocities(Q, tool_twist), camera.joint_velocities(Q, TWIST), atol=1e-9)


def test_the_lever_arm_counts():
    tool_T_camera = rigid_transform(URDF, 'tool0', 'camera_optical_frame')
    turned = np.kron(np.eye(2), tool_T_camera[:3, :3]) @ TWIST  # what Servo would make of it
    assert np.linalg.norm(twist_of_end_effector(tool_T_camera, TWIST) - turned) > 1e-3


@pytest.mark.parametrize('twist', [np.full(6, np.nan), np.zeros(5)])
def test_a_twist_that_is_none_is_refused(twist):
    with pytest.raises(PoseError):
        twist_of_end_effector(np.eye(4), twist)


def test_links_that_are_not_fixed_to_one_another_are_refused():
    with pytest.raises(DescriptionError, match='camera_optical_frame should be fixed to forearm_link'):
        rigid_transform(URDF, 'forearm_link', 'camera_optical_frame')
    with pytest.raises(DescriptionError, match='should have the link nose'):
        rigid_transform(URDF, 'tool0', 'nose')
    with pytest.raises(DescriptionError, match='not even XML'):
        rigid_transform('<robot', 'tool0', 'nose')


def test_every_code_has_a_word_and_a_reason():
    words = {code: meaning(code)[0] for code in ServoCode}
    assert words[ServoCode.INVALID] is ServoStatus.ERROR
    assert words[ServoCode.NO_WARNING] is ServoStatus.SERVOING
    halts = {ServoCode.HALT_FOR_SINGULARITY, ServoCode.HALT_FOR_COLLISION, ServoCode.JOINT_BOUND}
    assert {code for code, word in words.items() if word is ServoStatus.LIMITED} == halts
    assert len({meaning(code)[1] for code in ServoCode}) == len(ServoCode)
    assert meaning(42, 'All is lost') == (
        ServoStatus.ERROR,
        'MoveIt Servo says All is lost with the unknown code 42',
    )


class TestLink:
    def ready(self) -> ServoLink:
        link = ServoLink(status_timeout=1.0)
        link.hear(0, '', 10.0)
        link.set_up()
        return link

    def test_waits_for_servo_then_wants_to_be_set_up_then_sends(self):
        link = ServoLink(1.0)
        assert link.status(0.0)[0] is ServoStatus.STALE
        assert not link.wants_setup(0.0)
        link.hear(0, '', 10.0)
        assert link.wants_setup(10.0)
        assert not link.may_send(False, 10.0)
        assert link.status(10.0)[0] is ServoStatus.IDLE
        link.set_up()
        assert link.may_send(False, 10.5)
        assert not link.wants_setup(10.5)
        assert link.status(10.5)[0] is ServoStatus.SERVOING

    def test_a_refusal_is_said_and_tried_again(self):
        link = ServoLink(1.0)
        link.hear(0, '', 10.0)
        link.set_up('no')
        assert not link.may_send(False, 10.0)
        assert link.status(10.0) == (ServoStatus.ERROR, 'no')
        assert link.wants_setup(10.0)

    def test_silence_stops_and_sets_up_anew(self):
        link = self.ready()
        assert not link.may_send(False, 11.5)
        assert link.status(11.5)[0] is ServoStatus.STALE
        link.hear(0, '', 12.0)
        assert not link.may_send(False, 12.0)
        assert link.wants_setup(12.0)

    def test_a_clock_that_jumps_back_counts_as_silence(self):
        assert not self.ready().may_send(False, 9.0)

    def test_a_pause_stops_and_sets_up_anew(self):
        link = self.ready()
        link.pause(True)
        assert not link.may_send(False, 10.1)
        assert not link.wants_setup(10.1)
        assert link.status(10.1)[0] is ServoStatus.STOPPED
        link.pause(False)
        link.hear(0, '', 10.2)
        assert link.wants_setup(10.2)

    def test_a_lost_arm_is_left_alone_until_the_twists_were_zero_and_servo_has_taken_it_up(self):
        link = self.ready()
        link.lose('elbow_joint is elsewhere', 10.1)
        for now in np.arange(10.2, 12.0, 0.1):  # twists go on: nobody has noticed yet
            link.hear(0, '', now)
            assert not link.may_send(False, now)
            assert link.status(now) == (ServoStatus.STOPPED, 'elbow_joint is elsewhere')
        assert not link.may_send(True, 12.0)
        link.hear(0, '', 12.3)
        assert link.may_send(True, 12.3)
        assert link.status(12.3)[0] is ServoStatus.SERVOING
        link.lose('elbow_joint is elsewhere', 12.4)
        for now in np.arange(12.4, 12.4 + SILENCE - 0.05, 0.1):
            link.hear(0, '', now)
            assert not link.may_send(True, now)
        assert link.may_send(True, 12.4 + SILENCE)

    def test_a_pause_lets_servo_take_up_a_lost_arm(self):
        link = self.ready()
        link.lose('elbow_joint is elsewhere', 10.1)
        link.pause(True)
        link.pause(False)
        link.set_up()
        assert link.may_send(False, 10.3)

    def test_joint_states_that_cease_stop_the_arm_until_they_come_again(self):
        link = self.ready()
        link.hear_states(10.0)
        sent = [link.may_send(False, now) for now in np.arange(10.05, 10.7, 0.1)]
        assert sent == [True] * 5 + [False] * 2
        assert link.status(10.75) == (ServoStatus.STALE, 'joint_states should come every 0.5 s but do not')
        link.hear_states(10.8)
        assert link.may_send(False, 10.8)

    def test_a_stall_of_the_own_process_is_not_one_of_the_arm(self):
        link = self.ready()
        link.hear_states(10.0)
        assert link.may_send(False, 10.1)
        link.hear(0, '', 10.9)
        assert link.may_send(False, 10.9)  # the joint states of the stall still wait

    def test_says_what_servo_says(self):
        link = self.ready()
        link.hear(ServoCode.HALT_FOR_COLLISION, '', 10.2)
        assert link.status(10.2) == (ServoStatus.LIMITED, 'halted: about to collide')
        assert link.may_send(False, 10.2)
