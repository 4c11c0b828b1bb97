"""What most nodes need: two qualities of service, the time, and a clock that nobody sets."""

from __future__ import annotations

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
"""The newest message, also for those who come later."""

NEWEST = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
"""The newest message or none: images, whose like will follow."""


def seconds_now(node: Node) -> float:
    """Seconds of the node's clock, by which messages are stamped."""
    return 1e-9 * float(node.get_clock().now().nanoseconds)


def steady_clock() -> Clock:
    """Return a clock for timers that go on when the node's clock stands still or is set."""
    return Clock(clock_type=ClockType.STEADY_TIME)
