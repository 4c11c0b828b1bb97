"""Transforms to TF. tf2_msgs comes with a ROS installation, not from PyPI: only `visualization` imports this."""

from __future__ import annotations

from geometry_msgs.msg import TransformStamped
from rclpy.node import Node
from tf2_msgs.msg import TFMessage


class FrameBroadcaster:
    """Publishes transforms on /tf for a node."""

    def __init__(self, node: Node) -> None:
        self._publisher = node.create_publisher(TFMessage, '/tf', 100)

    def send(self, transform: TransformStamped) -> None:
        """Publish one transform."""
        self._publisher.publish(TFMessage(transforms=[transform]))
