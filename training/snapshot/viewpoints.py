"""Viewpoints about the reference pose: two Gaussian draws, wide and fine (paper, section III-A)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.geometry import se3
from training.errors import TrainingError

Array = NDArray[np.float64]

_CLOSEST = 0.1  # of the depth; a camera nearer to the plane than this is drawn again


@dataclass(frozen=True)
class ViewpointDraw:
    """Standard deviations of the draws.

    The paper gives "variances (1cm, 1cm, 1cm, 10, 10, 20 degrees)" at 20 cm from the scene: the units are those
    of standard deviations, and so they are read. `translation` (metres) holds at `depth` metres and scales with
    the depth of the reference; `rotation` (radians) does not. The fine draw, which makes the end of a motion
    precise, is the wide one times `fine_scale`.
    """

    translation: tuple[float, float, float] = (0.01, 0.01, 0.01)
    rotation: tuple[float, float, float] = (float(np.deg2rad(10)), float(np.deg2rad(10)), float(np.deg2rad(20)))
    depth: float = 0.20
    fine_scale: float = 0.01

    def __post_init__(self) -> None:
        values = np.array([*self.translation, *self.rotation, self.fine_scale])
        if values.shape != (7,) or not np.isfinite(values).all() or (values < 0).any():
            raise TrainingError(
                'expected three deviations each of translation and rotation and a fine scale, none negative, '
                f'but got {self.translation}, {self.rotation} and {self.fine_scale}'
            )
        if not (np.isfinite(self.depth) and self.depth > 0):
            raise TrainingError(f'expected a positive depth of the deviations in metres, but got {self.depth}')
        if self.translation[2] > 0.5 * self.depth:
            raise TrainingError(
                f'expected a deviation along the optical axis of at most half the depth ({0.5 * self.depth:g} m), '
                f'but got {self.translation[2]:g} m'
            )

    def deviations(self, depth: float, *, fine: bool = False) -> Array:
        """Return the deviations (6,) of [t; theta u] in metres and radians for a scene at `depth` metres."""
        wide = np.array([*(np.asarray(self.translation) * (depth / self.depth)), *self.rotation])
        return wide * self.fine_scale if fine else wide

    def sample(self, rng: np.random.Generator, depth: float, *, fine: bool = False) -> Array:
        """Draw ``c0_T_c`` (4, 4), the pose of a camera in the frame of the reference camera (paper, eq. 4)."""
        deviations = self.deviations(depth, fine=fine)
        while True:
            vector = deviations * rng.standard_normal(6)
            if vector[2] < (1 - _CLOSEST) * depth:
                return se3.from_pose_vector(vector)
