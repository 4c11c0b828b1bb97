from __future__ import annotations

import time

import numpy as np
import pytest
import rclpy
from geometry_msgs.msg import TwistStamped
from lifecycle_msgs.srv import GetState
from sensor_msgs.msg import CameraInfo, Image, JointState
from std_msgs.msg import String
from std_srvs.srv import Trigger

from cnn_vs_ros.control import DifferentialIk
from cnn_vs_ros.estimation import Reference
from cnn_vs_ros.geometry import PinholeCamera, se3
from cnn_vs_ros.nodes import messages
from cnn_vs_ros.simulation.description import load_robot_description
from test.ros_graph import LATCHED, Graph
from test.scenes import DEPTH, drawn_texture, view

URDF = load_robot_description()
IK = DifferentialIk(URDF, 'camera_optical_frame')
POSTURE = np.array([-0.24, -1.33, 1.83, -2.07, -1.57, 1.33])
CAMERA = PinholeCamera(320, 240, 300.0, 300.0, 159.5, 119.5)
ASSUMED = 1.0
SPEED = 0.2


class Robot:
    """An arm that follows the twists before a drawn plane, and an estimator that has a reference of it."""

    def __init__(self, graph: Graph, folder) -> None:
        self.graph, self.folder = graph, folder
        self.texture = drawn_texture()
        self.base_T_desired = IK.pose(POSTURE)
        Reference(view(self.texture, np.eye(4), 0, CAMERA), CAMERA, ASSUMED).save(folder)
        self.estimator = rclpy.create_node('pose_estimator', namespace=graph.namespace, context=graph.context)
        folder_publisher = self.estimator.create_publisher(String, '~/reference_folder', LATCHED)
        folder_publisher.publish(String(data=str(folder)))
        self.estimator.create_service(Trigger, '~/load_reference', self._on_load)
        graph._executor.add_node(self.estimator)
        self.twists = graph.listen(TwistStamped, 'twist', 50)
        self.states = graph.node.create_publisher(JointState, 'joint_states', 10)
        self.images = graph.node.create_publisher(Image, 'image_raw', 1)
        self.infos = graph.node.create_publisher(CameraInfo, 'camera_info', 1)
        self.reset()

    def reset(self) -> None:
        self.positions = POSTURE.copy()
        self.loaded, self.sees, self.feels = 0, True, True
        self._then, self._pictured = time.monotonic(), 0.0
        self.twists.clear()
        Reference(view(self.texture, np.eye(4), 0, CAMERA), CAMERA, ASSUMED).save(self.folder)

    @property
    def twist(self) -> np.ndarray:
        return messages.twist_from_message(self.twists[-1].twist) if self.twists else np.zeros(6)

    def live(self) -> None:
        now = time.monotonic()
        # Like hardware that watches for commands, it does not run on when this process stalls.
        elapsed = min(now - self._then, 0.05)
        self.positions = self.positions + IK.joint_velocities(self.positions, self.twist) * elapsed
        self._then = now
        stamp = self.graph.now()
        if self.feels:
            state = JointState(name=IK.joint_names, position=self.positions.tolist())
            state.header.stamp = stamp
            self.states.publish(state)
        if self.sees and now - self._pictured > 0.15:
            self._pictured = now
            image = view(self.texture, se3.inverse(self.base_T_desired) @ IK.pose(self.positions), 1, CAMERA)
            self.infos.publish(messages.camera_to_message(CAMERA, stamp, ''))
            self.images.publish(messages.image_to_message(image, stamp, ''))

    def ask(self, what: str, until=lambda: None):
        """Answer of a service, with `until` called 30 times a second meanwhile."""

        def each() -> None:
            self.live()
            until()

        return self.graph.call(Trigger, f'calibrate/{what}', each=each, patience=60.0)

    def _on_load(self, _, response):
        self.loaded += 1
        response.success = True
        return response


@pytest.fixture(scope='module')
def graph(tmp_path_factory):
    graph = Graph(tmp_path_factory.mktemp('calibrate'))
    yield graph
    graph.close()


@pytest.fixture(scope='module')
def node(graph):
    graph.start('pbvs_controller')
    limits = {'linear_velocity': SPEED, 'angular_velocity': 0.8, 'linear_acceleration': 2.0}
    more = {'angle': 0.2, 'distance': 0.06, 'rest': 0.05, 'lost_timeout': 3.0, 'joint_state_timeout': 3.0}
    node = graph.start('calibrate', robot_description=URDF, angular_acceleration=8.0, **limits, **more)
    yield node
    assert 'Traceback' not in node.output


@pytest.fixture(scope='module')
def the_robot(graph, node, tmp_path_factory):
    robot = Robot(graph, tmp_path_factory.mktemp('reference') / 'here')
    graph.spin_until(robot.states.get_subscription_count, 'the subscription to joint_states')
    graph.spin_until(robot.images.get_subscription_count, 'the subscription to image_raw')
    return robot


@pytest.fixture
def robot(the_robot):
    the_robot.reset()
    for _ in range(10):
        the_robot.live()
        the_robot.graph.spin(1 / 30)
    return the_robot


def controller_state(graph: Graph) -> str:
    return graph.call(GetState, 'pbvs_controller/get_state').current_state.label


def test_the_depth_is_found_and_written_to_the_reference(robot, graph, node):
    answer = robot.ask('measure_depth')
    assert answer.success, answer.message
    reference = Reference.load(robot.folder)
    assert reference.depth == pytest.approx(DEPTH, rel=0.03)
    assert reference.depth_sigma < 0.01
    assert np.degrees(np.arccos(reference.plane.unit_normal[2])) < 3.0
    assert robot.loaded == 1
    assert 'measure_depth: 3 turns and shifts of the flange' in node.output
    assert controller_state(graph) == 'active'
    twists = np.array([messages.twist_from_message(message.twist) for message in robot.twists])
    assert 0.2 * SPEED < np.linalg.norm(twists[:, :3], axis=1).max() <= SPEED + 1e-9
    assert not twists[-1].any()


@pytest.mark.parametrize(
    ('sense', 'sentence'), [('sees', 'images should come but ceased'), ('feels', 'joint_states should come')]
)
def test_trouble_on_the_way_stops_the_arm_and_leaves_the_reference(robot, graph, sense, sentence):
    def fail_in_motion() -> None:
        if np.linalg.norm(robot.twist[:3]) > 0.2 * SPEED:
            setattr(robot, sense, False)

    answer = robot.ask('check', fail_in_motion)
    assert not answer.success
    assert sentence in answer.message
    assert Reference.load(robot.folder).depth == ASSUMED
    assert robot.loaded == 0
    graph.spin_until(lambda: not robot.twist.any(), 'zeros')
    assert controller_state(graph) == 'active'


def test_a_scene_without_texture_is_refused_before_anything_moves(robot, graph):
    flat = np.full((CAMERA.height, CAMERA.width), 110, np.uint8)
    Reference(flat, CAMERA, ASSUMED).save(robot.folder)
    answer = robot.ask('calibrate')
    assert not answer.success
    assert 'put something with texture in view' in answer.message
    assert not any(messages.twist_from_message(message.twist).any() for message in robot.twists)
    assert controller_state(graph) == 'active'


def test_it_can_be_stopped(robot, graph):
    stop = graph.node.create_client(Trigger, 'calibrate/stop')
    graph.spin_until(stop.service_is_ready, 'the service')

    def stop_in_motion() -> None:
        if np.linalg.norm(robot.twist[:3]) > 0.2 * SPEED:
            stop.call_async(Trigger.Request())

    answer = robot.ask('calibrate', stop_in_motion)
    assert not answer.success
    assert 'was told to stop' in answer.message


def test_sigint_in_motion_leaves_zeros_and_the_controller_as_it_was(robot, graph, node):
    client = graph.node.create_client(Trigger, 'calibrate/check')
    graph.spin_until(client.service_is_ready, 'the service')
    graph.spin(0.3)
    client.call_async(Trigger.Request())
    graph.spin_until(lambda: np.linalg.norm(robot.twist[:3]) > 0.2 * SPEED, 'motion', robot.live)
    assert node.end() == 0
    graph.spin_until(lambda: not robot.twist.any(), 'zeros')
    graph.spin_until(lambda: controller_state(graph) == 'active', 'the controller')


@pytest.mark.parametrize('topic', ['twist', 'arm/twist'])
def test_another_publisher_of_twists_is_refused(tmp_path, topic):
    graph = Graph(tmp_path)
    try:
        graph.node.create_publisher(TwistStamped, topic, 1)
        graph.start('calibrate', {'twist': topic}, robot_description=URDF)
        robot = Robot(graph, tmp_path / 'reference')
        graph.spin_until(robot.images.get_subscription_count, 'the subscription to image_raw')
        answer = robot.ask('check')
        assert not answer.success
        assert 'no other node than pbvs_controller should publish twist' in answer.message
    finally:
        graph.close()
