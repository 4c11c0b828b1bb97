from __future__ import annotations

import signal

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import PoseStamped
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from rclpy.qos import qos_profile_sensor_data
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image, JointState
from std_msgs.msg import Float64MultiArray, String
from std_srvs.srv import SetBool, Trigger

from cnn_vs_ros.benchmark import CAMERA
from cnn_vs_ros.control.differential_ik import DifferentialIk
from cnn_vs_ros.nodes import messages
from cnn_vs_ros.simulation.starts import draw_start, world_T_reference
from test.ros_graph import LATCHED, Graph

SPEED = [0.1, 0.0, 0.0, 0.0, 0.0, 0.2]


class Robot:
    """The node as a process, with what it says and a way to command it."""

    def __init__(self, graph: Graph, **parameters) -> None:
        self.graph = graph
        self.images = graph.listen(Image, 'image_raw', qos_profile_sensor_data)
        self.infos = graph.listen(CameraInfo, 'camera_info', qos_profile_sensor_data)
        self.states = graph.listen(JointState, 'joint_states')
        self.truths = graph.listen(PoseStamped, 'ground_truth')
        self.clocks = graph.listen(Clock, '/clock')
        self.descriptions = graph.listen(String, 'robot_description', LATCHED)
        self.statuses = graph.node.create_publisher(DiagnosticArray, 'pose_status', 10)
        self.commands = graph.node.create_publisher(Float64MultiArray, 'forward_velocity_controller/commands', 1)
        self.process = graph.start('simulator', scene='low_texture', noise=0.0, **parameters)
        graph.spin_until(lambda: self.images and self.truths, 'the first image and its truth')
        graph.spin_until(self.commands.get_subscription_count, 'a listener to commands')
        if parameters.get('lockstep'):
            graph.spin_until(lambda: self.clocks, 'the clock')

    @property
    def velocities(self) -> np.ndarray:
        return np.array(self.states[-1].velocity)

    @property
    def world_T_camera(self) -> np.ndarray:
        return messages.pose_from_message(self.truths[-1].pose)

    def command(self, velocities=SPEED) -> None:
        self.commands.publish(Float64MultiArray(data=velocities))

    def next_image(self) -> Image:
        count = len(self.images)
        self.graph.spin_until(lambda: len(self.images) > count + 1, 'another image')
        return self.images[-1]

    def set_start(self, batch: int, seed: int) -> None:
        values = {'start.batch': batch, 'start.seed': seed}
        parameters = [
            Parameter(name=name, value=ParameterValue(type=ParameterType.PARAMETER_INTEGER, integer_value=value))
            for name, value in values.items()
        ]
        request = SetParameters.Request(parameters=parameters)
        response = self.graph.call(SetParameters, 'simulator/set_parameters', request)
        assert all(result.successful for result in response.results)


@pytest.fixture(scope='module')
def graph(tmp_path_factory):
    graph = Graph(tmp_path_factory.mktemp('simulator'))
    yield graph
    graph.close()


@pytest.fixture(scope='module')
def robot(graph) -> Robot:
    return Robot(graph)


@pytest.fixture
def own_graph(tmp_path):
    graph = Graph(tmp_path)
    yield graph
    graph.close()


def stamp_of(message) -> tuple[int, int]:
    return message.header.stamp.sec, message.header.stamp.nanosec


def test_images_come_with_the_calibration_and_the_truth_of_their_stamp(robot):
    def complete() -> list[tuple[Image, CameraInfo]]:
        infos = {stamp_of(info): info for info in robot.infos}
        truths = {stamp_of(truth) for truth in robot.truths}
        stamped = [(image, infos.get(stamp_of(image))) for image in robot.images if stamp_of(image) in truths]
        return [(image, info) for image, info in stamped if info is not None]

    robot.graph.spin_until(lambda: len(complete()) >= 10, 'ten images with calibration and truth')
    for image, info in complete():
        assert image.header.frame_id == info.header.frame_id == 'camera_optical_frame'
        assert messages.image_from_message(image).shape == (480, 640, 3)
    assert messages.camera_from_message(info) == CAMERA
    assert info.distortion_model == 'plumb_bob'
    assert list(info.d) == [0.0] * 5
    assert list(info.p) == [600, 0, 319.5, 0, 0, 600, 239.5, 0, 0, 0, 1, 0]
    assert robot.truths[-1].header.frame_id == 'world'


def test_it_starts_at_the_reference_with_its_description(robot):
    np.testing.assert_allclose(robot.world_T_camera, world_T_reference, atol=1e-6)
    ik = DifferentialIk(robot.descriptions[-1].data)
    assert list(robot.states[-1].name) == ik.joint_names
    np.testing.assert_allclose(ik.pose(robot.states[-1].position), world_T_reference, atol=1e-6)


def test_a_command_moves_the_joints_until_it_is_stale(robot):
    moving = lambda: np.allclose(robot.velocities, SPEED, atol=1e-3)  # noqa: E731
    robot.graph.spin_until(moving, 'the commanded velocity', robot.command)
    # Nothing more is said: as a ros2_control controller would not, it stops.
    robot.graph.spin_until(lambda: np.abs(robot.velocities).max() < 1e-3, 'standstill')
    response = robot.graph.call(Trigger, 'simulator/move_to_reference')
    assert response.success, response.message


@pytest.mark.parametrize('bad', [[0.5] * 5, [0.5] * 7, [], [0.5, np.nan, 0, 0, 0, 0], [np.inf] * 6])
def test_a_malformed_command_is_refused_with_a_log_and_moves_nothing(robot, bad):
    robot.graph.spin_until(lambda: np.abs(robot.velocities).max() < 1e-3, 'standstill')
    position, count, said = robot.states[-1].position, len(robot.states), robot.process.output.count('refused')
    robot.graph.spin_until(
        lambda: len(robot.states) > count + 30 and robot.process.output.count('refused') > said,
        'a refusal',
        lambda: robot.command(bad),
    )
    assert 'command refused: joint velocities should be' in robot.process.output
    np.testing.assert_allclose(robot.states[-1].position, position, atol=1e-9)


@pytest.mark.parametrize(('batch', 'seed'), [(3, 7), (9, 1)])
def test_move_to_start_puts_the_camera_where_the_benchmark_says(robot, batch, seed):
    robot.set_start(batch, seed)
    response = robot.graph.call(Trigger, 'simulator/move_to_start')
    assert response.success
    assert f'start {seed} of batch {batch}' in response.message
    robot.next_image()
    expected = world_T_reference @ draw_start(batch, seed)
    np.testing.assert_allclose(robot.world_T_camera, expected, atol=1e-6)
    assert robot.graph.call(Trigger, 'simulator/move_to_reference').success
    robot.next_image()
    np.testing.assert_allclose(robot.world_T_camera, world_T_reference, atol=1e-6)


def test_a_move_ends_the_motion_that_was_commanded(robot):
    moving = lambda: np.allclose(robot.velocities, SPEED, atol=1e-3)  # noqa: E731
    robot.graph.call(Trigger, 'simulator/move_to_reference')  # with its client there, the next one comes in motion
    robot.graph.spin_until(moving, 'the commanded velocity', robot.command)
    robot.graph.call(Trigger, 'simulator/move_to_reference')
    robot.next_image()
    np.testing.assert_allclose(robot.world_T_camera, world_T_reference, atol=1e-6)


def test_perturbations_are_switched(robot):
    calm = messages.image_from_message(robot.next_image()).astype(int)
    assert robot.graph.call(SetBool, 'simulator/set_perturbations', SetBool.Request(data=True)).success
    disturbed = messages.image_from_message(robot.next_image())
    assert np.abs(disturbed - calm).max() > 30
    response = robot.graph.call(SetBool, 'simulator/set_perturbations', SetBool.Request(data=False))
    assert response.message == 'perturbations: none'
    np.testing.assert_array_equal(messages.image_from_message(robot.next_image()), calm)


def test_the_overview_is_drawn_for_who_listens(robot):
    overviews = robot.graph.listen(Image, 'overview/image_raw', qos_profile_sensor_data)
    robot.graph.spin_until(lambda: overviews, 'an overview')
    assert messages.image_from_message(overviews[-1]).shape == (480, 640, 3)


def test_it_keeps_wall_time_and_publishes_no_clock(robot):
    count = len(robot.images)
    robot.graph.spin_until(lambda: len(robot.images) > count, 'an image')
    assert abs(messages.seconds(robot.images[-1].header.stamp) - messages.seconds(robot.graph.now())) < 5
    assert not robot.clocks


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_it_ends_cleanly_on_a_signal(own_graph, number):
    robot = Robot(own_graph)
    assert robot.process.end(number) == 0
    assert 'Traceback' not in robot.process.output


def test_its_description_is_left_to_another_where_told_so(own_graph):
    robot = Robot(own_graph, publish_robot_description=False)
    own_graph.spin(0.3)
    assert own_graph.node.count_publishers('joint_states') == 1
    assert own_graph.node.count_publishers('robot_description') == 0
    assert not robot.descriptions


def test_a_scene_that_there_is_not_ends_it_with_a_sentence(own_graph):
    process = own_graph.start('simulator', scene='moon')
    assert process.process.wait(20) == 1
    assert (
        'parameter scene should be one of photo, prints, low_texture, relief, poster, monument, workbench but'
        in process.output
    )


def test_in_lockstep_time_stands_still_while_an_estimate_is_owed(own_graph):
    robot = Robot(own_graph, lockstep=True, real_time_factor=0.0, lockstep_timeout=60.0)
    own_graph.spin_until(robot.statuses.get_subscription_count, 'a listener to estimates')

    def answer() -> None:
        # Of the newest image; an image may be lost on the way, the truth of its stamp is not.
        status = DiagnosticArray(status=[DiagnosticStatus(message='tracked')])
        status.header.stamp = robot.truths[-1].header.stamp
        robot.statuses.publish(status)

    answer()
    own_graph.spin(0.5)
    for _ in range(5):
        count, clock = len(robot.truths), robot.clocks[-1].clock
        assert clock == robot.truths[-1].header.stamp
        own_graph.spin(0.2)
        assert robot.clocks[-1].clock == clock
        answer()
        own_graph.spin_until(lambda count=count: len(robot.truths) > count, 'the next image')
        own_graph.spin(0.1)
        assert len(robot.truths) == count + 1
        assert messages.seconds(robot.clocks[-1].clock) - messages.seconds(clock) < 0.036


def test_in_lockstep_time_stands_still_while_a_command_is_owed(own_graph):
    robot = Robot(own_graph, lockstep=True, real_time_factor=0.0, lockstep_timeout=60.0, image_rate=1.0)
    robot.command()
    own_graph.spin(0.3)
    for _ in range(5):
        before = messages.seconds(robot.clocks[-1].clock)
        own_graph.spin(0.2)
        assert messages.seconds(robot.clocks[-1].clock) == before
        robot.command()
        own_graph.spin_until(lambda t=before: messages.seconds(robot.clocks[-1].clock) > t + 0.015, 'time')
        own_graph.spin(0.1)
        assert messages.seconds(robot.clocks[-1].clock) == pytest.approx(before + 0.02)
    # Six commands of 20 ms each, and the arm has turned by as much as they say.
    np.testing.assert_allclose(robot.velocities, SPEED, atol=2e-2)
    robot.commands.publish(Float64MultiArray(data=[0.0] * 6))


def test_in_lockstep_a_silent_peer_is_waited_for_only_so_long(own_graph):
    robot = Robot(own_graph, lockstep=True, real_time_factor=0.0, lockstep_timeout=0.2)
    robot.command()
    clock = messages.seconds(robot.clocks[-1].clock)
    own_graph.spin_until(lambda: messages.seconds(robot.clocks[-1].clock) > clock + 1.0, 'time')
    own_graph.spin_until(lambda: np.abs(robot.velocities).max() < 1e-3, 'standstill')
