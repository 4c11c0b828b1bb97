"""The time by which a node judges how old a message is: since it came, not since it was stamped."""

from __future__ import annotations

import time

from rclpy.node import Node

STANDSTILL = 0.5
"""Wall-clock seconds that a node's simulated time may stand still before the wall's time counts instead."""


class ArrivalClock:
    """Seconds that never go back: of the wall, or with `use_sim_time` of `/clock`.

    Simulated time that stands still because it waits for a slow node is waited for, by STANDSTILL and no longer;
    time that is set back goes on from where it was.
    """

    def __init__(self, node: Node) -> None:
        self._clock = node.get_clock()
        self._elapsed = 0.0
        self._moved = self._wall = time.monotonic()
        self._told = self._clock.now().nanoseconds

    def now(self) -> float:
        """Seconds since an arbitrary instant."""
        wall, told = time.monotonic(), self._clock.now().nanoseconds
        if not self._clock.ros_time_is_active:
            self._elapsed += wall - self._wall
        elif told > self._told:
            self._elapsed += 1e-9 * (told - self._told)
            self._moved = wall
        else:
            self._moved = wall if told < self._told else self._moved
            self._elapsed += max(0.0, wall - max(self._wall, self._moved + STANDSTILL))
        self._wall, self._told = wall, told
        return self._elapsed
