"""What most nodes need: qualities of service, the time, and a clock that nobody sets."""

from __future__ import annotations

from builtin_interfaces.msg import Time
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
"""The newest message, also for those who come later."""

LATCHED_HISTORY = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
"""The same for a listener who is to miss none of several that come in quick succession: the words of a status."""

NEWEST = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
"""The newest message or none: images, whose like will follow."""


def seconds_now(node: Node) -> float:
    """Seconds of the node's clock, by which messages are stamped."""
    return 1e-9 * float(node.get_clock().now().nanoseconds)


def stamp_now(node: Node) -> Time:
    """Stamp of the node's clock."""
    stamp: Time = node.get_clock().now().to_msg()
    return stamp


def steady_clock() -> Clock:
    """Return a clock for timers that go on when the node's clock stands still or is set."""
    return Clock(clock_type=ClockType.STEADY_TIME)
