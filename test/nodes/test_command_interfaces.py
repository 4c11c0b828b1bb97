"""differential_ik and the simulated arm by joint positions and by trajectories, over DDS."""

from __future__ import annotations

import signal

import numpy as np
import pytest
from geometry_msgs.msg import TwistStamped
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64, Float64MultiArray, String
from trajectory_msgs.msg import JointTrajectory

from cnn_vs_ros.control.command_interface import CommandInterface
from cnn_vs_ros.geometry import se3
from cnn_vs_ros.nodes import messages
from cnn_vs_ros.nodes.speed_scaling import TOPIC as SPEED_SCALING
from test.nodes.test_differential_ik import IK, URDF
from test.ros_graph import LATCHED, Graph

TWIST = np.array([0.02, -0.01, -0.03, 0.0, 0.0, 0.1])
MESSAGES = {CommandInterface.POSITION: Float64MultiArray, CommandInterface.TRAJECTORY: JointTrajectory}


@pytest.fixture
def graph(tmp_path):
    graph = Graph(tmp_path)
    yield graph
    graph.close()


class Arm:
    """The node and, once `power_on` is called, the simulated arm that takes what it sends."""

    def __init__(self, graph: Graph, interface: CommandInterface) -> None:
        self.graph, self.interface = graph, interface
        self.twists = graph.node.create_publisher(TwistStamped, 'twist', 1)
        self.sliders = graph.node.create_publisher(Float64, SPEED_SCALING, 1)
        self.states = graph.listen(JointState, 'joint_states')
        self.commands = graph.listen(MESSAGES[interface], interface.topic, 100)
        self.status = graph.listen(String, 'arm_status', LATCHED)
        self.reason = graph.listen(String, 'arm_status_reason', LATCHED)
        parameters = {'command_interface': interface.value}
        self.ik = graph.start('differential_ik', robot_description=URDF, **parameters)

    def power_on(self) -> None:
        parameters = {'command_interface': self.interface.value, 'scene': 'low_texture', 'image_rate': 0.1}
        self.graph.start('simulator', **parameters)
        self.graph.spin_until(lambda: self.states, 'joint_states')

    @property
    def q(self) -> np.ndarray:
        return np.array(self.states[-1].position)

    @property
    def speed(self) -> float:
        return float(np.abs(self.states[-1].velocity).max())

    def send(self, twist=TWIST) -> None:
        message = TwistStamped(twist=messages.twist_to_message(twist))
        message.header.frame_id, message.header.stamp = 'camera_optical_frame', self.graph.now()
        self.twists.publish(message)

    def expect(self, status: str, reason: str, each=None) -> None:
        self.graph.spin_until(
            lambda: self.status and (self.status[-1].data, reason in self.reason[-1].data) == (status, True),
            f'{status}: {reason}',
            each or self.send,
        )

    def expect_rest(self, each=None) -> None:
        self.graph.spin_until(lambda: self.speed < 1e-3, 'rest', each)


@pytest.mark.parametrize('interface', MESSAGES)
def test_the_arm_follows_twists_and_holds_at_every_stop(graph, interface):
    arm = Arm(graph, interface)
    if interface is CommandInterface.POSITION:
        arm.expect('error', 'positions in another order would be a leap')
        assert not arm.commands
    arm.power_on()
    begun = arm.q
    arm.expect('servoing', '', lambda: arm.send(np.zeros(6)))
    np.testing.assert_allclose(arm.q, begun, atol=1e-6)
    if interface is CommandInterface.POSITION:
        graph.spin_until(lambda: arm.commands, 'the position to hold', lambda: arm.send(np.zeros(6)))
    assert bool(arm.commands) == (interface is CommandInterface.POSITION)

    graph.spin_until(lambda: np.abs(arm.q - begun).max() > 0.02, 'motion', arm.send)
    arm.expect_rest()  # the twists have ceased
    held = arm.q
    graph.spin(0.8)
    np.testing.assert_allclose(arm.q, held, atol=1e-4)
    sent = len(arm.commands)
    graph.spin(0.5)
    # A trajectory replaces another: while the arm rests its controller is for others, MoveIt for instance.
    assert (len(arm.commands) > sent) == (interface is CommandInterface.POSITION)

    def paused() -> None:
        arm.sliders.publish(Float64(data=0.0))
        arm.send()

    arm.expect('limited', 'the robot is paused', paused)
    arm.expect_rest(paused)
    arm.sliders.publish(Float64(data=100.0))
    graph.spin_until(lambda: np.abs(arm.q - held).max() > 0.02, 'motion', arm.send)
    moved = se3.log(se3.inverse(IK.pose(held)) @ IK.pose(arm.q))
    assert moved @ TWIST > 0.95 * np.linalg.norm(moved) * np.linalg.norm(TWIST)
    assert arm.ik.end(signal.SIGTERM) == 0
    arm.expect_rest()
    assert 'Traceback' not in arm.ik.output
