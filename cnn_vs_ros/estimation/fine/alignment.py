"""Photometric alignment of a plane: direct visual servoing (paper, eq. 3) used as an estimator.

Finds the camera pose, and the slope of the plane, at which the current image, sampled where the plane's points
project, looks like the reference; robust to what covers the plane (see `robust_weights`) and to light (see
`pyramid`, `local_light`). Sampling is sparse: the strongest gradient of each block of the reference, so the cost
does not depend on the image size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.estimation.fine.goal_refinement import GoalRefinement, Refined
from cnn_vs_ros.estimation.fine.hidden import Hidden
from cnn_vs_ros.estimation.fine.linearisation import System, linearise, seen_at
from cnn_vs_ros.estimation.fine.local_light import LightModel
from cnn_vs_ros.estimation.fine.robust_weights import Visibility
from cnn_vs_ros.estimation.fine.samples import Samples
from cnn_vs_ros.estimation.plane import UTMOST, ScenePlane, held
from cnn_vs_ros.estimation.pyramid import LEVELS, ImagePyramid, PyramidLevel
from cnn_vs_ros.geometry import PinholeCamera, se3

Array = NDArray[np.float64]

# Sets of samples, (level, about how many), coarse to fine; the last but one sets the pose's noise, the last is for
# images that show a part of the reference several times enlarged.
_SAMPLES = ((0, 2400), (1, 4800), (2, 4800), (2, 9600), (3, 19200))
_JUDGED_EVERY = 2  # iterations after which the occluded cells are judged anew
_SETTLED = (0.15, 0.1, 0.05, 0.03, 0.05)  # pixels, for each set; a smaller step ends the stage
_SET_OF_LEVEL = (0, 1, 2, 4)  # the set of samples for each level of the reference
_MOST_OCTAVES = 2
_AT_LIMIT = 0.999
_AS_GOOD_AS_THERE = 0.03  # pixels; after a smaller last step the residuals need not be computed anew


@dataclass(frozen=True)
class Stage:
    """A number of iterations on a set of samples, with loose or tight outlier rejection."""

    samples: int
    iterations: int
    tight: bool = False


ACQUIRE_STAGES = (Stage(0, 8), Stage(1, 12), Stage(2, 8), Stage(3, 3, tight=True))
TRACK_STAGES = (Stage(0, 2), Stage(1, 3), Stage(2, 2), Stage(3, 2, tight=True))
STEADY_STAGES = TRACK_STAGES[1:]
"""For a start that is known to a few pixels: the coarsest level would only take a seventh more time."""


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

        The `plane` is what is believed of it so far. None when too little of the reference is in view, and when
        no plane of less than the steepest slope fits.
        """
        pose = se3.normalised(start)
        seen_plane = plane if slope is None else plane.at(np.asarray(slope, np.float64))
        enlarged = _octaves(pose, seen_plane, self.reference.full.camera)
        iterations = 0
        system: System | None = None
        judged: Visibility | None = None
        coverage: np.ndarray | None = None
        stages = _scaled(stages, enlarged)
        for stage in stages:
            samples = self._samples_of(stage.samples)
            hidden = Hidden.of(samples, self._attached)
            level = _level_like(samples, image, enlarged)
            light_model = self._light_of(samples.level)
            light = light_model.field(level, pose, seen_plane, coverage).at(samples.cells)
            for iteration in range(stage.iterations):
                kept = iteration > 0 if stage.tight else system is not None and iteration % _JUDGED_EVERY > 0
                seen = system.seen if system is not None and kept else None
                system = linearise(
                    samples, level, light, pose, seen_plane, plane, hidden, tight=stage.tight, seen=seen
                )
                if system is None:
                    return None
                if judged is None or not stage.tight:
                    judged = system.seen
                step, slope_step = system.step(plane.depth)
                pose = se3.exp(step) @ pose
                seen_plane = seen_plane.at(held(seen_plane.slope + slope_step))
                iterations += 1
                pixels = level.camera.fx * max(np.abs(step[:3]).max() / plane.depth, np.abs(step[3:]).max())
                if pixels < _SETTLED[stage.samples]:
                    break
            if system is not None and stage is not stages[-1]:
                coverage = light_model.coverage(samples.cells.cell[system.index], system.weights)
        if system is not None and pixels > _AS_GOOD_AS_THERE:
            system = linearise(
                samples, level, light, pose, seen_plane, plane, hidden, tight=stage.tight, seen=system.seen
            )
        # A plane that ran into the limit fits no better than beyond it: that is no solution. And where nothing
        # counts, as in an image that is all saturated, there is no pose.
        if np.linalg.norm(seen_plane.slope) > _AT_LIMIT * UTMOST:
            return None
        if system is None or judged is None or not np.isfinite(pose).all():
            return None
        if not np.trace(system.information[:6, :6]) > 0.0:
            return None
        refined = None
        if self._goal.is_near(pose, seen_plane):
            refined = self._goal.refine(image.full, hidden.seen(system.seen.probability), seen_plane)
            pose = pose if refined is None else refined.current_T_desired
        correlation, unweighted = system.correlations()
        return Alignment(
            current_T_desired=pose,
            plane=seen_plane,
            correlation=correlation,
            correlation_unweighted=unweighted,
            visible=system.visible,
            unoccluded=judged.share,
            evidence=judged.evidence,
            information=system.pose_information,
            slope_information=system.slope_information,
            residual_scale=system.scale,
            iterations=iterations,
            refined=refined,
        )

    def looks(
        self, image: ImagePyramid, place: Alignment, motions: Sequence[Array], stage: Stage
    ) -> Iterator[Alignment]:
        """Yield how an image looks after each of some motions (4, 4) of the plane, by a stage's samples, as it is.

        That is the `place` at another pose, with what is `visible`, `unoccluded` and the `evidence` there; none
        where too little of the reference is in view.
        """
        for motion in motions:
            pose = place.current_T_desired @ motion
            enlarged = _octaves(pose, place.plane, self.reference.full.camera)
            samples = self._samples_of(_scaled((stage,), enlarged)[0].samples)
            level = _level_like(samples, image, enlarged)
            light = self._light_of(samples.level).field(level, pose, place.plane).at(samples.cells)
            look = seen_at(samples, level, light, pose, place.plane)
            if look is not None:
                visible, seen = look
                yield replace(
                    place, current_T_desired=pose, visible=visible, unoccluded=seen.share, evidence=seen.evidence
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


def _level_like(samples: Samples, image: ImagePyramid, enlarged: int) -> PyramidLevel:
    """The level of an image, `enlarged` by octaves, that shows things as large as the samples' level does."""
    return image.level(min(max(samples.level - enlarged, 0), LEVELS))


def _octaves(pose: Array, plane: ScenePlane, camera: PinholeCamera) -> int:
    """By how many times two, rounded, the current image shows the reference enlarged, where it shows it."""
    homography = plane.homography(pose, camera)
    moved = homography @ _five_by_five(camera.size)
    moved = moved[:, moved[2] > 1e-3]
    if not moved.size:
        return 0
    area = abs(np.linalg.det(homography)) / moved[2] ** 3
    middle = np.array([[camera.width], [camera.height]]) / 2
    shown = (np.abs(moved[:2] / moved[2] - middle) < middle).all(axis=0)
    if not shown.any():
        shown[:] = True
    return int(np.clip(np.rint(0.5 * np.log2(np.median(area[shown]))), -_MOST_OCTAVES, _MOST_OCTAVES))


@cache
def _five_by_five(size: tuple[int, int]) -> Array:
    """Homogeneous points (3, 25) all over an image of `size` (w, h)."""
    across, down = np.meshgrid(*(np.linspace(0, side, 5) for side in size))
    return np.stack([across.ravel(), down.ravel(), np.ones(across.size)])


def _scaled(stages: Sequence[Stage], enlarged: int) -> Sequence[Stage]:
    """Stages whose levels have a counterpart of the same scale in an image that is `enlarged` by octaves."""
    if enlarged > 0:  # a coarse level of the image shows what a fine one of the reference does
        return [replace(stage, samples=_SET_OF_LEVEL[min(stage.samples + enlarged, LEVELS)]) for stage in stages]
    # The finest level of the image shows what a coarse one of the reference does.
    finest = LEVELS + enlarged
    return [stage if _SAMPLES[stage.samples][0] <= finest else replace(stage, samples=finest) for stage in stages]
