"""What is made of the law's twist before the limits: free axes, deadband, speed by confidence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.errors import ParameterError
from cnn_vs_ros.geometry import se3

Array = NDArray[np.float64]

SLOWEST = 0.1
"""Part of the speed that is left to the least confident estimate that is still used."""


class DemandShaping:
    """Shapes the twist [v; omega] of the current camera.

    `mask` (6,) says which components, in the camera's own axes, may move. Within `deadband_translation` (m) and
    `deadband_rotation` (rad) of the goal, along the free components, nothing is asked for. At confidences under
    `full_speed_confidence` the speed falls in proportion, to a tenth at least; 0 leaves it alone.
    """

    def __init__(
        self,
        mask: Sequence[bool] = (True,) * 6,
        deadband_translation: float = 0.0,
        deadband_rotation: float = 0.0,
        full_speed_confidence: float = 0.0,
    ) -> None:
        if len(mask) != 6 or not any(mask):
            raise ParameterError(
                'degrees_of_freedom should be six booleans (vx, vy, vz, wx, wy, wz), one of them true at least, '
                f'but is {list(mask)}'
            )
        if not (deadband_translation >= 0 and deadband_rotation >= 0 and 0 <= full_speed_confidence <= 1):
            raise ParameterError(
                'deadbands should be zero or more and the confidence of full speed within 0 to 1 but are '
                f'{deadband_translation} m, {deadband_rotation} rad and {full_speed_confidence}'
            )
        self.mask = np.array(mask, dtype=bool)
        self.deadband_translation = deadband_translation
        self.deadband_rotation = deadband_rotation
        self.full_speed_confidence = full_speed_confidence

    def error(self, desired_T_current: Array) -> Array:
        """Error [R^T t; theta u] (6,) in the axes of the current camera, zero along the masked components."""
        rotation = desired_T_current[:3, :3]
        return self.mask * np.concatenate([rotation.T @ desired_T_current[:3, 3], se3.rotation_log(rotation)])

    def __call__(self, twist: Array, desired_T_current: Array, confidence: float) -> Array:
        """Twist (6,) to ask for, given that of the law, the pose (4, 4) it is of and the pose's confidence."""
        error = self.error(desired_T_current)
        if (
            np.linalg.norm(error[:3]) < self.deadband_translation
            and np.linalg.norm(error[3:]) < self.deadband_rotation
        ):
            return np.zeros(6)
        return self.mask * twist * self._speed(confidence)

    def _speed(self, confidence: float) -> float:
        if confidence >= self.full_speed_confidence:
            return 1.0
        return max(SLOWEST, confidence / self.full_speed_confidence)
