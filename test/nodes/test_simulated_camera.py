"""simulated_camera over DDS: an arm elsewhere, here a publisher of joint states with a gripper among them."""

from __future__ import annotations

import numpy as np
from geometry_msgs.msg import PoseStamped
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, Image, JointState
from std_msgs.msg import String

from cnn_vs_ros.control import DifferentialIk
from cnn_vs_ros.nodes import messages
from cnn_vs_ros.simulation import SimulatedRobot, load_robot_description
from test.ros_graph import LATCHED, Graph

DOMAIN = 94


def test_images_are_those_of_the_joint_states(tmp_path):
    urdf = load_robot_description()
    kinematics = DifferentialIk(urdf, 'camera_optical_frame')
    robot = SimulatedRobot('prints', urdf=urdf, noise=0.0)
    robot.move_to_reference()
    expected = robot.render()
    graph = Graph(DOMAIN, tmp_path)
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
