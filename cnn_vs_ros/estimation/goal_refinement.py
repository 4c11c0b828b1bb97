"""The last step at the goal: where both images coincide to a fraction of a pixel, all of the finest image counts.

Noise, not convergence, limits the pose there. Nothing needs to be sampled between pixels, and the reference's
Jacobian, computed once, is right: one linear step over as many pixels of the full-size image as are worth it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.estimation.photometric_samples import interaction
from cnn_vs_ros.estimation.pyramid import PyramidLevel
from cnn_vs_ros.estimation.robust_weights import tukey_weights
from cnn_vs_ros.geometry import PinholeCamera, se3

Array = NDArray[np.float64]

_PIXELS = 90_000  # at most; those with the strongest gradient
_MARGIN = 3
_NEAR = 0.8  # pixels of this level that the corners may be off; farther away the step is not linear
_WINDOW = 1 / 48  # standard deviation of the window of the contrast, as a share of the width
# Strong edges count for the precision that they have: contrasts well below this are taken as they are.
_CONTRAST_FLOOR = 24.0


@dataclass(frozen=True)
class Refined:
    """The refined ``current_T_desired`` (4, 4), its normal matrix (6, 6) and the residual's robust deviation."""

    current_T_desired: Array
    information: Array
    residual_scale: float


class GoalRefinement:
    """Refines poses near the goal on one level of the reference; `grid` is that of the cells' visibility."""

    def __init__(self, level: PyramidLevel, grid: PinholeCamera, depth: float) -> None:
        camera = level.camera
        channels = level.channels
        variance = cv2.GaussianBlur(level.flat * level.flat, (0, 0), _WINDOW * camera.width)
        gain = 1.0 / np.sqrt(variance + np.float32(_CONTRAST_FLOOR**2))
        strength = (np.square(channels[..., 1]) + np.square(channels[..., 2])) * np.square(gain)
        inner = np.zeros(strength.shape, bool)
        inner[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN] = True
        candidates = np.flatnonzero(inner & (level.grey < 250))
        if len(candidates) > _PIXELS:
            weakest_first = np.argpartition(strength.ravel()[candidates], -_PIXELS)
            candidates = np.sort(candidates[weakest_first[-_PIXELS:]])
        self._index = candidates
        rows, columns = np.divmod(candidates, camera.width)
        self._gain = gain.ravel()[candidates]
        self._desired = channels.reshape(-1, 3)[candidates, 0]
        rays = camera.rays(np.stack([columns, rows], axis=1)).astype(np.float32)
        self._jacobian = interaction(
            rays[:, 0],
            rays[:, 1],
            np.full(len(rays), 1.0 / depth, np.float32),
            channels.reshape(-1, 3)[candidates, 1] * self._gain * np.float32(camera.fx),
            channels.reshape(-1, 3)[candidates, 2] * self._gain * np.float32(camera.fy),
        )
        cell_rows, cell_columns = rows * grid.height // camera.height, columns * grid.width // camera.width
        self._cells = (cell_rows * grid.width + cell_columns).astype(np.intp)
        self._camera = camera
        self._corners = camera.rays([[0, 0], [camera.width, 0], [camera.width, camera.height], [0, camera.height]])
        self._corners *= depth

    def is_near(self, current_T_desired: Array) -> bool:
        """Whether both images coincide to a fraction of a pixel at this pose."""
        moved = self._corners @ current_T_desired[:3, :3].T + current_T_desired[:3, 3]
        if not (moved[:, 2] > 0).all():
            return False
        miss = self._camera.project(moved) - self._camera.project(self._corners)
        return bool(np.sqrt(np.mean(np.sum(miss**2, axis=1))) < _NEAR)

    def refine(self, level: PyramidLevel, seen: np.ndarray) -> Refined | None:
        """Find ``current_T_desired`` (4, 4) near the identity; None where that leads away from it.

        `seen` (h, w) is the probability of each cell of the grid to show the scene.
        """
        residual = (level.flat.ravel().take(self._index) - self._desired) * self._gain
        weights, deviation = tukey_weights(residual, tight=True)
        weights *= seen.astype(np.float32).ravel().take(self._cells)
        weights *= level.grey.ravel().take(self._index) < 250
        weighted = self._jacobian * weights
        information = (weighted @ self._jacobian.T).astype(np.float64)
        damped = information + 1e-9 * np.trace(information) * np.eye(6)
        step = -np.linalg.solve(damped, (weighted @ residual).astype(np.float64))
        pose = se3.exp(step)
        return Refined(pose, information, deviation) if self.is_near(pose) else None
