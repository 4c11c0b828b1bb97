from __future__ import annotations

import time

import numpy as np
import pytest
import rclpy
from geometry_msgs.msg import PoseWithCovarianceStamped, TwistStamped
from lifecycle_msgs.srv import GetState
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from std_srvs.srv import Trigger

from cnn_vs_ros.control import DifferentialIk
from cnn_vs_ros.estimation import Reference, ScenePlane
from cnn_vs_ros.geometry import RelativePose, se3
from cnn_vs_ros.nodes import messages
from cnn_vs_ros.simulation.description import load_robot_description
from test.ros_graph import LATCHED, Graph
from test.scenes import CAMERA

DOMAIN = 97
URDF = load_robot_description()
IK = DifferentialIk(URDF, 'camera_optical_frame')
POSTURE = np.array([-0.24, -1.33, 1.83, -2.07, -1.57, 1.33])
DEPTH, ASSUMED = 0.4, 1.0
SPEED = 0.06


class Robot:
    """An arm that follows the twists, and the estimates of an estimator that assumes another depth.

    On loading it keeps in the folder what it learned of the plane, as pose_estimator does.
    """

    def __init__(self, graph: Graph, folder) -> None:
        self.graph, self.folder = graph, folder
        image = np.random.default_rng(0).integers(0, 255, (CAMERA.height, CAMERA.width), dtype=np.uint8)
        Reference(image, CAMERA, ASSUMED).save(folder)
        self.estimator = rclpy.create_node('pose_estimator', namespace=graph.namespace, context=graph.context)
        folder_publisher = self.estimator.create_publisher(String, '~/reference_folder', LATCHED)
        folder_publisher.publish(String(data=str(folder)))
        self.estimator.create_service(Trigger, '~/load_reference', self._on_load)
        graph._executor.add_node(self.estimator)
        self.twists = graph.listen(TwistStamped, 'twist', 50)
        self.states = graph.node.create_publisher(JointState, 'joint_states', 1)
        self.poses = graph.node.create_publisher(PoseWithCovarianceStamped, 'relative_pose', 10)
        self.reset()

    def reset(self) -> None:
        self.positions = POSTURE.copy()
        self.base_T_desired = IK.pose(POSTURE) @ se3.from_pose_vector([0.01, 0.02, 0, 0.02, 0, 0.3])
        self.loaded, self.sees, self.feels = 0, True, True
        self.learned: ScenePlane | None = None
        self._then = time.monotonic()
        self.twists.clear()
        Reference(Reference.load(self.folder).image, CAMERA, ASSUMED).save(self.folder)

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
            self.states.publish(JointState(name=IK.joint_names, position=self.positions.tolist()))
        if self.sees:
            transform = se3.inverse(self.base_T_desired) @ IK.pose(self.positions)
            transform[:3, 3] *= ASSUMED / DEPTH
            message = PoseWithCovarianceStamped()
            message.header.stamp = stamp
            message.pose = messages.relative_pose_to_message(RelativePose(transform, np.eye(6) * 1e-9))
            self.poses.publish(message)

    def ask(self, until=lambda: None):
        """Answer of the service, with `until` called 30 times a second meanwhile."""

        def each() -> None:
            self.live()
            until()

        return self.graph.call(Trigger, 'calibrate_depth/calibrate', each=each)

    def _on_load(self, _, response):
        self.loaded += 1
        if self.learned is not None:
            Reference.load(self.folder).of_plane(self.learned).save(self.folder)
        response.success = True
        return response


@pytest.fixture(scope='module')
def graph(tmp_path_factory):
    graph = Graph(DOMAIN, tmp_path_factory.mktemp('calibrate_depth'))
    yield graph
    graph.close()


@pytest.fixture(scope='module')
def node(graph):
    graph.start('pbvs_controller')
    limits = {'distance': 0.01, 'linear_velocity': SPEED, 'linear_acceleration': 0.5}
    waits = {'settle_time': 0.1, 'samples': 3, 'lost_timeout': 1.5, 'joint_state_timeout': 1.0}
    node = graph.start('calibrate_depth', robot_description=URDF, **limits, **waits)
    yield node
    assert 'Traceback' not in node.output


@pytest.fixture(scope='module')
def the_robot(graph, node, tmp_path_factory):
    robot = Robot(graph, tmp_path_factory.mktemp('reference') / 'here')
    graph.spin_until(robot.states.get_subscription_count, 'the subscription to joint_states')
    graph.spin_until(lambda: robot.poses.get_subscription_count() == 2, 'the subscriptions to relative_pose')
    return robot


@pytest.fixture
def robot(the_robot):
    the_robot.reset()
    for _ in range(10):
        the_robot.live()
        the_robot.graph.spin(1 / 30)
    return the_robot


def controller_state(graph) -> str:
    return graph.call(GetState, 'pbvs_controller/get_state').current_state.label


def test_finds_depth_and_orientation_writes_them_and_has_them_loaded(robot, graph):
    robot.learned = ScenePlane.with_normal(ASSUMED, (np.tan(np.radians(20.0)), 0.0, 1.0), np.radians(2.0))
    graph.spin_until(lambda: controller_state(graph) == 'active', 'the controller')
    answer = robot.ask()
    assert answer.success, answer.message
    reference = Reference.load(robot.folder)
    # The poses of this fake lag by up to a period of 1/30 s while it moves, and not at rest.
    assert reference.depth == pytest.approx(DEPTH, rel=5e-3)
    assert 0 < reference.depth_sigma < 0.01 * DEPTH
    assert f'depth {reference.depth:.4f} m, standard deviation' in answer.message
    assert 'normal 20.0 degrees from the optical axis, standard deviation 2.0 degrees' in answer.message
    np.testing.assert_allclose(reference.plane.slope, robot.learned.slope)
    assert robot.loaded == 1
    assert controller_state(graph) == 'active'
    twists = np.array([messages.twist_from_message(message.twist) for message in robot.twists])
    assert 0.5 * SPEED < np.linalg.norm(twists[:, :3], axis=1).max() <= SPEED + 1e-9
    assert not twists[-1].any()


@pytest.mark.parametrize(
    ('sense', 'sentence'), [('sees', 'was not found for 1.5 s'), ('feels', 'joint_states should come')]
)
def test_trouble_on_the_way_stops_the_arm_and_leaves_the_reference(robot, graph, sense, sentence):
    def fail_in_motion() -> None:
        if np.linalg.norm(robot.twist) > 0.5 * SPEED:
            setattr(robot, sense, False)

    answer = robot.ask(fail_in_motion)
    assert not answer.success
    assert sentence in answer.message
    assert Reference.load(robot.folder).depth == ASSUMED
    assert robot.loaded == 0
    graph.spin_until(lambda: not robot.twist.any(), 'zeros')
    assert controller_state(graph) == 'active'


def test_sigint_in_motion_leaves_zeros_and_the_controller_as_it_was(robot, graph, node):
    client = graph.node.create_client(Trigger, 'calibrate_depth/calibrate')
    graph.spin_until(client.service_is_ready, 'the service')
    graph.spin(0.3)
    client.call_async(Trigger.Request())
    graph.spin_until(lambda: np.linalg.norm(robot.twist) > 0.5 * SPEED, 'motion', robot.live)
    assert node.end() == 0
    graph.spin_until(lambda: not robot.twist.any(), 'zeros')
    graph.spin_until(lambda: controller_state(graph) == 'active', 'the controller')


def test_another_publisher_of_twists_is_refused(tmp_path):
    graph = Graph(DOMAIN - 1, tmp_path)
    try:
        graph.node.create_publisher(TwistStamped, 'twist', 1)
        graph.start('calibrate_depth', robot_description=URDF)
        robot = Robot(graph, tmp_path / 'reference')
        graph.spin_until(robot.states.get_subscription_count, 'the subscription to joint_states')
        answer = robot.ask()
        assert not answer.success
        assert 'no other node than pbvs_controller should publish twist' in answer.message
    finally:
        graph.close()
