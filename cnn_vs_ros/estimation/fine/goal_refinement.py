"""The last step at the goal: where both images coincide to a fraction of a pixel, all of the finest image counts.

Noise, not convergence, limits the pose there. Nothing needs to be sampled between pixels: one linear step over as
many pixels of the full-size image as are worth it, ``xi = -(J*^T W J)^-1 J*^T W (I - I*)``. A first one over
a part of them only tells which pixels are outliers.

The reference's Jacobian J* is computed once. In a faint texture its gradients are mostly noise: J*^T W J* would
take noise for knowledge, and the step would be a twentieth of what it should be. The noise of the current image's
J is another one, and in the product of both none is left (the method of instrumental variables).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.estimation.fine.local_light import flat_index
from cnn_vs_ros.estimation.fine.robust_weights import tukey_weights
from cnn_vs_ros.estimation.fine.samples import interaction
from cnn_vs_ros.estimation.plane import ScenePlane
from cnn_vs_ros.estimation.pyramid import SATURATED, PyramidLevel
from cnn_vs_ros.geometry import PinholeCamera, se3

Array = NDArray[np.float64]

_PIXELS = 60_000  # at most; those with the strongest gradient
_MARGIN = 3
_NEAR = 0.6  # pixels of this level that the corners may be off; farther away the step is not linear
_WINDOW = 1 / 48  # standard deviation of the window of the contrast, as a share of the width
# Strong edges count for the precision that they have: contrasts well below this are taken as they are.
_CONTRAST_FLOOR = 24.0
_FIRST_STEP_SHARE = 4  # one pixel of so many
_SAME_SLOPE = 0.01  # the Jacobian is computed anew for a plane that differs by more
_LEAST_SHARE = 0.02  # of the gradients' power that is no noise; less than that is not told from none


@dataclass(frozen=True)
class Refined:
    """The refined ``current_T_desired`` (4, 4), its normal matrix (6, 6) and the residual's robust deviation."""

    current_T_desired: Array
    information: Array
    residual_scale: float


class GoalRefinement:
    """Refines poses near the goal on one level of the reference; `grid` is that of the cells' visibility."""

    def __init__(self, level: PyramidLevel, grid: PinholeCamera, plane: ScenePlane) -> None:
        camera = level.camera
        channels = level.channels
        variance = cv2.GaussianBlur(level.flat * level.flat, (0, 0), _WINDOW * camera.width)
        gain = 1.0 / np.sqrt(variance + np.float32(_CONTRAST_FLOOR**2))
        strength = (np.square(channels[..., 1]) + np.square(channels[..., 2])) * np.square(gain)
        inner = np.zeros(strength.shape, bool)
        inner[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN] = True
        if level.valid is not None:
            inner &= level.valid
        candidates = np.flatnonzero(inner & (level.grey < SATURATED))
        if len(candidates) > _PIXELS:
            weakest_first = np.argpartition(strength.ravel()[candidates], -_PIXELS)
            candidates = np.sort(candidates[weakest_first[-_PIXELS:]])
        self._index = candidates
        rows, columns = np.divmod(candidates, camera.width)
        self._gain = gain.ravel()[candidates]
        self._desired = level.flat.ravel()[candidates]
        rays = camera.rays(np.stack([columns, rows], axis=1)).astype(np.float32)
        self._x, self._y = (np.ascontiguousarray(rays[:, axis]) for axis in (0, 1))
        self._scale = self._gain * np.float32(camera.fx), self._gain * np.float32(camera.fy)
        self._cells = flat_index(rows, columns, camera.size, grid.size)
        self._camera, self._channels = camera, channels
        self._lay(plane)

    def _lay(self, plane: ScenePlane) -> None:
        """Compute what depends on the plane."""
        self._plane = plane
        a, b = (plane.slope / plane.depth).astype(np.float32)
        self._inverse_depth = np.float32(1.0 / plane.depth) + a * self._x + b * self._y
        self._jacobian = self._jacobian_of(self._channels)

    def is_near(self, current_T_desired: Array, plane: ScenePlane) -> bool:
        """Whether both images coincide to a fraction of a pixel at this pose."""
        return plane.image_shift(current_T_desired, np.eye(4), self._camera) < _NEAR

    def refine(self, level: PyramidLevel, seen: np.ndarray, plane: ScenePlane) -> Refined | None:
        """Find ``current_T_desired`` (4, 4) near the identity; None where it is not near, or cannot be told.

        `seen` (h, w) is the probability of each cell of the grid to show the scene.
        """
        if np.abs(plane.slope - self._plane.slope).max() > _SAME_SLOPE:
            self._lay(plane)
        residual = (level.flat.ravel().take(self._index) - self._desired) * self._gain
        seen_lit = seen.astype(np.float32).ravel().take(self._cells)
        seen_lit *= level.grey.ravel().take(self._index) < SATURATED
        jacobian = self._jacobian_of(level.channels)
        # A fraction of a pixel off, an edge differs by far more than the noise of what is smooth and is no outlier
        # for it: weights are those of the residual that is left after a first step.
        some = np.s_[::_FIRST_STEP_SHARE]
        try:
            first = _Step.of(self._jacobian[:, some], jacobian[:, some], residual[some], seen_lit[some])
            weights, deviation = tukey_weights(residual + first.xi.astype(np.float32) @ jacobian, tight=True)
            step = _Step.of(self._jacobian, jacobian, residual, weights * seen_lit)
        except np.linalg.LinAlgError:  # shifts and turns look alike through a lens of a few degrees
            return None
        pose = se3.exp(step.xi)
        return Refined(pose, step.information, deviation) if self.is_near(pose, plane) else None

    def _jacobian_of(self, channels: np.ndarray) -> np.ndarray:
        """Derivative (6, N) of the normalised image by the motion, with the gradients of `channels` (H, W, 3)."""
        flat = channels.reshape(-1, 3)
        along_x, along_y = (flat[:, axis].take(self._index) * self._scale[axis - 1] for axis in (1, 2))
        return interaction(self._x, self._y, self._inverse_depth, along_x, along_y)


@dataclass(frozen=True)
class _Step:
    """The linear step `xi` (6,) and its normal matrix (6, 6)."""

    xi: Array
    information: Array

    @classmethod
    def of(cls, desired: np.ndarray, current: np.ndarray, residual: np.ndarray, weights: np.ndarray) -> _Step:
        """Solve for the Jacobians of both images (6, N), `residual` and `weights` (N,)."""
        weighted = desired * weights
        power = (weighted @ desired.T).astype(np.float64)
        common = (weighted @ current.T).astype(np.float64)
        gradient = (weighted @ residual).astype(np.float64)
        # In the axes in which the power is one, the common part is the share that is no noise.
        root = np.linalg.cholesky(power + 1e-9 * np.trace(power) * np.eye(6))
        whitening = np.linalg.inv(root)
        share, axes = np.linalg.eigh(whitening @ (0.5 * (common + common.T)) @ whitening.T)
        share = np.clip(share, _LEAST_SHARE, 1.0)
        directions = whitening.T @ axes
        # The covariance (J*^T W J)^-1 (J*^T W J*) (J*^T W J)^-T, inverted.
        inverse = root @ axes
        return cls(-(directions / share) @ (directions.T @ gradient), (inverse * share**2) @ inverse.T)
