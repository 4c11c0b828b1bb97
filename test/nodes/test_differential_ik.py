from __future__ import annotations

import signal
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import TwistStamped
from rcl_interfaces.srv import DescribeParameters, ListParameters
from rclpy.executors import SingleThreadedExecutor
from rosgraph_msgs.msg import Clock as ClockMessage
from sensor_msgs.msg import JointState
from std_msgs.msg import String

from cnn_vs_ros.control import DifferentialIk
from cnn_vs_ros.nodes import messages
from cnn_vs_ros.nodes.differential_ik import DifferentialIkNode
from cnn_vs_ros.simulation.description import load_robot_description
from test.ros_graph import LATCHED, Graph, in_own_domain
from test.stand_ins.forward_command_controller import ForwardCommandController
from test.stand_ins.velocity_arm import VelocityArm

FRAME = 'camera_optical_frame'
URDF = load_robot_description()
IK = DifferentialIk(URDF, FRAME)
POSTURE = np.array([0.3, -1.4, 1.6, -1.7, -1.5, 0.2])
TWIST = np.array([0.02, -0.01, 0.03, 0.05, -0.1, 0.08])
VELOCITIES = IK.joint_velocities(POSTURE, TWIST)
SPIN = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 1.0])
BIGGEST_STEP = 0.55
"""Greatest rise between two commands, rad/s: the acceleration limit over the longest step."""
PATIENT = {'robot_description': URDF, 'twist_timeout': 2.0, 'joint_state_timeout': 2.0}
"""Parameters of a node to which a gap of this process is nothing."""


class Ik:
    """The node as a process beside an arm, and a way to speak to it."""

    def __init__(self, graph: Graph, wait: bool = True, **parameters) -> None:
        self.graph = graph
        self.arm = VelocityArm(graph, IK.joint_names, POSTURE)
        self.diagnostics = graph.listen(DiagnosticArray, '/diagnostics')
        self.status = graph.listen(String, 'arm_status', LATCHED)
        self.reason = graph.listen(String, 'arm_status_reason', LATCHED)
        self.twists = graph.node.create_publisher(TwistStamped, 'twist', 1)
        self.process = graph.start('differential_ik', **parameters)
        if wait:
            graph.spin_until(self.twists.get_subscription_count, 'the subscription to twist')
            graph.spin_until(self.arm.publisher.get_subscription_count, 'the subscription to joint_states')

    @property
    def command(self) -> np.ndarray:
        return self.arm.command

    @property
    def says(self) -> tuple[str, str]:
        return (self.status[-1].data, self.reason[-1].data) if self.status and self.reason else ('', '')

    def send(self, twist=TWIST, frame: str = FRAME, stamp=None, publisher=None) -> None:
        message = TwistStamped(twist=messages.twist_to_message(twist))
        message.header.frame_id = frame
        message.header.stamp = self.graph.now() if stamp is None else stamp
        (publisher or self.twists).publish(message)

    def move(self, twist=TWIST, least: float = 1e-3) -> None:
        self.graph.spin_until(
            lambda: np.abs(self.command).max(initial=0) > least, 'motion', lambda: self.send(twist)
        )

    def rest(self) -> None:
        """Let the arm go back to where it was."""
        self.graph.spin_until(
            lambda: len(self.command) and not self.command.any(), 'rest', lambda: self.send(np.zeros(6))
        )
        self.arm.speaks = False
        self.graph.spin(0.25)
        self.arm.positions, self.arm.names, self.arm.speaks = POSTURE.copy(), list(IK.joint_names), True
        self.arm.follows = True
        self.graph.spin(0.25)

    def expect_zeros(self, each=None) -> None:
        self.graph.spin_until(lambda: len(self.command) and not self.command.any(), 'zeros', each)
        count = len(self.arm.commands)
        self.graph.spin_until(lambda: len(self.arm.commands) > count + 5, 'more zeros', each)
        assert not any(command.any() for _, command in self.arm.commands[count:])

    def expect(self, status: str, reason: str, each=None) -> None:
        self.graph.spin_until(
            lambda: self.says[0] == status and reason in self.says[1], f'{status}: {reason}', each
        )


@pytest.fixture(scope='module')
def graph(tmp_path_factory):
    graph = Graph(tmp_path_factory.mktemp('differential_ik'))
    yield graph
    graph.close()


@pytest.fixture(scope='module')
def running(graph):
    """The node with the description from the topic, from its first moment on."""
    descriptions = graph.node.create_publisher(String, 'robot_description', LATCHED)
    ik = Ik(graph)
    ik.expect('idle', 'waiting for a twist')
    graph.spin_until(descriptions.get_subscription_count, 'the subscription to robot_description')
    ik.expect('idle', 'waiting for robot_description', lambda: ik.send(np.zeros(6)))
    assert not ik.arm.commands
    descriptions.publish(String(data='this is no URDF'))
    graph.spin_until(lambda: 'refused' in ik.process.output, 'the refusal')
    ik.arm.speaks = False
    graph.spin(0.3)  # what was said before has been read
    descriptions.publish(String(data=URDF))
    ik.expect('idle', 'joint_states should hold', ik.send)
    ik.arm.speaks = True
    graph.spin(0.3)
    assert 'no motion' not in ik.process.output
    yield ik
    assert ik.process.end() == 0
    assert 'Traceback' not in ik.process.output


@pytest.fixture
def ik(running):
    running.rest()
    return running


@pytest.fixture
def alone(tmp_path):
    graph = Graph(tmp_path)
    yield graph
    graph.close()


def test_sends_nothing_before_the_first_twist(tmp_path):
    graph = Graph(tmp_path)
    try:
        ik = Ik(graph, robot_description=URDF)
        graph.spin(0.5)
        assert not ik.arm.commands
        assert ik.process.end() == 0
        graph.spin(0.3)
        assert not ik.arm.commands
    finally:
        graph.close()


def test_sends_the_velocities_of_the_twist_in_the_order_of_the_urdf(ik):
    ik.move(least=0.99 * np.abs(VELOCITIES).max())
    ik.graph.spin_until(
        lambda: np.abs(ik.command - IK.joint_velocities(ik.arm.positions, TWIST)).max() < 2e-3,
        'the velocities',
        ik.send,
    )
    ik.expect('servoing', 'the arm follows the twists')


def test_zeros_when_twists_stop_coming(ik):
    ik.move()
    ik.expect_zeros()
    ik.expect('idle', 'no twist comes')


def test_zeros_when_joint_states_stop_coming_and_a_ramp_when_they_come_again(ik):
    ik.move(SPIN, 0.9)
    ik.arm.speaks = False
    ik.expect_zeros(lambda: ik.send(SPIN))
    ik.expect('stale', 'joint_states should come every 0.2 s but', lambda: ik.send(SPIN))
    ik.arm.speaks, begun = True, time.monotonic()
    ik.move(SPIN, 0.9)
    assert np.diff(np.abs(ik.arm.since(begun)[:, -1])).max() <= BIGGEST_STEP
    assert len(ik.arm.since(begun)) > 2


def test_stops_and_beginnings_are_ramps(ik):
    begun = time.monotonic()
    ik.move(SPIN, 0.95)
    stopped = time.monotonic()
    ik.expect_zeros()
    down = ik.arm.since(stopped)[:, -1]
    assert np.diff(np.abs(ik.arm.since(begun)[:, -1])).max() <= BIGGEST_STEP
    assert ((np.abs(down) > 0.05) & (np.abs(down) < 0.95)).sum() >= 3


def test_zeros_when_a_joint_is_missing(ik):
    ik.move()
    ik.arm.names = ik.arm.names[:-1]
    ik.expect_zeros(ik.send)
    ik.expect('stale', f'{IK.joint_names[-1]} does not', ik.send)


def test_a_gripper_that_publishes_by_itself_and_joints_in_two_messages_do_not_matter(alone):
    ik = Ik(alone, **PATIENT)
    other = ik.graph.node.create_publisher(JointState, 'joint_states', 10)
    ik.arm.names = ik.arm.names[:3]

    def each() -> None:
        for _ in range(5):
            other.publish(JointState(name=['finger'], position=[0.1]))
        positions = list(map(float, ik.arm.positions[3:]))
        other.publish(JointState(name=list(IK.joint_names[3:]), position=positions))
        ik.send()

    ik.graph.spin_until(lambda: np.abs(ik.command).max(initial=0) > 1e-3, 'motion', each)
    begun = time.monotonic()
    ik.graph.spin_until(lambda: time.monotonic() > begun + 0.7, 'more motion', each)
    assert (np.abs(ik.arm.since(begun)).max(axis=1) > 1e-3).all()
    assert ik.process.end() == 0


@pytest.mark.parametrize(
    ('twist', 'reason'),
    [
        (np.array([0.1, 0, 0, 0, np.nan, 0]), 'finite'),
        (np.array([0.1, 0, 0, 0, np.inf, 0]), 'finite'),
        (np.array([10.0, 0, 0, 0, 0, 0]), 'at most 0.5 m/s'),
        (np.array([0, 0, 0, 0, 0, 1e308]), 'at most 0.5 m/s'),
    ],
)
def test_zeros_on_a_twist_that_is_not_finite_or_too_fast(ik, twist, reason):
    ik.move()
    ik.expect_zeros(lambda: ik.send(twist))
    ik.expect('error', reason, lambda: ik.send(twist))


def test_zeros_on_joint_positions_that_are_not_finite(ik):
    ik.move()
    ik.arm.follows, ik.arm.positions = False, np.full(6, np.nan)
    ik.expect_zeros(ik.send)


def test_zeros_on_joint_positions_that_jump(ik):
    ik.move()
    ik.arm.positions = ik.arm.positions + np.pi
    ik.expect_zeros(lambda: (ik.send(), setattr(ik.arm, 'positions', ik.arm.positions + np.pi)))
    ik.expect('stale', 'should change no faster', lambda: setattr(ik.arm, 'positions', ik.arm.positions - np.pi))


def test_zeros_on_a_twist_in_another_frame(ik):
    ik.move()
    ik.expect_zeros(lambda: ik.send(frame='base_link'))
    ik.expect('error', 'twist should be in camera_optical_frame', lambda: ik.send(frame='base_link'))


@pytest.mark.parametrize('age', [None, 0.5, -0.5])
def test_zeros_on_a_twist_without_a_stamp_an_old_one_and_one_of_the_future(ik, age):
    ik.move()

    def send() -> None:
        stamp = ik.graph.node.get_clock().now().to_msg()
        seconds = 0.0 if age is None else messages.seconds(stamp) - age
        stamp.sec, stamp.nanosec = int(seconds), int(1e9 * (seconds % 1))
        ik.send(stamp=stamp)

    ik.expect_zeros(send)
    ik.expect('error', 'twist should be', send)


def test_zeros_while_two_nodes_send_twists(ik):
    other = ik.graph.node.create_publisher(TwistStamped, 'twist', 1)
    ik.graph.spin(0.3)
    ik.move()

    def both() -> None:
        ik.send()
        ik.graph.spin(0.005)
        ik.send(-TWIST, publisher=other)

    ik.expect_zeros(both)
    ik.expect('error', 'one node should publish twist but two do', both)
    ik.graph.node.destroy_publisher(other)
    ik.move()


def test_an_arm_that_does_not_follow_is_stopped_until_the_twists_are_zero(ik):
    ik.move()
    ik.arm.follows = False
    ik.expect_zeros(ik.send)
    ik.expect('stopped', 'is the controller active, and the arm free?', ik.send)
    ik.arm.follows = True
    ik.expect_zeros(ik.send)  # it is still refused: nobody has begun anew
    ik.expect('servoing', '', lambda: ik.send(np.zeros(6)))
    ik.move()


def test_while_somebody_else_moves_the_arm_it_says_stopped_and_that_once(alone):
    """As by another controller, while pbvs_controller sends zeros."""
    ik = Ik(alone, **PATIENT)
    ik.move()
    ik.expect_zeros(lambda: ik.send(np.zeros(6)))
    ik.expect('servoing', '', lambda: ik.send(np.zeros(6)))
    count = len(ik.status)

    def push() -> None:
        ik.arm.positions = ik.arm.positions + 0.008
        ik.send(np.zeros(6))

    ik.expect('stopped', 'does somebody else move the arm?', push)
    for _ in range(30):
        push()
        ik.graph.spin(1 / 30)
    ik.expect('servoing', '', lambda: ik.send(np.zeros(6)))
    assert [said.data for said in ik.status[count:]] == ['stopped', 'servoing']
    ik.move()
    assert ik.process.end() == 0


def test_the_arm_halts_at_a_joint_limit_and_says_so(ik):
    q = POSTURE.copy()
    q[5] = IK.upper[5] - 1e-4
    outwards = np.zeros(6)
    outwards[3:] = IK.jacobian(q)[3:, 5]
    ik.arm.speaks = False
    ik.graph.spin(0.25)
    ik.arm.positions, ik.arm.speaks = q, True
    ik.expect('limited', 'halted: before a joint limit', lambda: ik.send(outwards))
    ik.move(-outwards, 0.1)


def test_a_command_is_of_the_newest_joint_states_though_older_ones_wait(ik):
    """As on a busy computer, where joint states come faster than the node's turns."""
    outwards = np.zeros(6)
    ik.arm.speaks = False
    ik.graph.spin(0.25)
    q = POSTURE.copy()
    q[5] = IK.upper[5] - 0.5
    outwards[3:] = IK.jacobian(q)[3:, 5]
    ik.arm.positions, ik.arm.speaks = q.copy(), True
    ik.move(outwards)
    ik.expect_zeros(lambda: ik.send(np.zeros(6)))
    ik.arm.speaks = False
    ik.process.process.send_signal(signal.SIGSTOP)
    for q[5] in np.linspace(ik.arm.positions[5], IK.upper[5] - 1e-4, 40):
        ik.arm.publisher.publish(JointState(name=IK.joint_names, position=q))
    ik.arm.positions, begun = q, time.monotonic()
    ik.send(outwards)
    ik.process.process.send_signal(signal.SIGCONT)
    ik.arm.speaks = True
    ik.expect('limited', 'halted: before a joint limit', lambda: ik.send(outwards))
    assert np.abs(ik.arm.since(begun)[:, 5]).max() < 0.01


def test_diagnostics_say_why_there_is_no_motion(ik):
    ik.diagnostics.clear()
    ik.graph.spin_until(
        lambda: any('twist should be in' in said.status[0].message for said in ik.diagnostics),
        'diagnostics of the refused twist',
        lambda: ik.send(frame='base_link'),
    )
    values = {item.key: item.value for item in ik.diagnostics[-1].status[0].values}
    assert float(values['condition_number']) == pytest.approx(IK.condition_number(ik.arm.positions), rel=1e-2)
    assert float(values['memory_mib']) > 10


def test_it_shares_no_memory_whose_locks_could_hold_it_up(ik):
    assert '/dev/shm/fast' not in Path(f'/proc/{ik.process.process.pid}/maps').read_text()


def test_parameters_are_read_at_the_start_only(ik):
    names = ik.graph.call(ListParameters, 'differential_ik/list_parameters').result.names
    request = DescribeParameters.Request(names=[name for name in names if name != 'use_sim_time'])
    described = ik.graph.call(DescribeParameters, 'differential_ik/describe_parameters', request).descriptors
    assert [item.name for item in described if not item.read_only] == []


def test_zeros_when_twists_cease_while_the_clock_stands_still(tmp_path):
    graph = Graph(tmp_path)
    try:
        clock = graph.node.create_publisher(ClockMessage, '/clock', 10)
        ik = Ik(graph, robot_description=URDF, use_sim_time=True)
        graph.spin_until(clock.get_subscription_count, 'the subscription to /clock')

        def tick() -> None:
            clock.publish(ClockMessage(clock=graph.now()))
            ik.send()

        graph.spin_until(lambda: ik.command.any(), 'motion', tick)
        ik.expect_zeros()
        graph.spin_until(lambda: ik.command.any(), 'motion', tick)
        ik.arm.speaks = False
        stamp = graph.now()
        clock.publish(ClockMessage(clock=stamp))
        ik.expect_zeros(lambda: ik.send(stamp=stamp))
        ik.expect('stale', 'joint_states should come', lambda: ik.send(stamp=stamp))
        assert ik.process.end() == 0
    finally:
        graph.close()


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_after_a_signal_twists_are_followed_to_their_end_and_no_longer_than_half_a_second(tmp_path, number):
    graph = Graph(tmp_path)
    try:
        joints = sorted(IK.joint_names)
        ik = Ik(graph, **PATIENT, joints=joints)
        ik.arm.joints = ik.arm.names = joints
        ik.arm.positions = np.array([POSTURE[IK.joint_names.index(name)] for name in joints])
        ik.move(SPIN, 0.9)
        assert abs(ik.command[joints.index(IK.joint_names[-1])]) > 0.9  # the order of the commands is the user's
        begun, slowing = time.monotonic(), []
        ik.process.process.send_signal(number)

        def end() -> None:
            if number == signal.SIGINT:  # their sender comes to a stop within 0.3 s
                slowing.append(max(0.0, 1 - (time.monotonic() - begun) / 0.3))
            ik.send(SPIN * slowing[-1] if slowing else SPIN)

        graph.spin_until(lambda: not ik.command.any(), 'zeros', end)
        assert ik.process.wait() == 0
        commands = np.abs(ik.arm.since(begun)).max(axis=1)
        assert np.diff(commands).max() <= BIGGEST_STEP
        assert commands[-1] == 0.0
        if number == signal.SIGINT:  # one a twist: of a stop of its own there would be one each 10 ms
            assert 3 < ((commands > 0.02) & (commands < 0.98)).sum() <= len(slowing)
        else:  # at 30 Hz; a stop begins with some of them
            assert 7 < (commands > 0.9).sum() < 25
        assert 'Traceback' not in ik.process.output
    finally:
        graph.close()


def test_the_farewell_ends_in_zeros_whatever_comes_of_a_callback(monkeypatch, tmp_path):
    file = tmp_path / 'parameters.yaml'
    file.write_text(yaml.safe_dump({'/**': {'ros__parameters': {'robot_description': URDF}}}))
    with in_own_domain('--params-file', str(file)):
        executor = SingleThreadedExecutor()
        node = DifferentialIkNode()
        executor.add_node(node)
        sent: list[np.ndarray] = []
        monkeypatch.setattr(node, '_twist_time', 0.0)
        monkeypatch.setattr(node, '_drive', SimpleNamespace(is_moving=True, stop=lambda _: np.full(6, 0.1)))
        monkeypatch.setattr(node._commands, 'send', lambda command, _: sent.append(command))

        def fail(**_) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(executor, 'spin_once', fail)
        with pytest.raises(ZeroDivisionError):
            node.shut_down()
        assert sent[0].all()
        assert not sent[-1].any()
        node.destroy_node()
        executor.shutdown()


def test_another_description_stops_the_arm_for_good(alone):
    descriptions = alone.node.create_publisher(String, 'robot_description', LATCHED)
    descriptions.publish(String(data=URDF))
    ik = Ik(alone)
    ik.move()
    descriptions.publish(String(data=URDF))  # the same again is none
    alone.spin(0.1)
    ik.move()
    axis = '<axis xyz="0 0 1"/>'
    assert axis in URDF
    chain = ''.join(
        f'<link name="l{i}"/><joint name="j{i}" type="revolute"><parent link="l{i}"/><child link="l{i + 1}"/>'
        '<limit lower="-1" upper="1" velocity="1" effort="1"/></joint>'
        for i in range(3000)
    )
    others = [URDF.replace(axis, '<axis xyz="0 0 -1"/>'), f'<robot name="r">{chain}<link name="l3000"/></robot>']
    for urdf in others:
        descriptions.publish(String(data=urdf))
        ik.expect_zeros(ik.send)
        ik.expect('error', 'robot_description should stay as it was', ik.send)
    assert {len(command) for _, command in ik.arm.commands} == {6}
    assert ik.process.end() == 0


def test_the_order_of_the_joints_is_the_controllers(alone):
    joints = sorted(IK.joint_names)
    controller = ForwardCommandController(alone, joints)
    ik = Ik(alone, robot_description=URDF)
    ik.arm.joints = ik.arm.names = joints
    ik.arm.positions = np.array([POSTURE[IK.joint_names.index(name)] for name in joints])
    ik.move(SPIN, 0.9)
    assert abs(ik.command[joints.index(IK.joint_names[-1])]) > 0.9
    assert 'set the parameter joints' not in ik.process.output
    assert controller.active
    assert not controller.errors
    assert ik.process.end() == 0
    # One whose order is not the user's, or that drives other joints, gets no motion.
    for parameters, reason in (({'joints': list(IK.joint_names)}, 'in the order'), ({}, 'should drive')):
        controller.joints = joints if parameters else joints[:-1]
        other = Ik(alone, robot_description=URDF, **parameters)
        other.arm.speaks = False
        begun = time.monotonic()
        other.expect('error', reason, other.send)
        assert not other.arm.since(begun).any()
        assert other.process.end() == 0


def test_without_a_controller_to_ask_the_order_is_said_to_be_a_guess(alone):
    ik = Ik(alone, robot_description=URDF)
    alone.spin_until(lambda: len(ik.command), 'zeros', lambda: ik.send(np.zeros(6)))
    assert 'set the parameter joints' not in ik.process.output
    ik.move()
    assert 'set the parameter joints' in ik.process.output
    assert ik.process.end() == 0


def test_the_arm_halts_at_a_face_of_the_box(alone):
    height = float(IK.pose(POSTURE)[2, 3])
    down = np.zeros(6)
    down[:3] = IK.pose(POSTURE)[:3, :3].T @ [0.0, 0.0, -0.1]
    bounds = {'box.lower': [-2.0, -2.0, height - 0.03], 'collision.check': True, 'collision.table': 0.0}
    ik = Ik(alone, robot_description=URDF, **bounds)
    ik.expect('limited', 'halted: before a face of the box', lambda: ik.send(down))
    assert IK.pose(ik.arm.positions)[2, 3] > height - 0.031
    # Free to leave, and then before itself: the elbow folds.
    ik.move(-down, 0.05)
    ik.expect('limited', 'halted: before a', lambda: ik.send(IK.jacobian(ik.arm.positions) @ [0, 0, 0.5, 0, 0, 0]))
    assert ik.process.end() == 0


@pytest.mark.parametrize(
    ('parameters', 'sentence'),
    [
        ({'robot_description': URDF, 'joints': ['elbow']}, 'parameter joints should be the joints'),
        ({'robot_description': URDF, 'tip_frame': 'nose'}, 'nose'),
        ({'robot_description': '<robot'}, 'URDF'),
        ({'box.lower': [0.0, 0.0]}, 'box should have three finite numbers'),
        ({'robot_description': URDF, 'collision.check': True, 'collision.halt': 0.06}, '0 <= halt < slow'),
    ],
)
def test_a_parameter_without_meaning_ends_the_process_with_a_sentence(graph, parameters, sentence):
    node = graph.start('differential_ik', **parameters)
    assert node.wait() == 1
    assert sentence in node.output
    assert 'Traceback' not in node.output
