"""The region about the reference that the camera may be in."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.errors import ParameterError

Array = NDArray[np.float64]


class Workspace:
    """A box along the axes of the desired camera, and a greatest distance, both centred on the reference.

    `half_extents` (3,) and `distance` in metres; infinity leaves a bound out. Raises ParameterError for any that
    is not positive.
    """

    def __init__(self, half_extents: Sequence[float] = (math.inf,) * 3, distance: float = math.inf) -> None:
        if not (len(half_extents) == 3 and all(value > 0 for value in (*half_extents, distance))):
            raise ParameterError(
                f'workspace should be three positive half extents and a positive distance in metres but is '
                f'{tuple(half_extents)} and {distance}'
            )
        self.half_extents = np.array(half_extents, dtype=np.float64)
        self.distance = distance

    def violation(self, desired_T_current: Array) -> str:
        """Say which bound a pose (4, 4) of the current camera exceeds; empty inside of the workspace."""
        position = desired_T_current[:3, 3]
        for axis, value, bound in zip('xyz', position, self.half_extents, strict=True):
            if abs(value) > bound:
                return (
                    f'camera at {axis} = {value:.3f} m from the reference, beyond workspace.{axis} of {bound:g} m'
                )
        distance = float(np.linalg.norm(position))
        if distance > self.distance:
            return f'camera {distance:.3f} m from the reference, beyond workspace.distance of {self.distance:g} m'
        return ''
