"""Publishers that cannot be heard are named with both qualities of service; users may override them."""

from __future__ import annotations

import time

import pytest
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from std_msgs.msg import String

from cnn_vs_ros.nodes.quality_of_service import overridable, subscribe
from test.ros_graph import in_own_domain

RELIABLE = QoSProfile(depth=1)
BEST_EFFORT = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


@pytest.mark.parametrize(
    ('topic', 'offered', 'asked', 'words'),
    [
        ('twist', BEST_EFFORT, RELIABLE, ('reliable', 'best effort')),
        ('robot_description', RELIABLE, LATCHED, ('transient local', 'volatile')),
    ],
)
def test_a_publisher_that_is_not_heard_is_named_with_both_qualities(topic, offered, asked, words):
    with in_own_domain():
        node = Node('listener', namespace='arm')
        said: list[str] = []
        logger = node.get_logger()
        logger.warning = said.append
        node.get_logger = lambda: logger
        subscribe(node, String, topic, lambda message: None, asked)
        node.create_publisher(String, topic, offered)
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        end = time.monotonic() + 20
        while not said and time.monotonic() < end:
            executor.spin_once(timeout_sec=0.1)
        assert said == [
            f'/arm/{topic} should be published {words[0]}, as listener subscribes to it, '
            f'but somebody publishes it {words[1]}: none of that is heard'
        ]


def test_durability_may_be_overridden_too():
    given = 'qos_overrides./arm/info.publisher.durability:=transient_local'
    with in_own_domain('-p', given):
        node = Node('talker', namespace='arm')
        publisher = node.create_publisher(String, 'info', **overridable(RELIABLE))
        assert publisher.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL
        assert RELIABLE.durability != DurabilityPolicy.TRANSIENT_LOCAL  # it is others' as well
