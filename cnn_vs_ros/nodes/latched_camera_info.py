"""Calibrations that were published once, before anybody listened."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo

from cnn_vs_ros.nodes.common import LATCHED


def subscribe_to_latched(node: Node, callback: Callable[[CameraInfo], None]) -> Subscription:
    """Subscribe to `camera_info` where it is latched, beside the subscription to what every driver publishes.

    DDS gives what was said before only to those who ask for it, and those who ask get nothing of the others: that
    these do not fit is as expected, and no warning.
    """
    return node.create_subscription(
        CameraInfo,
        'camera_info',
        callback,
        LATCHED,
        event_callbacks=SubscriptionEventCallbacks(incompatible_qos=lambda _: None),
    )
