"""When a servo task is done."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.errors import ParameterError
from cnn_vs_ros.geometry import RelativePose

Array = NDArray[np.float64]

PEAK = 4.0
"""A single estimate may lie this many thresholds away without breaking convergence."""

MINIMUM_SAMPLES = 3
"""Fewer estimates than this say nothing about a mean, however slow the camera."""

LONGEST_GAP = 1.0
"""Seconds between two estimates of which nothing is known."""


@dataclass(frozen=True)
class ConvergenceSettings:
    """Thresholds in metres, radians and seconds; `linear_velocity` and `angular_velocity` are those of rest."""

    translation: float = 5e-5
    rotation: float = 3.5e-4
    hold_time: float = 0.5
    confidence: float = 0.0
    linear_velocity: float = math.inf
    angular_velocity: float = math.inf

    def __post_init__(self) -> None:
        if not (self.translation > 0 and self.rotation > 0 and self.hold_time >= 0):
            raise ParameterError(
                'convergence thresholds should be positive and hold_time zero or more but are '
                f'{self.translation} m, {self.rotation} rad and {self.hold_time} s'
            )

    def at_rest(self, twist: Array) -> bool:
        """Whether a twist (6,) is as good as none."""
        return bool(
            np.linalg.norm(twist[:3]) <= self.linear_velocity
            and np.linalg.norm(twist[3:]) <= self.angular_velocity
        )


class Convergence:
    """Whether the relative pose has stayed at the goal for `hold_time` seconds.

    Estimates are noisy, so the thresholds bound the MEAN translation (metres) and rotation vector (radians)
    over the last `hold_time`, and over the last three at least; every single estimate must lie within 4 times the
    thresholds, which an oscillation about the goal would not. An estimate with less than `confidence` shows
    nothing of the kind; None counts as 0.
    """

    def __init__(self, settings: ConvergenceSettings) -> None:
        self.settings = settings
        self._samples: deque[tuple[float, Array]] = deque()
        self._since = math.inf

    def reset(self) -> None:
        """Forget all estimates: the hold time starts anew."""
        self._samples.clear()
        self._since = math.inf

    def update(self, pose: RelativePose, time: float) -> bool:
        """Add the estimate of an image taken at `time` (seconds) and say whether the task has converged."""
        settings = self.settings
        if self._samples and not 0 <= time - self._samples[-1][0] <= LONGEST_GAP:
            self.reset()
        if pose.is_lost or (pose.confidence or 0.0) < settings.confidence or not self._within(pose.vector, PEAK):
            self.reset()
            return False
        self._since = min(self._since, time)
        self._samples.append((time, pose.vector))
        while len(self._samples) > MINIMUM_SAMPLES and time - self._samples[0][0] > settings.hold_time:
            self._samples.popleft()
        long_enough = time - self._since >= settings.hold_time and len(self._samples) >= MINIMUM_SAMPLES
        return long_enough and self._within(np.mean([sample for _, sample in self._samples], axis=0), 1.0)

    def _within(self, vector: Array, factor: float) -> bool:
        return bool(
            np.linalg.norm(vector[:3]) <= factor * self.settings.translation
            and np.linalg.norm(vector[3:]) <= factor * self.settings.rotation
        )
