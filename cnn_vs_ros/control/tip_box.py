"""A box in the base frame that the tip of an arm does not leave."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.errors import ParameterError

Array = NDArray[np.float64]

APPROACH_TIME = 0.3
"""Seconds to a face, at the present speed, from which on the tip slows down."""


class TipBox:
    """Box between the corners `lower` and `upper` (3,), metres along the axes of the base.

    Towards a face the speed is at most the distance to it divided by APPROACH_TIME: the tip comes to rest at the
    face. Away from it, and back into the box, it is free.

    Raises:
        ParameterError: corners of another shape, not finite, or of no volume.
    """

    def __init__(self, lower: Sequence[float], upper: Sequence[float]) -> None:
        self.lower, self.upper = np.array(lower, dtype=np.float64), np.array(upper, dtype=np.float64)
        shapes = self.lower.shape == self.upper.shape == (3,)
        if not (shapes and np.isfinite([*lower, *upper]).all() and (self.lower < self.upper).all()):
            raise ParameterError(
                'box should have three finite numbers as its lower corner and three greater ones as its upper one '
                f'but they are {list(lower)} and {list(upper)}'
            )

    def scale(self, position: Array, velocity: Array) -> float:
        """Part, from 0 to 1, of a velocity (3,) that the tip may keep at its position (3,), both in the base."""
        left = np.where(velocity > 0, self.upper - position, position - self.lower)
        allowed, speeds = np.clip(left, 0.0, None) / APPROACH_TIME, np.abs(velocity)
        moving = speeds > 1e-9
        return float(min(1.0, (allowed[moving] / speeds[moving]).min(initial=np.inf)))
