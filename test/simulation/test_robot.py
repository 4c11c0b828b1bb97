from __future__ import annotations

import numpy as np
import pytest

from cnn_vs_ros.control.differential_ik import DifferentialIk
from cnn_vs_ros.errors import DescriptionError
from cnn_vs_ros.geometry import se3
from cnn_vs_ros.simulation import SimulatedRobot, SimulationError, load_robot_description
from cnn_vs_ros.simulation.starts import world_T_reference


@pytest.fixture(scope='module')
def robot() -> SimulatedRobot:
    return SimulatedRobot('low_texture')


@pytest.fixture(scope='module')
def ik() -> DifferentialIk:
    return DifferentialIk(load_robot_description())


@pytest.mark.parametrize('seed', range(5))
def test_mujoco_and_pinocchio_agree_where_the_camera_is(robot, ik, seed):
    q = np.random.default_rng(seed).uniform(-2.5, 2.5, 6)
    robot.set_joint_positions(q)
    np.testing.assert_allclose(robot.world_T_camera, ik.pose(q), atol=1e-9)


def test_the_arm_stands_still_against_gravity(robot):
    robot.move_to_reference()
    before = robot.world_T_camera
    robot.step(1.0)
    np.testing.assert_allclose(robot.world_T_camera, before, atol=1e-8)


@pytest.mark.parametrize('speed', [0.02, 0.5])
def test_joints_follow_the_commanded_velocity(robot, speed):
    robot.move_to_reference()
    start, velocities = robot.joint_positions, speed * np.array([1, -1, 1, -1, 1, -1])
    robot.command_velocity(velocities)
    robot.step(0.5)
    np.testing.assert_allclose(robot.joint_velocities, velocities, atol=0.02 * speed)
    robot.command_velocity(np.zeros(6))
    robot.step(0.5)
    # Where the drives come to rest is the integral of the command.
    np.testing.assert_allclose(robot.joint_positions - start, 0.5 * velocities, atol=1e-4)


def test_a_twist_of_the_camera_moves_it_as_told(robot, ik):
    robot.move_to_reference()
    before, twist = robot.world_T_camera, np.array([0.01, -0.02, 0.015, 0.05, -0.03, 0.1])
    for _ in range(100):
        robot.command_velocity(ik.joint_velocities(robot.joint_positions, twist))
        robot.step(0.01)
    robot.command_velocity(np.zeros(6))
    robot.step(0.5)
    moved = se3.log(se3.inverse(before) @ robot.world_T_camera)
    np.testing.assert_allclose(moved, twist, atol=1e-3)


def test_a_position_loop_ends_where_it_is_told_to_the_micrometre(robot, ik):
    robot.move_to_start(5, 1)
    for _ in range(1000):
        error = se3.log(se3.inverse(robot.world_T_camera) @ world_T_reference)
        robot.command_velocity(ik.joint_velocities(robot.joint_positions, 2.0 * error))
        robot.step(0.01)
    distance, angle = se3.pose_error(se3.inverse(robot.world_T_camera) @ world_T_reference)
    assert distance < 1e-6
    assert angle < 1e-6


def test_the_commanded_velocity_is_clipped_at_the_limits(robot):
    robot.move_to_reference()
    robot.command_velocity([100, 0, 0, 0, 0, 0])
    robot.step(0.3)
    assert robot.joint_velocities[0] == pytest.approx(np.pi, rel=1e-2)


def test_a_joint_stops_at_its_limit_and_comes_back_at_once(robot):
    robot.set_joint_positions([0, -1.5, 1.5, -1.5, -1.5, 6.2])
    robot.command_velocity([0, 0, 0, 0, 0, 2.0])
    robot.step(1.0)
    assert robot.joint_positions[5] < 2 * np.pi + 0.01
    robot.command_velocity([0, 0, 0, 0, 0, -1.0])
    robot.step(0.5)
    assert robot.joint_positions[5] < 2 * np.pi - 0.3


def test_time_is_that_of_the_steps(robot):
    before = robot.time
    robot.step(0.01)
    robot.step()
    assert robot.time - before == pytest.approx(0.012)


def test_bad_input_is_refused_and_changes_nothing(robot):
    robot.move_to_reference()
    before = robot.joint_positions
    with pytest.raises(SimulationError, match=r'joint velocities should be a vector of shape \(6,\) but got'):
        robot.command_velocity(np.zeros(5))
    with pytest.raises(SimulationError, match='joint velocities should be finite'):
        robot.command_velocity([0, 0, 0, 0, 0, np.nan])
    with pytest.raises(SimulationError, match='elbow_joint should be in'):
        robot.set_joint_positions([0, 0, 4, 0, 0, 0])
    with pytest.raises(SimulationError, match='should be in reach of the arm but is not'):
        robot.move_camera_to(se3.transform(np.eye(3), (2.0, 0, 0.3)))
    with pytest.raises(SimulationError, match='clear of the table but it would touch it'):
        robot.move_camera_to(world_T_reference @ se3.transform(np.eye(3), (0, 0, 0.26)))
    np.testing.assert_array_equal(robot.joint_positions, before)


def test_unknown_scenes_and_useless_descriptions_are_refused():
    with pytest.raises(SimulationError, match=r"scene should be one of photo, .* but is 'moon'"):
        SimulatedRobot('moon')
    with pytest.raises(DescriptionError, match='revolute joints but has none'):
        SimulatedRobot(urdf='<robot name="r"><link name="base_link"/></robot>')
    urdf = load_robot_description().replace('camera_optical_frame', 'other_frame')
    with pytest.raises(DescriptionError, match='should have the link camera_optical_frame'):
        SimulatedRobot(urdf=urdf)
