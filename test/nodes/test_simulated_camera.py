"""simulated_camera over DDS: an arm elsewhere, here a publisher of joint states with a gripper among them."""

from __future__ import annotations

import time

import numpy as np
import rclpy
from geometry_msgs.msg import PoseStamped
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, Image, JointState
from std_msgs.msg import String

from cnn_vs_ros.control import DifferentialIk
from cnn_vs_ros.nodes import messages
from cnn_vs_ros.nodes.simulated_camera import SimulatedCamera
from cnn_vs_ros.simulation import SimulatedRobot, load_robot_description
from test.ros_graph import LATCHED, PATIENCE, Graph, in_own_domain


def test_images_are_those_of_the_joint_states(tmp_path):
    urdf = load_robot_description()
    kinematics = DifferentialIk(urdf, 'camera_optical_frame')
    robot = SimulatedRobot('prints', urdf=urdf, noise=0.0)
    robot.move_to_reference()
    expected = robot.render()
    graph = Graph(tmp_path)
    try:
        images = graph.listen(Image, 'image_raw', qos_profile_sensor_data)
        infos = graph.listen(CameraInfo, 'camera_info', qos_profile_sensor_data)
        truths = graph.listen(PoseStamped, 'ground_truth')
        node = graph.start('simulated_camera', scene='prints', noise=0.0, image_rate=20.0)
        description = graph.node.create_publisher(String, 'robot_description', LATCHED)
        states = graph.node.create_publisher(JointState, 'joint_states', 10)
        description.publish(String(data=urdf))
        positions = robot.joint_positions

        def send() -> None:
            state = JointState(name=[*robot.joint_names, 'gripper'], position=[*positions, 0.02])
            state.header.stamp = graph.now()
            states.publish(state)

        graph.spin_until(lambda: 'scene prints' in node.output, 'the scene', send)
        graph.spin_until(lambda: len(images) > 2, 'images', send)
        found = messages.image_from_message(images[-1])
        assert images[-1].header.frame_id == 'camera_optical_frame'
        np.testing.assert_allclose(found.astype(float), expected.astype(float), atol=2)
        assert messages.camera_from_message(infos[-1]) == robot.camera

        positions = positions + np.array([0.05, 0, 0, 0, 0, 0])
        pose = kinematics.pose(positions)

        def arrived() -> bool:
            return np.allclose(messages.pose_from_message(truths[-1].pose), pose, atol=1e-6)

        graph.spin_until(arrived, 'the moved arm', send)
        count = len(images)
        graph.spin(0.6)  # no joint states: no images, rather than ones that say that the arm stands
        stale = len(images)
        graph.spin(0.5)
        assert stale - count <= 6
        assert len(images) == stale
        assert 'no image: joint_states should come' in node.output
    finally:
        graph.close()
        robot.close()


def test_draws_the_newest_joint_state_and_stamps_it_as_of_before_drawing(monkeypatch):
    """As on a busy computer, where drawing takes longer than a period and joint states wait meanwhile."""
    urdf = load_robot_description()
    drawn: list[int] = []
    render = SimulatedRobot.render

    def slow_render(robot: SimulatedRobot) -> np.ndarray:
        drawn.append(node.get_clock().now().nanoseconds)
        return render(robot)

    monkeypatch.setattr(SimulatedRobot, 'render', slow_render)
    with in_own_domain('-p', 'image_rate:=0.1'):
        node, others = SimulatedCamera(), rclpy.create_node('others')
        truths: list[PoseStamped] = []
        others.create_subscription(PoseStamped, 'ground_truth', truths.append, 10)
        description = others.create_publisher(String, 'robot_description', LATCHED)
        states = others.create_publisher(JointState, 'joint_states', 10)
        description.publish(String(data=urdf))
        kinematics = DifferentialIk(urdf, 'camera_optical_frame')
        end = time.monotonic() + PATIENCE
        while not (node.knows_the_arm and states.get_subscription_count()) and time.monotonic() < end:
            rclpy.spin_once(node, timeout_sec=0.05)
        positions = np.full(6, -1.0)
        for _ in range(20):
            positions = positions + 0.002
            states.publish(JointState(name=kinematics.joint_names, position=positions))
        # The executor of the node gets no turn.
        newest = kinematics.pose(positions)
        while not (truths and np.allclose(messages.pose_from_message(truths[-1].pose), newest, atol=1e-6)):
            assert time.monotonic() < end, 'the newest joint state should have been drawn'
            node.publish_image()
            rclpy.spin_once(others, timeout_sec=0.05)
        assert messages.seconds(truths[-1].header.stamp) <= 1e-9 * drawn[-1]
        node.shut_down()
        node.destroy_node()
        others.destroy_node()
