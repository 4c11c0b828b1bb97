"""moveit_servo_adapter against MoveIt Servo's contract, over DDS."""

from __future__ import annotations

import importlib.util
import signal

import numpy as np
import pytest
from geometry_msgs.msg import TwistStamped
from std_msgs.msg import String
from std_srvs.srv import SetBool

from cnn_vs_ros.control.moveit_servo import ServoCode, rigid_transform, twist_of_end_effector
from cnn_vs_ros.nodes import messages
from cnn_vs_ros.simulation import load_robot_description
from test.ros_graph import LATCHED, Graph
from test.stand_ins.moveit_servo import MoveItServo

URDF = load_robot_description()
FRAME = 'camera_optical_frame'
TWIST = np.array([0.02, -0.01, 0.03, 0.05, -0.1, 0.08])
EXPECTED = twist_of_end_effector(rigid_transform(URDF, 'tool0', FRAME), TWIST)


def stamp_of(message: TwistStamped) -> tuple[int, int]:
    return message.header.stamp.sec, message.header.stamp.nanosec


def moves(message: TwistStamped) -> bool:
    return bool(messages.twist_from_message(message.twist).any())


class Adapter:
    """The node as a process with MoveIt Servo's stand-in behind it."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.servo = MoveItServo(graph, frames=('tool0', 'base_link'))
        self.status = graph.listen(String, 'arm_status', LATCHED)
        self.reason = graph.listen(String, 'arm_status_reason', LATCHED)
        self.twists = graph.node.create_publisher(TwistStamped, 'twist', 1)
        self.stamps: set[tuple[int, int]] = set()
        self.process = graph.start('test.stand_ins.moveit_servo', robot_description=URDF, status_timeout=0.5)

    def send(self, twist=TWIST, frame: str = FRAME, age: float = 0.0) -> None:
        message = TwistStamped(twist=messages.twist_to_message(twist))
        message.header.frame_id = frame
        now = self.graph.node.get_clock().now().nanoseconds - int(age * 1e9)
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(now, 10**9)
        self.stamps.add(stamp_of(message))
        self.twists.publish(message)

    def move(self) -> None:
        self.graph.spin_until(lambda: self.servo.twist is not None and self.servo.twist.any(), 'motion', self.send)

    def listen(self) -> list[TwistStamped]:
        """List that grows with what Servo is sent, from a motion on."""
        sent = self.graph.listen(TwistStamped, 'servo_node/delta_twist_cmds')
        self.graph.spin_until(lambda: any(map(moves, sent)), 'a moving twist', self.send)
        return sent

    def expect(self, word: str, each=None) -> None:
        self.graph.spin_until(lambda: self.status and self.status[-1].data == word, f'the status {word}', each)


@pytest.fixture(scope='module')
def adapter(tmp_path_factory):
    graph = Graph(tmp_path_factory.mktemp('moveit_servo_adapter'))
    adapter = Adapter(graph)
    yield adapter
    assert adapter.process.end() == 0
    assert 'Traceback' not in adapter.process.output
    graph.close()


def test_switches_the_command_type_before_it_sends_anything(adapter):
    adapter.move()
    assert adapter.servo.switches >= 1
    assert not adapter.servo.refused
    assert adapter.status[-1].data == 'servoing'


def test_sends_the_twist_of_the_end_effector_with_its_stamp(adapter):
    adapter.move()
    np.testing.assert_allclose(adapter.servo.twist, EXPECTED, atol=1e-12)
    received = adapter.listen()
    adapter.send(age=0.05)
    adapter.graph.spin(0.2)
    adapter.move()
    assert {message.header.frame_id for message in received} == {'tool0'}
    assert {stamp_of(message) for message in received if moves(message)} <= adapter.stamps
    assert not adapter.servo.refused


def test_a_twist_that_is_late_is_not_made_fresh(adapter):
    adapter.move()
    adapter.graph.spin_until(lambda: not _moves(adapter), 'a stop', lambda: adapter.send(age=0.4))
    assert 'should be at most 0.1 s old' in adapter.process.output


@pytest.mark.parametrize(
    ('twist', 'frame', 'sentence'),
    [(np.full(6, np.nan), FRAME, 'finite'), (TWIST, 'base_link', 'twist should be in camera_optical_frame')],
)
def test_zeros_for_a_twist_that_cannot_be_sent(adapter, twist, frame, sentence):
    adapter.move()
    adapter.graph.spin_until(
        lambda: adapter.servo.twist is not None and not adapter.servo.twist.any(),
        'zeros',
        lambda: adapter.send(twist, frame),
    )
    assert sentence in adapter.process.output


@pytest.mark.parametrize(
    ('code', 'sentence'),
    [
        (ServoCode.HALT_FOR_SINGULARITY, 'halted: at a singularity'),
        (ServoCode.HALT_FOR_COLLISION, 'halted: about to collide'),
    ],
)
def test_says_what_servo_says(adapter, code, sentence):
    adapter.servo.status = (int(code), '')
    adapter.expect('limited', adapter.send)
    adapter.graph.spin_until(lambda: adapter.reason[-1].data == sentence, sentence, adapter.send)
    adapter.servo.status = (int(ServoCode.NO_WARNING), '')
    adapter.expect('servoing', adapter.send)


def test_a_pause_is_passed_on_and_honoured(adapter):
    adapter.move()
    assert adapter.graph.call(SetBool, 'moveit_servo_adapter/pause', SetBool.Request(data=True)).success
    adapter.expect('stopped', adapter.send)
    adapter.graph.spin_until(lambda: adapter.servo.paused, 'the pause')
    adapter.graph.spin(0.2)
    count = len(adapter.servo.received)
    for _ in range(10):
        adapter.send()
        adapter.graph.spin(0.03)
    assert len(adapter.servo.received) == count
    assert adapter.graph.call(SetBool, 'moveit_servo_adapter/pause', SetBool.Request(data=False)).success
    adapter.move()


def test_a_pause_by_another_is_honoured_as_well(adapter):
    adapter.move()
    adapter.servo.paused = True
    adapter.expect('stale', adapter.send)
    adapter.servo.paused = False
    adapter.move()


def test_an_arm_that_servo_has_left_behind_stops_until_twists_were_zero_and_is_taken_up_where_it_is(adapter):
    sent = adapter.listen()
    joint = adapter.servo.joint
    joint.active = False
    adapter.expect('stopped', adapter.send)
    assert 'elbow_joint is 0' in adapter.reason[-1].data
    assert 'is the controller of joint_trajectory_controller/joint_trajectory active?' in adapter.reason[-1].data
    adapter.graph.spin(0.1)  # what was sent before the stop
    heard = len(sent)
    for _ in range(10):
        adapter.send()
        adapter.graph.spin(0.03)
    adapter.graph.spin_until(
        lambda: adapter.status[-1].data == 'servoing', 'trust', lambda: adapter.send(np.zeros(6))
    )
    assert not any(map(moves, sent[heard:]))
    assert len(sent) <= heard + 1  # the zeros of the stop
    stood, joint.active = joint.position, True
    adapter.graph.spin_until(lambda: joint.position != stood, 'motion', adapter.send)
    assert abs(joint.position - stood) < 0.02


def test_an_arm_whose_joint_states_cease_is_sent_nothing(adapter):
    adapter.move()
    adapter.servo.joint.measured = False
    adapter.expect('stale', adapter.send)
    adapter.graph.spin_until(lambda: adapter.servo.twist is None, 'silence', adapter.send)
    adapter.servo.joint.measured = True
    adapter.move()


def test_zeros_cease_so_that_another_may_move_the_arm_by_the_same_topic(adapter):
    adapter.move()
    adapter.graph.spin_until(lambda: adapter.servo.twist is None, 'silence', lambda: adapter.send(np.zeros(6)))
    adapter.graph.spin(0.3)
    said = len(adapter.status)
    for _ in range(10):
        adapter.servo.command(adapter.servo.joint.position + 0.5)
        adapter.graph.spin(0.05)
    adapter.move()
    assert 'stopped' not in {message.data for message in adapter.status[said:]}


def test_a_restarted_servo_is_switched_again(adapter):
    adapter.move()
    switches = adapter.servo.switches
    adapter.servo.running = False
    adapter.expect('stale', adapter.send)
    adapter.servo.restart()
    adapter.servo.running = True
    adapter.move()
    assert adapter.servo.switches > switches
    assert not adapter.servo.refused


@pytest.mark.parametrize(
    ('attribute', 'wrong', 'sentence'),
    [
        ('command_in_type', 'unitless', 'command_in_type should be speed_units but is unitless'),
        ('apply_about_end_effector', False, 'apply_twist_commands_about_ee_frame should be True but is False'),
    ],
)
def test_servo_set_up_otherwise_is_sent_nothing(adapter, attribute, wrong, sentence):
    right = getattr(adapter.servo, attribute)
    adapter.servo.running = False
    adapter.expect('stale')
    setattr(adapter.servo, attribute, wrong)
    adapter.servo.received.clear()
    adapter.servo.running = True
    adapter.expect('error', adapter.send)
    adapter.graph.spin_until(lambda: sentence in adapter.reason[-1].data, sentence, adapter.send)
    assert not adapter.servo.received
    setattr(adapter.servo, attribute, right)
    adapter.move()


def test_a_signal_in_motion_sends_zeros_before_the_exit(adapter):  # the last with this process
    sent = adapter.listen()
    assert moves(sent[-1])
    assert adapter.process.end(signal.SIGTERM) == 0
    adapter.graph.spin_until(lambda: not moves(sent[-1]), 'zeros')
    adapter.expect('stopped')


@pytest.mark.skipif(importlib.util.find_spec('moveit_msgs') is not None, reason='MoveIt is installed')
def test_without_moveit_the_node_ends_with_a_sentence(tmp_path):
    graph = Graph(tmp_path)
    node = graph.start('moveit_servo_adapter')
    assert node.wait() == 1
    assert 'moveit_servo_adapter needs the package moveit_msgs' in node.output
    assert 'Traceback' not in node.output
    graph.close()


def _moves(adapter: Adapter) -> bool:
    return adapter.servo.twist is not None and bool(adapter.servo.twist.any())
