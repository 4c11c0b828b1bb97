"""What a calibration has found, in the nodes that use it."""

from __future__ import annotations

import numpy as np
import pytest
import rclpy
import yaml
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image

from cnn_vs_ros.calibration.mount import FORMAT_VERSION, Mount
from cnn_vs_ros.errors import HandEyeError
from cnn_vs_ros.geometry import se3
from cnn_vs_ros.nodes.arm_listener import ArmListener
from cnn_vs_ros.nodes.pose_estimator import PoseEstimatorNode
from cnn_vs_ros.simulation.description import load_robot_description
from test.ros_graph import own_domain

MOUNT = se3.from_pose_vector([0.05, -0.03, 0.08, 0.4, -0.3, 1.9])


@pytest.fixture
def file(tmp_path):
    path = tmp_path / 'calibration.yaml'
    entries = {
        'format_version': FORMAT_VERSION,
        'flange_frame': 'tool0',
        'camera_frame': 'eye',
        'translation': MOUNT[:3, 3].tolist(),
        'quaternion_xyzw': [float(value) for value in se3.quaternion_xyzw(MOUNT[:3, :3])],
        'stamp_delay': 0.125,
    }
    path.write_text(yaml.safe_dump(entries))
    np.testing.assert_allclose(Mount.load(path).transform, MOUNT, atol=1e-12)
    return path


@pytest.fixture
def arguments(monkeypatch, tmp_path):
    """Begin with these parameters; the context ends by itself."""
    monkeypatch.setenv('ROS_HOME', str(tmp_path))

    def begin(**parameters):
        words = [word for name, value in parameters.items() for word in ('-p', f'{name}:={value}')]
        # Signals are left to the tests that send them: try_shutdown would not take the handlers off again.
        no_handlers = SignalHandlerOptions.NO
        rclpy.init(args=['--ros-args', *words], domain_id=domain, signal_handler_options=no_handlers)

    with own_domain() as domain:
        yield begin
        rclpy.try_shutdown()


def test_twists_may_be_of_a_camera_that_is_not_in_the_description(arguments, file):
    arguments(arm_calibration=file, tip_frame='eye')
    node = Node('listener')
    listener = ArmListener(node)
    listener._take_description(load_robot_description())
    links = listener.kinematics.link_poses(np.full(6, 0.3))
    np.testing.assert_allclose(listener.kinematics.pose(np.full(6, 0.3)), links['tool0'] @ MOUNT, atol=1e-9)
    node.destroy_node()


def test_the_delay_of_the_stamps_is_taken_off(arguments, file):
    arguments(arm_calibration=file, autostart='false')
    node = PoseEstimatorNode()
    assert node.trigger_configure() is TransitionCallbackReturn.SUCCESS
    image = Image()
    image.header.stamp.sec = 10
    node._on_image(image)
    assert (image.header.stamp.sec, image.header.stamp.nanosec) == (9, 875000000)
    node.destroy_node()


def test_a_file_that_is_no_calibration_is_refused(arguments, tmp_path):
    arguments(arm_calibration=tmp_path / 'none.yaml')
    node = Node('listener')
    with pytest.raises(HandEyeError, match=r'none\.yaml'):
        ArmListener(node)
    node.destroy_node()
