"""Whether what a neighbour sent last is still of use."""

from __future__ import annotations

import math
import time

from rclpy.node import Node

STANDSTILL = 1.0
"""Wall-clock seconds beyond the timeout after which a node's clock that stands still is not waited for."""


class Freshness:
    """Watches the arrival of messages that must come every `timeout` seconds of the node's clock."""

    def __init__(self, node: Node, timeout: float) -> None:
        self._node, self.timeout = node, timeout
        self._clock = self._wall = -math.inf

    def renew(self) -> None:
        """Note that a message came."""
        self._clock, self._wall = self._now(), time.monotonic()

    @property
    def has_come(self) -> bool:
        """Whether there has been any message."""
        return self._wall > -math.inf

    @property
    def is_over(self) -> bool:
        """Whether the last message is too old, or of before the clock was set back, or there was none."""
        age = self._now() - self._clock
        return not 0 <= age <= self.timeout or time.monotonic() - self._wall > self.timeout + STANDSTILL

    def _now(self) -> float:
        return 1e-9 * self._node.get_clock().now().nanoseconds
