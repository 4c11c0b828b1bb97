from __future__ import annotations

import numpy as np
import pytest

from cnn_vs_ros.control.differential_ik import DifferentialIk
from cnn_vs_ros.errors import DescriptionError
from cnn_vs_ros.geometry import se3
from cnn_vs_ros.simulation import load_robot_description
from cnn_vs_ros.simulation.description import joint_limits

JOINTS = [
    'shoulder_pan_joint',
    'shoulder_lift_joint',
    'elbow_joint',
    'wrist_1_joint',
    'wrist_2_joint',
    'wrist_3_joint',
]
Q = np.array([0.3, -1.2, 1.7, -2.0, -1.4, 0.8])


def test_the_arm_has_six_limited_joints():
    limits = joint_limits(load_robot_description())
    assert [limit.name for limit in limits] == JOINTS
    assert all(limit.lower < 0 < limit.upper and limit.velocity > 0 and limit.effort > 0 for limit in limits)


def test_the_flange_is_where_the_denavit_hartenberg_figures_put_it():
    d = (0.1625, 0, 0, 0.1333, 0.0997, 0.0996)
    a = (0, -0.425, -0.3922, 0, 0, 0)
    alpha = (np.pi / 2, 0, 0, np.pi / 2, -np.pi / 2, 0)
    expected = se3.transform(se3.rotation_exp((0, 0, np.pi)), (0, 0, 0))
    for theta, d_i, a_i, alpha_i in zip(Q, d, a, alpha, strict=True):
        expected = expected @ se3.transform(se3.rotation_exp((0, 0, theta)), (0, 0, d_i))
        expected = expected @ se3.transform(se3.rotation_exp((alpha_i, 0, 0)), (a_i, 0, 0))
    np.testing.assert_allclose(DifferentialIk(load_robot_description(), 'tool0').pose(Q), expected, atol=1e-9)


def test_the_optical_frame_is_turned_from_the_camera_body_as_rep_103_says():
    urdf = load_robot_description()
    base_T_body = DifferentialIk(urdf, 'camera_link').pose(Q)
    base_T_optical = DifferentialIk(urdf, 'camera_optical_frame').pose(Q)
    # z is the body's x (forward), x its -y (right), y its -z (down).
    expected = base_T_body[:3, :3] @ np.array([[0, 0, 1], [-1, 0, 0], [0, -1, 0]])
    np.testing.assert_allclose(base_T_optical[:3, :3], expected, atol=1e-9)
    np.testing.assert_allclose(base_T_optical[:3, 3], base_T_body[:3, 3], atol=1e-12)


def test_the_camera_mount_is_an_argument():
    urdf = load_robot_description(camera_xyz='0.1 0.02 0.05', camera_rpy='0 0 0')
    base_T_tool = DifferentialIk(urdf, 'tool0').pose(Q)
    tool_T_camera = se3.inverse(base_T_tool) @ DifferentialIk(urdf, 'camera_link').pose(Q)
    np.testing.assert_allclose(tool_T_camera, se3.transform(np.eye(3), (0.1, 0.02, 0.05)), atol=1e-12)


def test_ros2_control_is_an_argument():
    assert '<ros2_control' not in load_robot_description()
    described = load_robot_description(ros2_control=True)
    assert all(described.count(f'<joint name="{name}">') == 1 for name in JOINTS)
    assert described.count('<command_interface name="velocity"/>') == len(JOINTS)


def test_an_unknown_argument_is_refused():
    with pytest.raises(DescriptionError, match=r'takes the xacro arguments camera_rpy, .* but got camera_yaw'):
        load_robot_description(camera_yaw=1)


def test_a_bad_file_is_refused(tmp_path):
    with pytest.raises(DescriptionError, match='there is none at'):
        load_robot_description(tmp_path / 'absent.xacro')
    broken = tmp_path / 'broken.xacro'
    broken.write_text('<robot')
    with pytest.raises(DescriptionError, match=r'broken\.xacro should be xacro but is not even XML'):
        load_robot_description(broken)
    broken.write_text('<robot xmlns:xacro="http://www.ros.org/wiki/xacro"><xacro:unheard_of/></robot>')
    with pytest.raises(DescriptionError, match='should be valid xacro but'):
        load_robot_description(broken)
    with pytest.raises(DescriptionError, match='should have a <robot> element but has <html>'):
        joint_limits('<html/>')
