from __future__ import annotations

import signal

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import TwistStamped
from rcl_interfaces.srv import DescribeParameters, ListParameters
from rosgraph_msgs.msg import Clock as ClockMessage
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray, String

from cnn_vs_ros.control import DifferentialIk
from cnn_vs_ros.nodes import messages
from cnn_vs_ros.simulation.description import load_robot_description
from test.ros_graph import LATCHED, Graph

DOMAIN = 91
FRAME = 'camera_optical_frame'
URDF = load_robot_description()
IK = DifferentialIk(URDF, FRAME)
POSTURE = np.array([0.3, -1.4, 1.6, -1.7, -1.5, 0.2])
TWIST = np.array([0.02, -0.01, 0.03, 0.05, -0.1, 0.08])
VELOCITIES = IK.joint_velocities(POSTURE, TWIST)


class Ik:
    """The node as a process, with the commands it sends and a way to speak to it."""

    def __init__(self, graph: Graph, wait: bool = True, **parameters) -> None:
        self.graph = graph
        self.commands = graph.listen(Float64MultiArray, 'forward_velocity_controller/commands')
        self.diagnostics = graph.listen(DiagnosticArray, '/diagnostics')
        self.states = graph.node.create_publisher(JointState, 'joint_states', 1)
        self.twists = graph.node.create_publisher(TwistStamped, 'twist', 1)
        self.process = graph.start('differential_ik', **parameters)
        if wait:
            graph.spin_until(self.twists.get_subscription_count, 'the subscription to twist')
            graph.spin_until(self.states.get_subscription_count, 'the subscription to joint_states')

    @property
    def command(self) -> np.ndarray:
        return np.array(self.commands[-1].data) if self.commands else np.empty(0)

    def send_state(self, names=IK.joint_names, positions=POSTURE) -> None:
        # In another order than the node's, with a joint that is none of its own.
        names, positions = names[::-1], positions[::-1]
        self.states.publish(JointState(name=['gripper', *names], position=[0.5, *map(float, positions)]))

    def send_twist(self, twist=TWIST, frame: str = FRAME) -> None:
        message = TwistStamped(twist=messages.twist_to_message(twist))
        message.header.frame_id = frame
        message.header.stamp = self.graph.now()
        self.twists.publish(message)

    def send(self, twist=TWIST, frame: str = FRAME) -> None:
        self.send_state()
        self.graph.spin(0.01)
        self.send_twist(twist, frame)

    def move(self, each=None) -> None:
        self.graph.spin_until(lambda: self.command.any(), 'motion', each or self.send)

    def expect_zeros(self, each=None) -> None:
        self.graph.spin_until(lambda: len(self.command) and not self.command.any(), 'zeros', each)
        count = len(self.commands)
        self.graph.spin_until(lambda: len(self.commands) > count + 5, 'more zeros', each)
        assert not any(np.any(command.data) for command in self.commands[count:])


@pytest.fixture(scope='module')
def graph(tmp_path_factory):
    graph = Graph(DOMAIN, tmp_path_factory.mktemp('differential_ik'))
    yield graph
    graph.close()


@pytest.fixture(scope='module')
def ik(graph):
    """The node with the description from the topic."""
    descriptions = graph.node.create_publisher(String, 'robot_description', LATCHED)
    ik = Ik(graph)
    graph.spin_until(descriptions.get_subscription_count, 'the subscription to robot_description')
    assert not ik.commands
    descriptions.publish(String(data='this is no URDF'))
    graph.spin_until(lambda: 'refused' in ik.process.output, 'the refusal')
    descriptions.publish(String(data=URDF))
    graph.spin_until(lambda: 'driving' in ik.process.output, 'the description')
    yield ik
    assert ik.process.end() == 0
    assert 'Traceback' not in ik.process.output


def test_sends_nothing_before_the_first_twist(ik):
    for _ in range(10):
        ik.send_state()
        ik.graph.spin(0.05)
    assert not ik.commands


def test_zeros_without_joint_states(ik):
    ik.graph.spin(0.5)
    ik.expect_zeros(ik.send_twist)
    assert 'joint_states should come' in ik.process.output


def test_sends_the_velocities_of_the_twist_in_the_order_of_the_urdf(ik):
    ik.move()
    np.testing.assert_allclose(ik.command, VELOCITIES, atol=1e-9)


def test_zeros_when_twists_stop_coming(ik):
    ik.move()
    ik.expect_zeros(ik.send_state)


def test_zeros_when_joint_states_stop_coming(ik):
    ik.move()
    ik.expect_zeros(ik.send_twist)


def test_zeros_when_a_joint_is_missing(ik):
    ik.move()

    def incomplete() -> None:
        ik.send_state(IK.joint_names[:-1], POSTURE[:-1])
        ik.send_twist()

    ik.expect_zeros(incomplete)
    assert f'should hold {IK.joint_names[-1]}' in ik.process.output


@pytest.mark.parametrize('value', [np.nan, np.inf])
def test_zeros_on_a_twist_that_is_not_finite(ik, value):
    ik.move()
    ik.expect_zeros(lambda: ik.send(np.array([0.1, 0, 0, 0, value, 0])))
    assert 'finite' in ik.process.output


def test_zeros_on_joint_positions_that_are_not_finite(ik):
    ik.move()

    def broken() -> None:
        ik.send_state(IK.joint_names, np.full(6, np.nan))
        ik.send_twist()

    ik.expect_zeros(broken)


def test_zeros_on_a_twist_in_another_frame(ik):
    ik.move()
    ik.expect_zeros(lambda: ik.send(frame='base_link'))
    assert 'twist should be in camera_optical_frame' in ik.process.output


def test_diagnostics_say_why_there_is_no_motion(ik):
    ik.diagnostics.clear()
    ik.graph.spin_until(
        lambda: any('twist should be in' in said.status[0].message for said in ik.diagnostics),
        'diagnostics of the refused twist',
        lambda: ik.send(frame='base_link'),
    )
    values = {item.key: item.value for item in ik.diagnostics[-1].status[0].values}
    assert float(values['condition_number']) == pytest.approx(IK.condition_number(POSTURE), rel=1e-3)
    assert float(values['memory_mib']) > 10


def test_parameters_are_read_at_the_start_only(ik):
    names = ik.graph.call(ListParameters, 'differential_ik/list_parameters').result.names
    request = DescribeParameters.Request(names=[name for name in names if name != 'use_sim_time'])
    described = ik.graph.call(DescribeParameters, 'differential_ik/describe_parameters', request).descriptors
    assert [item.name for item in described if not item.read_only] == []


def test_zeros_when_twists_cease_while_the_clock_stands_still(tmp_path):
    graph = Graph(DOMAIN + 2, tmp_path)
    try:
        clock = graph.node.create_publisher(ClockMessage, '/clock', 10)
        ik = Ik(graph, robot_description=URDF, use_sim_time=True)
        graph.spin_until(clock.get_subscription_count, 'the subscription to /clock')
        clock.publish(ClockMessage(clock=graph.now()))
        ik.move()
        ik.expect_zeros()
        ik.move()
        ik.expect_zeros(ik.send_twist)  # without joint states
        assert ik.process.end() == 0
    finally:
        graph.close()


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_motion_sends_zeros_before_the_exit(tmp_path, number):
    graph = Graph(DOMAIN + 1, tmp_path)
    try:
        joints = sorted(IK.joint_names)
        ik = Ik(graph, robot_description=URDF, joints=joints)
        ik.move()
        by_name = dict(zip(joints, ik.command, strict=True))
        np.testing.assert_allclose([by_name[name] for name in IK.joint_names], VELOCITIES, atol=1e-9)
        assert ik.process.end(number) == 0
        graph.spin_until(lambda: not ik.command.any(), 'zeros')
        assert 'Traceback' not in ik.process.output
    finally:
        graph.close()


@pytest.mark.parametrize(
    ('parameters', 'sentence'),
    [
        ({'robot_description': URDF, 'joints': ['elbow']}, 'parameter joints should be the joints'),
        ({'robot_description': URDF, 'tip_frame': 'nose'}, 'nose'),
        ({'robot_description': '<robot'}, 'URDF'),
    ],
)
def test_a_parameter_without_meaning_ends_the_process_with_a_sentence(graph, parameters, sentence):
    node = graph.start('differential_ik', **parameters)
    assert node.wait() == 1
    assert sentence in node.output
    assert 'Traceback' not in node.output
