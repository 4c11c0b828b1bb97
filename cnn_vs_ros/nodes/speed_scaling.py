"""What a robot tells of its speed slider and its pauses, as the driver of a UR publishes it."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.node import Node
from rclpy.subscription import Subscription
from std_msgs.msg import Float64

from cnn_vs_ros.control.speed_scaling import SpeedScaling
from cnn_vs_ros.nodes.common import NEWEST

TOPIC = 'speed_scaling_state_broadcaster/speed_scaling'


def hear_speed_scaling(node: Node, scaling: SpeedScaling, now: Callable[[], float]) -> Subscription:
    """Have `scaling` hear what comes on TOPIC, in percent, at the time that `now` tells, seconds."""
    return node.create_subscription(Float64, TOPIC, lambda message: scaling.hear(message.data, now()), NEWEST)
