"""Photometric alignment of a plane: direct visual servoing (paper, eq. 3) used as an estimator.

Finds the camera pose, and the slope of the plane, at which the current image, sampled where the plane's points
project, looks like the reference; robust to what covers the plane (see `robust_weights`) and to light (see
`pyramid`, `local_light`). Sampling is sparse: the strongest gradient of each block of the reference, so the cost
does not depend on the image size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.estimation.fine.goal_refinement import GoalRefinement, Refined
from cnn_vs_ros.estimation.fine.local_light import LightModel, LocalLight
from cnn_vs_ros.estimation.fine.robust_weights import Visibility, tukey_weights, visibility
from cnn_vs_ros.estimation.fine.samples import Samples, at_nearest, project, sample
from cnn_vs_ros.estimation.plane import CORRELATED, STEEPEST, ScenePlane
from cnn_vs_ros.estimation.pyramid import LEVELS, ImagePyramid, PyramidLevel
from cnn_vs_ros.geometry import PinholeCamera, se3

Array = NDArray[np.float64]

# Sets of samples, (level, about how many), coarse to fine; the last but one sets the pose's noise, the last is for
# images that show a part of the reference several times enlarged.
_SAMPLES = ((0, 2400), (1, 4800), (2, 4800), (2, 9600), (3, 19200))
_MAX_STEP = (0.12, 0.12, 0.2)  # translation as a share of the depth, rotation in radians, slope
_JUDGED_EVERY = 2  # iterations after which the occluded cells are judged anew
_SETTLED = (0.15, 0.1, 0.05, 0.03, 0.05)  # pixels, for each set; a smaller step ends the stage
_SET_OF_LEVEL = (0, 1, 2, 4)  # the set of samples for each level of the reference
_MOST_OCTAVES = 2
_AS_GOOD_AS_THERE = 0.03  # pixels; after a smaller last step the residuals need not be computed anew


@dataclass(frozen=True)
class Stage:
    """A number of iterations on a set of samples, with loose or tight outlier rejection."""

    samples: int
    iterations: int
    tight: bool = False


ACQUIRE_STAGES = (Stage(0, 8), Stage(1, 12), Stage(2, 8), Stage(3, 3, tight=True))
TRACK_STAGES = (Stage(0, 2), Stage(1, 3), Stage(2, 2), Stage(3, 2, tight=True))


@dataclass(frozen=True)
class Alignment:
    """Result of an alignment.

    `current_T_desired` (4, 4); `plane` as this image shows it, with the belief that the alignment began with;
    `correlation` and `correlation_unweighted` are the zero-normalised
    cross-correlation over the visible samples with and without the robust weights; `visible` is the share of
    the reference's samples inside the current image, `unoccluded` the share of those that nothing else covers and
    `evidence` how far they speak for a match (see `Visibility`);
    `information` (6, 6) is the normal matrix of the samples' poses whatever the slope, `residual_scale` their
    residual's robust deviation, `slope_information` (2, 2) what they tell of the slope whatever the pose,
    and `refined` what the full image made of the pose, at the goal.
    """

    current_T_desired: Array
    plane: ScenePlane
    correlation: float
    correlation_unweighted: float
    visible: float
    unoccluded: float
    evidence: float
    information: Array
    slope_information: Array
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
    """Aligns images with one reference."""

    def __init__(self, reference: ImagePyramid, plane: ScenePlane) -> None:
        coarsest = reference.levels[0].camera
        self.reference = reference
        self._grid = coarsest.resized(max(1, coarsest.width // 2), max(1, coarsest.height // 2))
        self._light: dict[int, LightModel] = {}
        self._samples: dict[int, Samples] = {}
        self._goal = GoalRefinement(reference.full, self._grid, plane)
        self._attached: np.ndarray | None = None

    def leave_out(self, attached: np.ndarray | None) -> None:
        """Compare nothing where the boolean image (h, w) is true, be it in the reference or in an image."""
        self._attached = attached

    def align(
        self,
        image: ImagePyramid,
        start: Array,
        plane: ScenePlane,
        stages: Sequence[Stage] = ACQUIRE_STAGES,
        *,
        slope: Array | None = None,
    ) -> Alignment | None:
        """Refine ``current_T_desired`` (4, 4) from `start`, and the slope from `slope`, or that of the `plane`.

        The `plane` is what is believed of it so far. None when too little of the reference is in view.
        """
        pose = se3.normalised(start)
        seen_plane = plane if slope is None else plane.at(np.asarray(slope, np.float64))
        enlarged = _octaves(pose, seen_plane, self.reference.full.camera)
        iterations = 0
        system: _System | None = None
        coverage: np.ndarray | None = None
        stages = _scaled(stages, enlarged)
        for stage in stages:
            samples = self._samples_of(stage.samples)
            scene = _Scene.of(samples, self._attached)
            level = image.level(min(max(samples.level - enlarged, 0), LEVELS))
            light_model = self._light_of(samples.level)
            light = light_model.field(level, pose, seen_plane, coverage).at(samples.cells)
            for iteration in range(stage.iterations):
                kept = system is not None and (stage.tight or iteration % _JUDGED_EVERY)
                seen = system.seen if system is not None and kept else None
                system = _linearise(
                    samples, level, light, pose, seen_plane, plane, scene, tight=stage.tight, seen=seen
                )
                if system is None:
                    return None
                step, slope_step = system.step(plane.depth)
                pose = se3.exp(step) @ pose
                seen_plane = seen_plane.at(np.clip(seen_plane.slope + slope_step, -STEEPEST, STEEPEST))
                iterations += 1
                pixels = level.camera.fx * max(np.abs(step[:3]).max() / plane.depth, np.abs(step[3:]).max())
                if pixels < _SETTLED[stage.samples]:
                    break
            if system is not None and stage is not stages[-1]:
                coverage = light_model.coverage(samples.cells.cell[system.index], system.weights)
        if system is not None and pixels > _AS_GOOD_AS_THERE:
            system = _linearise(
                samples, level, light, pose, seen_plane, plane, scene, tight=stage.tight, seen=system.seen
            )
        # Where nothing counts, as in an image that is all saturated, there is no pose.
        if system is None or not np.isfinite(pose).all() or not np.trace(system.information[:6, :6]) > 0.0:
            return None
        refined = None
        if self._goal.is_near(pose, seen_plane):
            refined = self._goal.refine(image.full, scene.of_grid(system.seen.probability), seen_plane)
            pose = pose if refined is None else refined.current_T_desired
        correlation, unweighted = system.correlations()
        return Alignment(
            current_T_desired=pose,
            plane=seen_plane,
            correlation=correlation,
            correlation_unweighted=unweighted,
            visible=system.visible,
            unoccluded=system.seen.share,
            evidence=system.seen.evidence,
            information=system.pose_information,
            slope_information=system.slope_information,
            residual_scale=system.scale,
            iterations=iterations,
            refined=refined,
        )

    def _samples_of(self, index: int) -> Samples:
        if index not in self._samples:
            level, count = _SAMPLES[index]
            self._samples[index] = Samples(self.reference.level(level), level, self._grid, count)
        return self._samples[index]

    def _light_of(self, level: int) -> LightModel:
        if level not in self._light:
            self._light[level] = LightModel(self.reference.level(level), self._grid)
        return self._light[level]


def _octaves(pose: Array, plane: ScenePlane, camera: PinholeCamera) -> int:
    """By how many times two, rounded, the current image shows the reference enlarged, where it shows it."""
    homography = plane.homography(pose, camera)
    across, down = np.meshgrid(np.linspace(0, camera.width, 5), np.linspace(0, camera.height, 5))
    points = np.stack([across.ravel(), down.ravel(), np.ones(across.size)])
    moved = homography @ points
    ahead = moved[2] > 1e-3
    if not ahead.any():
        return 0
    moved = moved[:, ahead]
    area = abs(np.linalg.det(homography)) / moved[2] ** 3
    middle = np.array([[camera.width], [camera.height]]) / 2
    shown = (np.abs(moved[:2] / moved[2] - middle) < middle).all(axis=0)
    if not shown.any():
        shown[:] = True
    return int(np.clip(np.rint(0.5 * np.log2(np.median(area[shown]))), -_MOST_OCTAVES, _MOST_OCTAVES))


def _scaled(stages: Sequence[Stage], enlarged: int) -> Sequence[Stage]:
    """Stages whose levels have a counterpart of the same scale in an image that is `enlarged` by octaves."""
    if enlarged > 0:  # a coarse level of the image shows what a fine one of the reference does
        return [replace(stage, samples=_SET_OF_LEVEL[min(stage.samples + enlarged, LEVELS)]) for stage in stages]
    # The finest level of the image shows what a coarse one of the reference does.
    finest = LEVELS + enlarged
    return [stage if _SAMPLES[stage.samples][0] <= finest else replace(stage, samples=finest) for stage in stages]


@dataclass(frozen=True)
class _Scene:
    """Where the scene is not hidden by what is `attached` (h, w) to the camera: `kept` (N,) of the samples."""

    attached: np.ndarray | None
    kept: np.ndarray | None

    @classmethod
    def of(cls, samples: Samples, attached: np.ndarray | None) -> _Scene:
        if attached is None:
            return cls(None, None)
        return cls(attached, ~_at(attached, samples.across, samples.down))

    def seen_by(self, index: np.ndarray | slice, across: np.ndarray, down: np.ndarray) -> np.ndarray:
        """Whether neither the samples `index` nor their places in the image, in shares of its size, are hidden."""
        assert self.attached is not None
        assert self.kept is not None
        return np.asarray(self.kept[index] & ~_at(self.attached, across, down))

    def of_grid(self, probability: np.ndarray) -> np.ndarray:
        """Return the probability (h, w) of each cell to show the scene, 0 where something is attached."""
        if self.attached is None:
            return probability
        size = probability.shape[::-1]
        hidden = cv2.resize(self.attached.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        return np.where(hidden > 0.0, 0.0, probability)


def _at(mask: np.ndarray, across: np.ndarray, down: np.ndarray) -> np.ndarray:
    """Values (N,) of a mask (h, w) at shares of its width and height (N,)."""
    height, width = mask.shape
    columns = np.clip((across * width).astype(np.intp), 0, width - 1)
    rows = np.clip((down * height).astype(np.intp), 0, height - 1)
    return mask.ravel().take(rows * width + columns)


@dataclass
class _System:
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
    plane: ScenePlane,
    belief: ScenePlane,
    scene: _Scene,
    *,
    tight: bool,
    seen: Visibility | None = None,
) -> _System | None:
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
    current = (sampled[:, 0] - light.current_mean[index]) * current_gain
    desired = (samples.value[index] - light.desired_mean[index]) * desired_gain
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
        seen = visibility(cells, samples.cells.grid_size, residual, current, desired)
    weights *= seen.probability.take(cells)
    if scene.attached is not None:
        weights *= scene.seen_by(index, projected.column / level.camera.width, projected.row / level.camera.height)
    if level.usable is not None:
        weights *= at_nearest(level.usable, projected.column, projected.row)
    weighted = jacobian * weights
    information = (weighted @ jacobian.T).astype(np.float64)
    gradient = (weighted @ residual).astype(np.float64)
    prior = CORRELATED * belief.drawn_to(plane.slope) * deviation**2
    information[6:, 6:] += prior
    gradient[6:] += prior @ (plane.slope - belief.slope)
    return _System(
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
