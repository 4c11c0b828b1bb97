"""The least-squares problem of an alignment at one pose: residuals, robust weights and normal equations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.estimation.fine.hidden import Hidden
from cnn_vs_ros.estimation.fine.local_light import LocalLight
from cnn_vs_ros.estimation.fine.robust_weights import Visibility, tukey_weights, visibility
from cnn_vs_ros.estimation.fine.samples import Samples, at_nearest, project, sample
from cnn_vs_ros.estimation.plane import CORRELATED, ScenePlane
from cnn_vs_ros.estimation.pyramid import PyramidLevel

Array = NDArray[np.float64]

_MAX_STEP = (0.12, 0.12, 0.2)  # translation as a share of the depth, rotation in radians, slope


@dataclass
class System:
    """The weighted least-squares problem at a pose: six of the motion, two of the slope, its prior among it."""

    information: Array
    gradient: Array
    prior: Array
    weights: np.ndarray
    scale: float
    visible: float
    seen: Visibility
    index: np.ndarray | slice
    current: np.ndarray
    desired: np.ndarray

    def step(self, depth: float) -> tuple[Array, Array]:
        """Bounded steps of the motion (6,) and of the slope (2,)."""
        damped = self.information.copy()
        damped.flat[::9] = 1.000001 * damped.flat[::9] + 1e-9  # the diagonal
        step = -np.linalg.solve(damped, self.gradient)
        lengths = float(np.linalg.norm(step[:3])) / depth, float(np.linalg.norm(step[3:6])), np.abs(step[6:]).max()
        step /= max(1.0, *(length / most for length, most in zip(lengths, _MAX_STEP, strict=True)))
        return np.asarray(step[:6]), np.asarray(step[6:])

    @property
    def pose_information(self) -> Array:
        """What is known of the pose (6, 6), whatever the slope."""
        cross = self.information[:6, 6:]
        return self.information[:6, :6] - cross @ np.linalg.solve(self.information[6:, 6:], cross.T)

    @property
    def slope_information(self) -> Array:
        """What the samples tell of the slope (2, 2), whatever the pose, per square of their deviation."""
        pose = self.information[:6, :6] + 1e-9 * np.trace(self.information[:6, :6]) * np.eye(6)
        cross = self.information[:6, 6:]
        marginal = self.information[6:, 6:] - self.prior - cross.T @ np.linalg.solve(pose, cross)
        values, axes = np.linalg.eigh(0.5 * (marginal + marginal.T) / self.scale**2)
        return np.asarray((axes * np.maximum(values, 0.0)) @ axes.T)

    def correlations(self) -> tuple[float, float]:
        """Zero-normalised cross-correlations of both images, with and without the weights."""
        return (
            _correlation(self.current, self.desired, self.weights),
            _correlation(self.current, self.desired, np.ones_like(self.weights)),
        )


def _correlation(a: np.ndarray, b: np.ndarray, weights: np.ndarray) -> float:
    total = float(weights.sum()) + 1e-9
    a = a - float(weights @ a) / total
    b = b - float(weights @ b) / total
    power = float(weights @ (a * a)) * float(weights @ (b * b))
    return float(weights @ (a * b)) / float(np.sqrt(power) + 1e-9)


def seen_at(
    samples: Samples, level: PyramidLevel, light: LocalLight, pose: Array, plane: ScenePlane
) -> tuple[float, Visibility] | None:
    """Share of the samples in view, and how they look, at a pose and plane as they are; None with too few."""
    projected = project(samples, level.camera, pose, plane)
    if projected is None:
        return None
    index = projected.index
    sampled = sample(level.flat[..., None], projected.column, projected.row)
    current, desired = light.compared(sampled[:, 0], samples.value[index], index)
    seen = visibility(samples.cells.cell[index], samples.cells.grid_size, current - desired, current, desired)
    return len(projected.column) / samples.count, seen


def linearise(
    samples: Samples,
    level: PyramidLevel,
    light: LocalLight,
    pose: Array,
    plane: ScenePlane,
    belief: ScenePlane,
    hidden: Hidden,
    *,
    tight: bool,
    seen: Visibility | None = None,
) -> System | None:
    """Residuals, robust weights and normal equations for a left perturbation ``exp(xi) current_T_desired``.

    The gradient is the mean of the current image's and the reference's (efficient second-order
    minimisation), which widens the basin of convergence. Where the scene is `seen` is judged anew unless given.
    The slope of the `plane` is drawn to the `belief`.
    """
    projected = project(samples, level.camera, pose, plane)
    if projected is None:
        return None
    index = projected.index
    sampled = sample(level.channels, projected.column, projected.row)
    current_gain, desired_gain = light.current_gain[index], light.desired_gain[index]
    current, desired = light.compared(sampled[:, 0], samples.value[index], index)
    residual = current - desired

    current_x = sampled[:, 1] * current_gain * np.float32(level.camera.fx)
    current_y = sampled[:, 2] * current_gain * np.float32(level.camera.fy)
    desired_x, desired_y = projected.carried(
        samples.gradient_x[index] * desired_gain, samples.gradient_y[index] * desired_gain
    )
    jacobian = projected.jacobian(0.5 * (current_x + desired_x), 0.5 * (current_y + desired_y))
    weights, deviation = tukey_weights(residual, tight=tight)
    cells = samples.cells.cell[index]
    if seen is None:
        seen = visibility(cells, samples.cells.grid_size, residual, current, desired, settled=tight)
    weights *= seen.probability.take(cells)
    if hidden.attached is not None:
        weights *= hidden.keeps(index, projected.column / level.camera.width, projected.row / level.camera.height)
    if level.usable is not None:
        weights *= at_nearest(level.usable, projected.column, projected.row)
    weighted = jacobian * weights
    information = (weighted @ jacobian.T).astype(np.float64)
    gradient = (weighted @ residual).astype(np.float64)
    prior = CORRELATED * belief.drawn_to(plane.slope) * deviation**2
    information[6:, 6:] += prior
    gradient[6:] += prior @ (plane.slope - belief.slope)
    return System(
        information=information,
        gradient=gradient,
        prior=prior,
        weights=weights,
        scale=deviation,
        visible=len(projected.column) / samples.count,
        seen=seen,
        index=index,
        current=current,
        desired=desired,
    )
