"""differential_ik against the contract of ros2_control's forward_command_controller, over DDS."""

from __future__ import annotations

import signal

import numpy as np
import pytest
import yaml
from std_msgs.msg import Float64MultiArray

from test.nodes.test_differential_ik import IK, TWIST, URDF, Ik
from test.ros_graph import ROOT, Graph
from test.stand_ins.forward_command_controller import ForwardCommandController

JOINTS = yaml.safe_load((ROOT / 'config' / 'ros2_controllers.yaml').read_text())[
    '/**/forward_velocity_controller'
]['ros__parameters']['joints']


@pytest.fixture
def graph(tmp_path):
    graph = Graph(tmp_path)
    yield graph
    graph.close()


def test_commands_are_what_the_controller_takes_and_the_last_one_stops_the_arm(graph):
    controller = ForwardCommandController(graph, JOINTS)
    ik = Ik(graph, robot_description=URDF)

    def moves() -> bool:
        return controller.held is not None and np.abs(controller.held).max() > 0.02

    graph.spin_until(moves, 'motion', ik.send)
    # Whatever comes in, every command is valid: the controller would go on with the one before.
    refused = (
        (np.full(6, np.nan), 'should be finite but got [nan'),
        (np.array([np.inf, 0, 0, 0, 0, 0]), 'should be finite but got [inf'),
        (1e6 * TWIST, 'should be at most 0.5 m/s'),
    )
    for twist, refusal in refused:
        graph.spin_until(moves, 'motion', ik.send)
        graph.spin_until(lambda said=refusal: said in ik.process.output, refusal, lambda bad=twist: ik.send(bad))
    ik.send(frame='another_frame')
    graph.spin_until(lambda: not controller.held.any(), 'zeros held')
    # It holds what it has for ever, so the end of the node must leave zeros.
    graph.spin_until(moves, 'motion', ik.send)
    assert ik.process.end(signal.SIGTERM) == 0
    graph.spin_until(lambda: not controller.held.any(), 'zeros held after the end')
    assert controller.active
    assert controller.dropped == 0
    assert not controller.errors


def test_the_joints_of_the_controller_are_those_of_the_description_in_its_order():
    assert list(IK.joint_names) == JOINTS


def test_the_stand_in_is_as_strict_as_the_controller(graph):
    controller = ForwardCommandController(graph, JOINTS)
    publisher = graph.node.create_publisher(Float64MultiArray, 'forward_velocity_controller/commands', 10)
    graph.spin_until(publisher.get_subscription_count, 'the subscription')
    publisher.publish(Float64MultiArray(data=[1.0] * 6))
    publisher.publish(Float64MultiArray(data=[1.0, np.nan, 0.0, 0.0, 0.0, 0.0]))
    publisher.publish(Float64MultiArray(data=[0.0] * 5))
    graph.spin_until(lambda: controller.errors, 'an error')
    assert controller.dropped == 1
    assert controller.held.tolist() == [1.0] * 6
    publisher.publish(Float64MultiArray(data=[0.0] * 6))  # too late: it is not active any more
    graph.spin(0.3)
    assert not controller.active
    assert controller.held.tolist() == [1.0] * 6
