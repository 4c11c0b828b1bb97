"""Photometric alignment of a plane: direct visual servoing (paper, eq. 3) used as an estimator.

Finds the camera pose at which the current image, sampled where the plane's points project, looks like the
reference; robust to what covers the plane (see `robust_weights`) and to light (see `pyramid`, `local_light`).
Sampling is sparse: the strongest gradient of each block of the reference, so the cost does not depend on the image
size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.estimation.goal_refinement import GoalRefinement, Refined
from cnn_vs_ros.estimation.local_light import LightModel, LocalLight
from cnn_vs_ros.estimation.photometric_samples import Samples, project, sample
from cnn_vs_ros.estimation.pyramid import ImagePyramid, PyramidLevel
from cnn_vs_ros.estimation.robust_weights import Visibility, tukey_weights, visibility
from cnn_vs_ros.geometry import se3

Array = NDArray[np.float64]

# Sets of samples, (level, about how many), coarse to fine; the last sets the pose's noise.
_SAMPLES = ((0, 2400), (1, 4800), (2, 4800), (2, 9600))
_MAX_STEP = (0.12, 0.12)  # translation as a share of the depth, rotation in radians
_JUDGED_EVERY = 2  # iterations after which the occluded cells are judged anew
_SETTLED = (0.15, 0.1, 0.05, 0.03)  # pixels, for each set; a smaller step ends the stage
_AS_GOOD_AS_THERE = 0.03  # pixels; after a smaller last step the residuals need not be computed anew


@dataclass(frozen=True)
class Stage:
    """A number of iterations on a set of samples, with loose or tight outlier rejection."""

    samples: int
    iterations: int
    tight: bool = False


ACQUIRE_STAGES = (Stage(0, 8), Stage(1, 8), Stage(2, 8), Stage(3, 3, tight=True))
TRACK_STAGES = (Stage(0, 2), Stage(1, 3), Stage(2, 2), Stage(3, 2, tight=True))


@dataclass(frozen=True)
class Alignment:
    """Result of an alignment.

    `current_T_desired` (4, 4); `correlation` and `correlation_unweighted` are the zero-normalised
    cross-correlation over the visible samples with and without the robust weights; `visible` is the share of
    the reference's samples inside the current image, `unoccluded` the share of those that nothing else covers and
    `evidence` how far they speak for a match (see `Visibility`);
    `information` (6, 6) is the normal matrix of the samples, `residual_scale` their residual's robust deviation
    and `refined` what the full image made of it, at the goal.
    """

    current_T_desired: Array
    correlation: float
    correlation_unweighted: float
    visible: float
    unoccluded: float
    evidence: float
    information: Array
    residual_scale: float
    iterations: int
    refined: Refined | None = None

    @property
    def covariance(self) -> Array:
        """Covariance (6, 6) of a small motion of the current camera in its own frame (m^2, rad^2)."""
        if self.refined is not None:
            return _covariance(self.refined.information, self.refined.residual_scale)
        return self.sampled_covariance

    @property
    def sampled_covariance(self) -> Array:
        """The same of the samples alone, whether or not the full image refined their pose."""
        return _covariance(self.information, self.residual_scale)


def _covariance(information: Array, scale: float) -> Array:
    regular = information + 1e-6 * np.trace(information) * np.eye(6)
    return scale**2 * np.linalg.inv(regular)


class PhotometricAlignment:
    """Aligns images with one reference whose scene is the fronto-parallel plane at `depth` metres."""

    def __init__(self, reference: ImagePyramid, depth: float) -> None:
        self.depth = depth
        coarsest = reference.levels[0].camera
        grid = coarsest.resized(max(1, coarsest.width // 2), max(1, coarsest.height // 2))
        self._light = [LightModel(level, grid, depth) for level in reference.levels]
        self._samples = [Samples(reference.levels[level], level, grid, depth, count) for level, count in _SAMPLES]
        self._goal = GoalRefinement(reference.full, grid, depth)

    def align(
        self, image: ImagePyramid, start: Array, stages: Sequence[Stage] = ACQUIRE_STAGES
    ) -> Alignment | None:
        """Refine ``current_T_desired`` (4, 4) from `start`; None when too little of the reference is in view."""
        pose = se3.normalised(start)
        iterations = 0
        system: _System | None = None
        coverage: np.ndarray | None = None
        for stage in stages:
            samples = self._samples[stage.samples]
            level, light_model = image.levels[samples.level], self._light[samples.level]
            light = light_model.field(level, pose, coverage).at(samples.cells)
            for iteration in range(stage.iterations):
                kept = system is not None and (stage.tight or iteration % _JUDGED_EVERY)
                seen = system.seen if system is not None and kept else None
                system = _linearise(samples, level, light, pose, self.depth, tight=stage.tight, seen=seen)
                if system is None:
                    return None
                step = system.step(self.depth)
                pose = se3.exp(step) @ pose
                iterations += 1
                pixels = level.camera.fx * max(np.abs(step[:3]).max() / self.depth, np.abs(step[3:]).max())
                if pixels < _SETTLED[stage.samples]:
                    break
            if system is not None and stage is not stages[-1]:
                coverage = light_model.coverage(samples.cells.cell[system.index], system.weights)
        if system is not None and pixels > _AS_GOOD_AS_THERE:
            seen = system.seen
            system = _linearise(samples, level, light, pose, self.depth, tight=stage.tight, seen=seen)
        # Where nothing counts, as in an image that is all saturated, there is no pose.
        if system is None or not np.isfinite(pose).all() or not np.trace(system.information) > 0.0:
            return None
        refined = None
        if self._goal.is_near(pose):
            refined = self._goal.refine(image.full, system.seen.probability)
            pose = pose if refined is None else refined.current_T_desired
        correlation, unweighted = system.correlations()
        return Alignment(
            current_T_desired=pose,
            correlation=correlation,
            correlation_unweighted=unweighted,
            visible=system.visible,
            unoccluded=system.seen.share,
            evidence=system.seen.evidence,
            information=system.information,
            residual_scale=system.scale,
            iterations=iterations,
            refined=refined,
        )


@dataclass
class _System:
    """The weighted least-squares problem at one pose."""

    information: Array
    gradient: Array
    weights: np.ndarray
    scale: float
    visible: float
    seen: Visibility
    index: np.ndarray | slice
    current: np.ndarray
    desired: np.ndarray

    def step(self, depth: float) -> Array:
        damped = self.information.copy()
        damped.flat[::7] = 1.001 * damped.flat[::7] + 1e-9  # the diagonal
        step = -np.linalg.solve(damped, self.gradient)
        translation, angle = float(np.linalg.norm(step[:3])) / depth, float(np.linalg.norm(step[3:]))
        return np.asarray(step / max(translation / _MAX_STEP[0], angle / _MAX_STEP[1], 1.0))

    def correlations(self) -> tuple[float, float]:
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


def _linearise(
    samples: Samples,
    level: PyramidLevel,
    light: LocalLight,
    pose: Array,
    depth: float,
    *,
    tight: bool,
    seen: Visibility | None = None,
) -> _System | None:
    """Residuals, robust weights and normal equations for a left perturbation ``exp(xi) current_T_desired``.

    The gradient is the mean of the current image's and the reference's (efficient second-order
    minimisation), which widens the basin of convergence. Where the scene is `seen` is judged anew unless given.
    """
    projected = project(samples, level.camera, pose)
    if projected is None:
        return None
    index = projected.index
    sampled = sample(level.channels, projected.column, projected.row)
    current_gain, desired_gain = light.current_gain[index], light.desired_gain[index]
    current = (sampled[:, 0] - light.current_mean[index]) * current_gain
    desired = (samples.value[index] - light.desired_mean[index]) * desired_gain
    residual = current - desired

    current_x = sampled[:, 1] * current_gain * np.float32(level.camera.fx)
    current_y = sampled[:, 2] * current_gain * np.float32(level.camera.fy)
    desired_x, desired_y = projected.carried(
        samples.gradient_x[index] * desired_gain, samples.gradient_y[index] * desired_gain, depth
    )
    jacobian = projected.interaction(0.5 * (current_x + desired_x), 0.5 * (current_y + desired_y))
    weights, deviation = tukey_weights(residual, tight=tight)
    cells = samples.cells.cell[index]
    if seen is None:
        seen = visibility(cells, samples.cells.grid_size, residual, current, desired)
    weights *= seen.probability.take(cells)
    if level.saturates:
        weights *= level.lit(projected.column, projected.row)
    weighted = jacobian * weights
    return _System(
        information=(weighted @ jacobian.T).astype(np.float64),
        gradient=(weighted @ residual).astype(np.float64),
        weights=weights,
        scale=deviation,
        visible=len(projected.column) / samples.count,
        seen=seen,
        index=index,
        current=current,
        desired=desired,
    )
