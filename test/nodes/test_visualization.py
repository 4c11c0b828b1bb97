from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from geometry_msgs.msg import PoseWithCovarianceStamped
from sensor_msgs.msg import CameraInfo, Image, JointState
from visualization_msgs.msg import MarkerArray

from cnn_vs_ros.benchmark import CAMERA
from cnn_vs_ros.control import DifferentialIk
from cnn_vs_ros.geometry import se3
from cnn_vs_ros.geometry.drawing import frustum
from cnn_vs_ros.nodes import messages
from cnn_vs_ros.simulation import load_robot_description
from test.ros_graph import Graph

URDF = load_robot_description()
KINEMATICS = DifferentialIk(URDF, 'camera_optical_frame')
Q = np.array([-0.24, -1.33, 1.83, -2.07, -1.57, 1.33])
DESIRED_T_CURRENT = se3.from_pose_vector([0.02, -0.01, 0.03, 0.1, -0.2, 0.3])
WORLD_T_CAMERA = KINEMATICS.pose(Q)


class View:
    """The node as a process, the graph it looks at, and what it draws."""

    def __init__(self, graph: Graph) -> None:
        self.graph, self.q = graph, Q
        self.markers = graph.listen(MarkerArray, 'visualization/markers')
        make = graph.node.create_publisher
        self.states, self.infos = make(JointState, 'joint_states', 1), make(CameraInfo, 'camera_info', 1)
        self.poses = make(PoseWithCovarianceStamped, 'relative_pose', 1)
        self.images = make(Image, 'pose_estimator/debug_image', 1)
        self.process = graph.start('visualization', robot_description=URDF)

    def speak(self) -> None:
        self.states.publish(JointState(name=KINEMATICS.joint_names, position=list(map(float, self.q))))
        self.infos.publish(messages.camera_to_message(CAMERA, self.graph.now(), 'camera_optical_frame'))
        message = PoseWithCovarianceStamped()
        message.header.stamp = self.graph.now()
        message.pose.pose = messages.pose_to_message(DESIRED_T_CURRENT)
        self.poses.publish(message)

    def marker(self, name: str):
        newest = self.markers[-1].markers if self.markers else []
        return next((marker for marker in newest if marker.ns == name), None)


@pytest.fixture(scope='module')
def view(tmp_path_factory):
    graph = Graph(tmp_path_factory.mktemp('visualization'))
    view = View(graph)
    graph.spin_until(lambda: view.marker('desired'), 'the frustum of the desired camera', view.speak)
    yield view
    assert view.process.end() == 0
    assert 'Traceback' not in view.process.output
    graph.close()


def test_draws_the_frusta_where_the_cameras_are(view):
    for name, expected in (
        ('current', WORLD_T_CAMERA),
        ('desired', WORLD_T_CAMERA @ se3.inverse(DESIRED_T_CURRENT)),
    ):
        marker = view.marker(name)
        assert marker.header.frame_id == 'world'
        np.testing.assert_allclose(messages.pose_from_message(marker.pose), expected, atol=1e-6)
        points = [(point.x, point.y, point.z) for point in marker.points]
        np.testing.assert_allclose(points, frustum(CAMERA, 0.08), atol=1e-9)


def test_draws_the_path_of_the_camera(view):
    def move() -> None:
        view.q = view.q + np.array([0.002, 0, 0, 0, 0, 0])
        view.speak()

    view.graph.spin_until(lambda: (marker := view.marker('path')) and len(marker.points) > 5, 'the path', move)
    view.graph.spin_until(
        lambda: np.allclose(_last(view.marker('path')), KINEMATICS.pose(view.q)[:3, 3], atol=6e-4),
        'its end',
        view.speak,
    )
    np.testing.assert_allclose(_first(view.marker('path')), WORLD_T_CAMERA[:3, 3], atol=1e-6)


def test_takes_the_debug_image_apart_while_someone_looks(view):
    view.graph.spin(0.3)
    assert view.images.get_subscription_count() == 0
    received = {
        part: view.graph.listen(Image, f'visualization/{part}_image') for part in ('desired', 'difference')
    }
    image = np.random.default_rng(0).integers(0, 255, (48, 192, 3), dtype=np.uint8)

    def send() -> None:
        view.images.publish(messages.image_to_message(image, view.graph.now(), 'camera_optical_frame'))

    view.graph.spin_until(lambda: all(received.values()), 'both images', send)
    for part, columns in (('desired', slice(64, 128)), ('difference', slice(128, 192))):
        np.testing.assert_array_equal(messages.image_from_message(received[part][-1]), image[:, columns])
        assert received[part][-1].header.frame_id == 'camera_optical_frame'


@pytest.mark.skipif(importlib.util.find_spec('tf2_msgs') is None, reason='tf2_msgs is part of a ROS installation')
def test_sends_the_desired_camera_to_tf(view):
    from tf2_msgs.msg import TFMessage

    received = view.graph.listen(TFMessage, '/tf', 100)
    view.q = Q
    for _ in range(10):
        view.speak()
        view.graph.spin(0.05)
    received.clear()
    view.graph.spin_until(lambda: received, 'a transform', view.speak)
    (transform,) = received[-1].transforms
    assert (transform.header.frame_id, transform.child_frame_id) == ('world', 'desired_camera_optical_frame')
    translation = transform.transform.translation
    expected = WORLD_T_CAMERA @ se3.inverse(DESIRED_T_CURRENT)
    np.testing.assert_allclose((translation.x, translation.y, translation.z), expected[:3, 3], atol=1e-6)


@pytest.mark.skipif(importlib.util.find_spec('tf2_msgs') is not None, reason='tf2_msgs is installed')
def test_without_tf2_msgs_it_says_so_and_goes_on(view):
    assert 'that needs the package tf2_msgs' in view.process.output


def _first(marker) -> tuple:
    return marker.points[0].x, marker.points[0].y, marker.points[0].z


def _last(marker) -> tuple:
    return marker.points[-1].x, marker.points[-1].y, marker.points[-1].z
