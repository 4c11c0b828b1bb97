"""part_finder beside a graph that the test speaks for."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import PoseStamped, PoseWithCovarianceStamped
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from std_srvs.srv import Trigger

from cnn_vs_ros.benchmark import CAMERA
from cnn_vs_ros.control import DifferentialIk
from cnn_vs_ros.estimation import Reference
from cnn_vs_ros.geometry import se3
from cnn_vs_ros.nodes import messages
from cnn_vs_ros.simulation import load_robot_description
from test.ros_graph import LATCHED, Graph

URDF = load_robot_description()
KINEMATICS = DifferentialIk(URDF, 'camera_optical_frame')
Q = np.array([-0.24, -1.33, 1.83, -2.07, -1.57, 1.33])
TAUGHT = KINEMATICS.pose(Q)
MOVED = se3.from_pose_vector([0.02, -0.01, 0.005, 0.0, 0.0, 0.1])


class Cell:
    """An arm, a part and an estimator that is always right."""

    def __init__(self, graph: Graph, folder) -> None:
        self.graph, self.folder, self.q, self.base_T_part, self.word = graph, folder, Q, np.eye(4), 'tracked'
        self.confidence: float | None = 0.9
        self.poses = graph.listen(PoseStamped, 'part_finder/desired_camera')
        make = graph.node.create_publisher
        self._states, self._said = make(JointState, 'joint_states', 1), make(DiagnosticArray, 'pose_status', 10)
        self._pose = make(PoseWithCovarianceStamped, 'relative_pose', 10)
        self._folder = make(String, 'pose_estimator/reference_folder', LATCHED)
        self._folder.publish(String(data=str(folder)))
        self.process = graph.start('part_finder', robot_description=URDF)

    def speak(self) -> None:
        self._states.publish(JointState(name=KINEMATICS.joint_names, position=list(map(float, self.q))))
        values = {'confidence': messages.confidence_to_text(self.confidence)}
        status = DiagnosticStatus(message=self.word, values=messages.key_values(values))
        said = messages.diagnostics(status, self.graph.now())
        pose = PoseWithCovarianceStamped(header=said.header)
        desired = self.base_T_part @ TAUGHT
        pose.pose.pose = messages.pose_to_message(se3.inverse(desired) @ KINEMATICS.pose(self.q))
        self._said.publish(said)
        self._pose.publish(pose)

    def call(self, name: str, each=None) -> Trigger.Response:
        return self.graph.call(Trigger, f'part_finder/{name}', each=each or self.speak)


@pytest.fixture(scope='module')
def cell(tmp_path_factory):
    folder = tmp_path_factory.mktemp('part_finder')
    image = cv2.resize(np.random.default_rng(0).integers(0, 255, (48, 64), dtype=np.uint8), CAMERA.size)
    Reference(image, CAMERA, 0.25).save(folder / 'part')
    graph = Graph(folder)
    cell = Cell(graph, folder / 'part')
    graph.spin_until(lambda: cell.poses, 'the pose of the desired camera', cell.speak)
    yield cell
    assert cell.process.end() == 0
    assert 'Traceback' not in cell.process.output
    graph.close()


def test_how_far_the_part_has_gone_is_told_from_wherever_the_camera_rests(cell):
    bare = json.loads(cell.call('offset').message)
    assert bare['correction'] is None
    np.testing.assert_allclose(bare['base_T_desired'], TAUGHT, atol=1e-6)
    assert cell.call('teach').success
    np.testing.assert_allclose(Reference.load(cell.folder).taught, se3.pose_vector(TAUGHT), atol=1e-6)
    cell.base_T_part, cell.q = MOVED, Q + 0.05
    cell.poses.clear()

    def arrived() -> bool:
        pose = messages.pose_from_message(cell.poses[-1].pose) if cell.poses else np.eye(4)
        return np.allclose(pose, MOVED @ TAUGHT, atol=1e-6)

    cell.graph.spin_until(arrived, 'the arm at rest there', cell.speak)
    values = json.loads(cell.call('offset').message)
    np.testing.assert_allclose(values['correction'], MOVED, atol=1e-6)
    assert 'since it was taught' in values['said']
    np.testing.assert_allclose(messages.pose_from_message(cell.poses[-1].pose), MOVED @ TAUGHT, atol=1e-6)
    assert cell.poses[-1].header.frame_id == 'world'


def test_an_estimator_that_cannot_tell_how_sure_it_is_will_do(cell):
    cell.confidence = None
    answer = cell.call('offset')
    assert answer.success, answer.message
    assert json.loads(answer.message)['confidence'] is None


def test_nothing_is_said_while_the_arm_moves_or_the_target_is_lost(cell):
    def move() -> None:
        cell.q = cell.q + np.array([0.002, 0, 0, 0, 0, 0])
        cell.speak()

    cell.graph.spin(0.2)
    for _ in range(10):
        move()
        cell.graph.spin(0.03)
    cell.poses.clear()
    answer = cell.call('offset', move)
    assert not answer.success
    assert 'the arm should stand still but' in answer.message
    assert not cell.poses
    cell.word = 'lost'
    answer = cell.call('offset')
    assert not answer.success
    assert 'the target should be in view but is lost' in answer.message
