from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
import xacro

from cnn_vs_ros import frames
from cnn_vs_ros.benchmark import CAMERA
from cnn_vs_ros.control.differential_ik import DifferentialIk
from cnn_vs_ros.errors import DescriptionError
from cnn_vs_ros.geometry import PinholeCamera, se3
from cnn_vs_ros.resources import resource_path
from cnn_vs_ros.simulation import SimulatedRobot, load_robot_description
from cnn_vs_ros.simulation.description import joint_limits
from cnn_vs_ros.simulation.starts import reference_joint_positions

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
    assert all(limit.lower < 0 < limit.upper and limit.velocity > 0 for limit in limits)


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


def test_the_simulator_and_the_inverse_kinematics_have_the_same_frames():
    urdf = load_robot_description()
    links = [link.get('name') for link in ElementTree.fromstring(urdf).iterfind('link')]
    robot, rng = SimulatedRobot(urdf=urdf), np.random.default_rng(5)
    limits = joint_limits(urdf)
    frames = {link: DifferentialIk(urdf, link) for link in links if link not in ('world', 'base_link')}
    assert robot.joint_names == JOINTS
    assert len(frames) > 8
    for _ in range(20):
        q = np.array([rng.uniform(limit.lower, limit.upper) for limit in limits])
        robot.set_joint_positions(q)
        for link, kinematics in frames.items():
            chain = [JOINTS.index(name) for name in kinematics.joint_names]
            np.testing.assert_allclose(robot.link_pose(link), kinematics.pose(q[chain]), atol=1e-9, err_msg=link)
    robot.close()


def described_camera(urdf: str) -> PinholeCamera:
    camera = ElementTree.fromstring(urdf).find('gazebo/sensor/camera')
    size = (int(camera.findtext(f'image/{name}')) for name in ('width', 'height'))
    intrinsics = (float(camera.findtext(f'lens/intrinsics/{name}')) for name in ('fx', 'fy', 'cx', 'cy'))
    return PinholeCamera(*size, *intrinsics)


def test_the_camera_of_the_description_is_the_simulators():
    urdf = load_robot_description()
    assert described_camera(urdf) == CAMERA
    camera = ElementTree.fromstring(urdf).find('gazebo/sensor/camera')
    # Gazebo renders by the projection, whose pixels it counts from the corner of the image.
    projection = {item.tag: float(item.text) for item in camera.find('lens/projection')}
    assert projection == {
        'p_fx': CAMERA.fx, 'p_fy': CAMERA.fy, 'p_cx': CAMERA.cx + 0.5, 'p_cy': CAMERA.cy + 0.5, 'tx': 0, 'ty': 0
    }  # fmt: skip
    assert np.tan(float(camera.findtext('horizontal_fov')) / 2) == pytest.approx(CAMERA.width / 2 / CAMERA.fx)
    assert camera.findtext('optical_frame_id') == frames.CAMERA


@pytest.mark.parametrize('hardware', ['none', 'mock', 'gazebo'])
@pytest.mark.parametrize(
    'camera',
    [
        {},
        {'camera_xyz': '0 0.1 0.02', 'camera_rpy': '0.1 -1.2 0.3'},
        {'camera_width': 320, 'camera_fx': 290.5, 'camera_rate': 15, 'camera_noise': 0},
    ],
)
def test_every_combination_of_arguments_expands(hardware, camera):
    urdf = load_robot_description(hardware=hardware, controllers_file='/some/controllers.yaml', **camera)
    assert [limit.name for limit in joint_limits(urdf)] == JOINTS
    assert described_camera(urdf).fx == camera.get('camera_fx', CAMERA.fx)
    assert DifferentialIk(urdf, frames.CAMERA).joint_names == JOINTS
    plugins = {
        'none': [],
        'mock': ['mock_components/GenericSystem'],
        'gazebo': ['gz_ros2_control/GazeboSimSystem'],
    }[hardware]
    robot = ElementTree.fromstring(urdf)
    assert [plugin.text for plugin in robot.iterfind('ros2_control/hardware/plugin')] == plugins
    for joint in robot.iterfind('ros2_control/joint'):
        assert [item.get('name') for item in joint.iterfind('command_interface')] == ['position', 'velocity']
        assert [item.get('name') for item in joint.iterfind('state_interface')] == ['position', 'velocity']
    in_gazebo = [item.findtext('parameters') for item in robot.iterfind('gazebo/plugin')]
    assert in_gazebo == (['/some/controllers.yaml'] if hardware == 'gazebo' else [])


def test_other_hardware_is_refused():
    with pytest.raises(DescriptionError, match='hardware should be none, mock or gazebo but is real'):
        load_robot_description(hardware='real')


@pytest.mark.parametrize('hardware', ['mock', 'gazebo'])
def test_the_hardware_starts_at_the_reference_pose(hardware):
    robot = ElementTree.fromstring(load_robot_description(hardware=hardware))
    values = {
        joint.get('name'): float(joint.findtext("state_interface[@name='position']/param"))
        for joint in robot.iterfind('ros2_control/joint')
    }
    assert list(values) == JOINTS
    expected = reference_joint_positions(DifferentialIk(load_robot_description(), frames.CAMERA))
    np.testing.assert_allclose(list(values.values()), expected, atol=1e-4)


def test_every_link_that_gazebo_keeps_has_an_inertia():
    robot = ElementTree.fromstring(load_robot_description(hardware='gazebo'))
    moved = {joint.find('child').get('link') for joint in robot.iterfind("joint[@type='revolute']")}
    inertial = {link.get('name') for link in robot.iterfind('link') if link.find('inertial') is not None}
    assert moved | {'base_link', 'camera_mount', 'camera_link'} <= inertial
    assert 'world' not in inertial
    for inertia in robot.iterfind('link/inertial/inertia'):
        ixx, iyy, izz = (float(inertia.get(name)) for name in ('ixx', 'iyy', 'izz'))
        assert min(ixx, iyy, izz) > 0
        assert ixx + iyy >= izz
        assert iyy + izz >= ixx
        assert ixx + izz >= iyy


def test_the_camera_goes_on_an_arm_that_another_file_describes(tmp_path):
    other = tmp_path / 'other.urdf.xacro'
    other.write_text(
        """<robot name="other" xmlns:xacro="http://www.ros.org/wiki/xacro">
        <xacro:arg name="length" default="1"/>
        <link name="base"/><link name="flange"/>
        <joint name="turn" type="revolute"><parent link="base"/><child link="flange"/><axis xyz="0 0 1"/>
        <origin xyz="0 0 $(arg length)"/><limit lower="-1" upper="1" effort="1" velocity="1"/></joint></robot>"""
    )
    values = {'arm_description': str(other), 'camera_parent': 'flange', 'length': '2', 'camera_xyz': '0 0 0.1'}
    urdf = xacro.process_file(str(resource_path('description/camera_on_arm.urdf.xacro')), mappings=values).toxml()
    kinematics = DifferentialIk(urdf, frames.CAMERA)
    assert kinematics.joint_names == ['turn']
    np.testing.assert_allclose(kinematics.pose([0.0])[:3, 3], (0, 0, 2.1), atol=1e-12)
    assert described_camera(urdf) == CAMERA


def test_an_unknown_argument_is_refused():
    with pytest.raises(DescriptionError, match=r'takes the xacro arguments .*camera_rpy, .* but got camera_yaw'):
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
