import numpy as np
import pytest
from rclpy.serialization import serialize_message
from rclpy.time import Time
from sensor_msgs.msg import JointState

from cnn_vs_ros.bags import BagWriter
from cnn_vs_ros.control import DifferentialIk
from cnn_vs_ros.errors import HandEyeError
from cnn_vs_ros.geometry import se3
from cnn_vs_ros.nodes import messages
from cnn_vs_ros.nodes.recording_of_bag import recording_of_bag
from cnn_vs_ros.simulation.description import load_robot_description
from test.scenes import CAMERA

URDF = load_robot_description()
KINEMATICS = DifferentialIk(URDF, 'tool0')
POSTURE = np.array([-0.24, -1.33, 1.83, -2.07, -1.57, 1.33])


def written(folder, joint_names):
    """A bag of a second: images at 10 Hz, joint states at 50 Hz."""
    writer = BagWriter(folder)
    kinds = {'image_raw': 'Image', 'camera_info': 'CameraInfo', 'joint_states': 'JointState'}
    for name, kind in kinds.items():
        writer.add_topic(f'/{name}', f'sensor_msgs/msg/{kind}', reliable=False, latched=False)
    for index in range(50):
        time = 10**9 + 20_000_000 * index
        stamp = Time(nanoseconds=time).to_msg()
        state = JointState(name=joint_names, position=(POSTURE + 0.001 * index).tolist())
        state.header.stamp = stamp
        writer.write('/joint_states', time, serialize_message(state))
        if index % 5 == 0:
            image = np.full((CAMERA.height, CAMERA.width), index, np.uint8)
            writer.write(
                '/camera_info', time, serialize_message(messages.camera_to_message(CAMERA, stamp, 'camera'))
            )
            writer.write('/image_raw', time, serialize_message(messages.image_to_message(image, stamp, 'camera')))
    writer.close()
    return folder


def read(folder):
    names = {'flange': 'tool0', 'camera_frame': 'camera_optical_frame', 'image': 'image_raw'}
    return recording_of_bag(folder, URDF, depth=0.4, **names)


def test_a_bag_becomes_a_recording(tmp_path):
    recording = read(written(tmp_path / 'bag', KINEMATICS.joint_names))
    np.testing.assert_allclose(np.diff(recording.stamps), 0.2)
    assert [int(image[0, 0]) for image in recording.images] == [0, 10, 20, 30, 40]
    np.testing.assert_allclose(recording.arm.at([1.02])[0], KINEMATICS.pose(POSTURE + 0.001), atol=1e-9)
    assert recording.reference.camera == CAMERA
    links = KINEMATICS.link_poses(POSTURE)
    np.testing.assert_allclose(
        recording.mount, se3.inverse(links['tool0']) @ links['camera_optical_frame'], atol=1e-9
    )


def test_joint_states_of_another_arm_are_named(tmp_path):
    with pytest.raises(HandEyeError, match='but are of a, b, c, d, e, f: is it another arm'):
        read(written(tmp_path / 'bag', list('abcdef')))
