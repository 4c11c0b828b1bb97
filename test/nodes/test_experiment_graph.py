"""What an experiment finds beside its own graph, over DDS in one process."""

from __future__ import annotations

import time

import pytest
import rclpy
from rosgraph_msgs.msg import Clock
from std_msgs.msg import Float64MultiArray

from cnn_vs_ros.nodes.experiment_graph import RosGraph
from cnn_vs_ros.run import RunError
from test.ros_graph import PATIENCE, own_domain


@pytest.fixture
def context():
    context = rclpy.Context()
    with own_domain() as domain:  # /clock has no namespace
        rclpy.init(context=context, domain_id=domain)
        yield context
        rclpy.shutdown(context=context)


def refusal(graph, not_yet=None):
    """What a graph is refused for, as soon as it is discovered, and what was before, `not_yet`, is gone."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            graph._check_alone()
        except RunError as error:
            if not_yet is None or not_yet not in str(error):
                return str(error)
        time.sleep(0.02)
    return ''


def test_a_second_graph_a_second_clock_and_a_controller_are_refused(context):
    def made(name, namespace='here'):
        return rclpy.create_node(name, namespace=namespace, context=context)

    own = made('experiment')
    graph = RosGraph(own, simulated=True, clips=False)
    arm, elsewhere = made('simulator'), made('simulator', 'there')
    arm.create_publisher(Clock, '/clock', 1)
    arm.create_subscription(Float64MultiArray, 'forward_velocity_controller/commands', lambda _: None, 1)
    time.sleep(0.2)
    graph._check_alone()

    second = made('simulator')
    assert refusal(graph) == 'one simulator should be in this ROS domain but two are: end the other graph'
    second.destroy_node()
    elsewhere.create_publisher(Clock, '/clock', 1)
    assert (
        refusal(graph, not_yet='one simulator') == 'one node should publish /clock but 2 do: end the other graph'
    )
    elsewhere.destroy_node()
    controller = made('forward_velocity_controller')
    controller.create_subscription(Float64MultiArray, '~/commands', lambda _: None, 1)
    said = refusal(graph, not_yet='/clock')
    assert said.startswith('only the simulated arm should take /here/forward_velocity_controller/commands but a')

    RosGraph(own, simulated=False, clips=False)._check_alone()
