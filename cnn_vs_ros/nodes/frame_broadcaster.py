"""Transforms to TF, whose messages come with a ROS installation, not from PyPI."""

from __future__ import annotations

from collections.abc import Callable

from geometry_msgs.msg import TransformStamped
from rclpy.node import Node


def frame_sender(node: Node, frame: str) -> Callable[[TransformStamped], None]:
    """Return what publishes one transform of `frame` on /tf; without tf2_msgs it says so once, and sends none."""
    try:
        from tf2_msgs.msg import TFMessage
    except ImportError as error:
        sentence = f'{frame} is not sent to TF, for that needs the package tf2_msgs: {error}'
        node.get_logger().warning(sentence)
        return lambda transform: None
    publisher = node.create_publisher(TFMessage, '/tf', 100)
    return lambda transform: publisher.publish(TFMessage(transforms=[transform]))
