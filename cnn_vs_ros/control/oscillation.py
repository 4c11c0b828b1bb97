"""Noticing that the camera swings about the goal instead of arriving there."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SWINGS = 4
"""Half swings in a row that must not die away."""

DECAY = 0.7
"""Part of its first speed that the last of them has left where they do not."""

LEAST_SPEED = 0.12
"""rad/s, or as much in units of `length`, that a swing has: slower ones are the noise of estimates."""

SHORTEST, LONGEST = 0.08, 4.0
"""Seconds of a half swing."""


class Oscillation:
    """Watches the twists sent for half swings, each against the one before. `length` as in PbvsLaw."""

    def __init__(self, length: float) -> None:
        self.length = length
        self.reset()

    def reset(self) -> None:
        """Forget the motion."""
        self._peak = np.zeros(6)
        self._begun = -np.inf
        self._speeds: list[float] = []

    def update(self, time: float, twist: Array) -> bool:
        """Take the twist (6,) sent at `time` (seconds) and say whether the camera swings without end."""
        velocity = np.concatenate([twist[:3] / self.length, twist[3:]])
        speed, peak = float(np.linalg.norm(velocity)), float(np.linalg.norm(self._peak))
        if time - self._begun > LONGEST:
            self._speeds.clear()
        if speed >= LEAST_SPEED and velocity @ self._peak < -0.5 * speed * peak:
            self._turn(time, peak)
            self._peak = velocity
        elif speed > peak:
            self._peak = velocity
        swinging = len(self._speeds) >= SWINGS and self._speeds[-1] >= DECAY * self._speeds[-SWINGS]
        if swinging:
            self.reset()
        return swinging

    def _turn(self, time: float, peak: float) -> None:
        if time - self._begun < SHORTEST or peak < LEAST_SPEED:
            self._speeds.clear()
        else:
            self._speeds.append(peak)
        self._begun = time
