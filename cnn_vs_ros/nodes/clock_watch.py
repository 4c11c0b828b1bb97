"""Noticing that a simulated clock stands still while the world goes on."""

from __future__ import annotations

import time

from rclpy.node import Node

STANDSTILL = 0.25
"""Wall-clock seconds after which a clock that stands still, while images go on, is not waited for."""

_MESSAGES = 2
"""A simulator that waits for an answer to its last image stands still, and sends no second one."""


class ClockWatch:
    """Watches a node's clock against the wall's and against messages that tell of motion."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._clock = -1
        self._wall, self._heard = time.monotonic(), 0

    def hear(self) -> None:
        """Note that a message came that a world at rest would not send."""
        self._heard += 1

    @property
    def stands_still(self) -> bool:
        """Whether the clock has stopped and the world has not."""
        now = self._node.get_clock().now().nanoseconds
        if now != self._clock:
            self._clock, self._wall, self._heard = now, time.monotonic(), 0
        return self._heard >= _MESSAGES and time.monotonic() - self._wall > STANDSTILL
