"""How much of the commanded speed a robot's own controller leaves: its speed slider, and its pauses."""

from __future__ import annotations

import math

import numpy as np

FRESH = 1.0
"""Seconds for which a word of the robot counts; with none, all of the speed is there."""

PAUSED = 0.005
"""Part of the speed under which the robot is paused: sliders have steps of one percent."""


class SpeedScaling:
    """The last word of the robot about its speed. Times are seconds of one clock, which the caller reads."""

    def __init__(self) -> None:
        self._part, self._heard = 1.0, -math.inf

    def hear(self, percent: float, now: float) -> None:
        """Take the speed that is left, in percent; what is not finite says nothing."""
        if math.isfinite(percent):
            self._part, self._heard = float(np.clip(0.01 * percent, 0.0, 1.0)), now

    def part(self, now: float) -> float:
        """Part of the commanded speed with which the robot moves, 0 to 1."""
        return self._part if 0.0 <= now - self._heard <= FRESH else 1.0

    def pause(self, now: float) -> str:
        """Why the robot does not move at all; empty if it may."""
        return 'the robot is paused: its speed scaling is 0 %' if self.part(now) < PAUSED else ''
