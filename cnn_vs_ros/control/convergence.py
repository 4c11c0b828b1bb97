"""When a servo task is done."""

from __future__ import annotations

import math
from collections import deque

import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.errors import ParameterError
from cnn_vs_ros.geometry import RelativePose

Array = NDArray[np.float64]

PEAK = 4.0
"""A single estimate may lie this many thresholds away without breaking convergence."""

MINIMUM_SAMPLES = 3
"""Fewer estimates than this say nothing about a mean, however slow the camera."""


class Convergence:
    """Whether the relative pose has stayed at the goal for `hold_time` seconds.

    Estimates are noisy, so the thresholds bound the MEAN translation (metres) and rotation vector (radians)
    over the last `hold_time`; every single estimate must lie within 4 times the thresholds, which an
    oscillation about the goal would not. An estimate with less than `confidence` shows nothing of the kind.
    """

    def __init__(self, translation: float, rotation: float, hold_time: float, confidence: float = 0.0) -> None:
        if not (translation > 0 and rotation > 0 and hold_time >= 0):
            raise ParameterError(
                'convergence thresholds should be positive and hold_time zero or more but are '
                f'{translation} m, {rotation} rad and {hold_time} s'
            )
        self.translation = translation
        self.rotation = rotation
        self.hold_time = hold_time
        self.confidence = confidence
        self._samples: deque[tuple[float, Array]] = deque()
        self._since = math.inf

    def reset(self) -> None:
        """Forget all estimates: the hold time starts anew."""
        self._samples.clear()
        self._since = math.inf

    def update(self, pose: RelativePose, time: float) -> bool:
        """Add the estimate of an image taken at `time` (seconds) and say whether the task has converged."""
        if pose.is_lost or (self._samples and time < self._samples[-1][0]):
            self.reset()
        if pose.is_lost:
            return False
        vector = pose.vector
        if pose.confidence < self.confidence or not self._within(vector, PEAK):
            self.reset()
            return False
        self._since = min(self._since, time)
        self._samples.append((time, vector))
        while time - self._samples[0][0] > self.hold_time:
            self._samples.popleft()
        long_enough = time - self._since >= self.hold_time and len(self._samples) >= MINIMUM_SAMPLES
        return long_enough and self._within(np.mean([sample for _, sample in self._samples], axis=0), 1.0)

    def _within(self, vector: Array, factor: float) -> bool:
        return bool(
            np.linalg.norm(vector[:3]) <= factor * self.translation
            and np.linalg.norm(vector[3:]) <= factor * self.rotation
        )
