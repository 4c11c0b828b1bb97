"""Fits what an estimator's scores mean: the probability that a pose is right, on validation scenes.

Every sample is an alignment that the estimator really made: from a hypothesis of the matcher or of features, or
tracked from near the true pose, on a scene that no training read, under one of the benchmark's conditions. Half of
the references are oblique, some scenes are faint, some are no plane or a pattern that repeats; some things move
with the camera, some scenes changed since the reference was taken, some images do not show the scene at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from cnn_vs_ros.benchmark import CAMERA, DEPTH, HARDEST
from cnn_vs_ros.estimation import load_model
from cnn_vs_ros.estimation.coarse.acquisition import FEATURES, WIDTHS, Acquisition
from cnn_vs_ros.estimation.coarse.feature_matcher import FeatureMatcher
from cnn_vs_ros.estimation.coarse.matcher import MatcherNetwork, ReferenceMatcher
from cnn_vs_ros.estimation.coarse.plane_pose import PlanePose
from cnn_vs_ros.estimation.fine import confidence
from cnn_vs_ros.estimation.fine.alignment import ACQUIRE_STAGES, TRACK_STAGES, Alignment, PhotometricAlignment
from cnn_vs_ros.estimation.plane import ScenePlane
from cnn_vs_ros.estimation.pyramid import ImagePyramid
from cnn_vs_ros.geometry import plane_homography, se3
from training.benchmark import strangers
from training.benchmark.altered_worlds import ChangedWorld, GripperWorld, ObliqueWorld
from training.benchmark.disturbances import DISTURBANCES
from training.benchmark.runs import SUCCESS, hash_of
from training.benchmark.world import PlanarWorld, Sensor, World
from training.images import textures
from training.images.corpus import Corpus

Array = NDArray[np.float64]

RELATIVE = 0.04
"""Share of the way to the goal that a pose may be off and still be right: the camera comes there all the same."""

_SAME_BASIN = 0.012  # widths of the image, in the mean over what is in view: tracking will finish
_TEXTURE_SIZE = 1500
_FAINT_SHARE, _FAINT = 0.3, (0.05, 0.4)  # of the scenes, and what of their contrast is left
_STEPPED_SHARE, _HEIGHT = 0.2, 0.25  # of the scenes, and how far they stand out, as a share of the depth
_REPEATING_SHARE = 0.15
_OBLIQUE_SHARE, _STEEPEST = 0.5, np.deg2rad(50.0)  # of the references
_ATTACHED_SHARE, _ATTACHED = 0.15, (0.1, 0.4)  # of the scenes, and of the view that moves with the camera
_CHANGED_SHARE, _CHANGED = 0.15, (0.2, 0.6)  # of the images, and of the scene
_STRANGE_SHARE, _STRANGERS = 0.2, (0.7, 0.05, 0.1, 0.15)  # of the images, and the shares of their kinds
_NEAR = np.array([2e-3] * 3 + [1e-2] * 3)  # deviation, m and rad, of what tracking starts from
_SHARE_OF_NEAR = (0.2, 1.2)
_NEARER = 0.6  # of the distance in the image
_CONDITIONS = ('nominal', 'nominal', 'perturbed', 'perturbed', 'occlusion', 'lighting', 'blur', 'low_light')
_VIEWS_PER_SCENE = 5


@dataclass(frozen=True)
class Sample:
    """Features of an alignment (F,) and whether it was right: exactly (`fine`), or as a basin (`gross`)."""

    features: Array
    fine: bool
    gross: bool


def samples(model: str, corpus: Corpus | None, scenes: int, seed: int) -> Iterator[Sample]:
    """Alignments of `scenes` scenes, from the corpus's validation split and from drawings."""
    network = MatcherNetwork(load_model(model))
    for index in range(scenes):
        rng = np.random.default_rng((seed, index))
        yield from _Scene(network, corpus, rng).samples()


@dataclass(frozen=True)
class SteppedWorld:
    """A plane with rectangles that stand before it: depth, parallax and what it hides, without a renderer.

    `steps` are pictures of single colour or texture with their depth in metres and their mask (H, W), far to near.
    """

    ground: PlanarWorld
    steps: tuple[tuple[PlanarWorld, PlanarWorld], ...]

    @classmethod
    def draw(cls, rng: np.random.Generator, ground: np.ndarray, skins: list[np.ndarray]) -> SteppedWorld:
        """Draw two to eight rectangles at random."""
        heights = np.sort(rng.uniform(0.03, _HEIGHT, int(rng.integers(2, 9))))
        steps = []
        for height in heights:
            mask = np.zeros(ground.shape, np.uint8)
            extent = rng.uniform(0.06, 0.22, 2) * _TEXTURE_SIZE
            centre = _TEXTURE_SIZE * rng.uniform(0.25, 0.75, 2)
            corners = cv2.boxPoints((tuple(centre), tuple(extent), float(rng.uniform(0, 90))))
            cv2.fillPoly(mask, [corners.astype(np.int32)], 255)
            depth = DEPTH * (1.0 - height)
            skin = skins[int(rng.integers(len(skins)))]
            steps.append((PlanarWorld(skin, depth=depth), PlanarWorld(mask, depth=depth)))
        return cls(PlanarWorld(ground), tuple(steps))

    def image(self, current_T_desired: Array) -> np.ndarray:
        """Noiseless view, float32 (H, W) in grey levels, of a camera at ``current_T_desired`` (4, 4)."""
        view = self.ground.image(current_T_desired)
        for skin, mask in self.steps:
            np.copyto(view, skin.image(current_T_desired), where=mask.image(current_T_desired) > 128)
        return view


def _texture(corpus: Corpus | None, rng: np.random.Generator) -> np.ndarray:
    if corpus is None or rng.random() < 0.5:
        return textures.draw(rng, _TEXTURE_SIZE)
    tile = corpus.tiles[rng.choice(corpus.indices('validation'))]
    large = cv2.resize(tile, (_TEXTURE_SIZE, _TEXTURE_SIZE), interpolation=cv2.INTER_CUBIC).astype(np.float32)
    grain = cv2.GaussianBlur(rng.standard_normal(large.shape, dtype=np.float32), (0, 0), 1.0)
    return np.clip(large + 4 * grain / grain.std(), 0, 255).astype(np.uint8)


def _repeating(rng: np.random.Generator) -> np.ndarray:
    """A chessboard, a grid of circles or a floor of tiles: seldom with a mark that tells the repetitions apart."""
    side = int(rng.integers(60, 180))
    dark, light = float(rng.uniform(20, 90)), float(rng.uniform(150, 240))
    cell = np.full((side, side), light, np.float32)
    kind = rng.integers(3)
    if kind == 0:
        cell = np.full((2 * side, 2 * side), light, np.float32)
        cell[:side, :side] = cell[side:, side:] = dark
    elif kind == 1:
        cv2.circle(cell, (side // 2, side // 2), int(side * rng.uniform(0.2, 0.4)), dark, -1, cv2.LINE_AA)
    else:
        cv2.rectangle(cell, (0, 0), (side - 1, side - 1), dark, 4)
        ends = rng.integers(0, side, (3, 2, 2))
        for first, second in ends:
            cv2.line(cell, tuple(map(int, first)), tuple(map(int, second)), dark, 4, cv2.LINE_AA)
    count = 1 + _TEXTURE_SIZE // cell.shape[0]
    whole = np.tile(cell, (count, count))[:_TEXTURE_SIZE, :_TEXTURE_SIZE]
    if rng.random() < 0.6:  # a board of few cells on a table
        width, height = rng.uniform(0.2, 0.5, 2) * _TEXTURE_SIZE
        middle = _TEXTURE_SIZE // 2
        mask = np.zeros(whole.shape, bool)
        mask[
            int(middle - height / 2) : int(middle + height / 2), int(middle - width / 2) : int(middle + width / 2)
        ] = 1
        whole = np.where(mask, whole, float(rng.uniform(100, 230)))
    if rng.random() < 0.5:
        whole = whole + cv2.resize(
            rng.standard_normal((40, 40)).astype(np.float32) * rng.uniform(0, 15), whole.shape
        )
    return np.clip(np.rint(whole), 0, 255).astype(np.uint8)


class _Scene:
    """A reference of a world, and the alignments of views of it."""

    def __init__(self, network: MatcherNetwork, corpus: Corpus | None, rng: np.random.Generator) -> None:
        self._rng = rng
        self._other = _texture(corpus, rng)
        repeats = rng.random() < _REPEATING_SHARE
        texture = _repeating(rng) if repeats else _texture(corpus, rng)
        if rng.random() < _FAINT_SHARE:
            mean = float(texture.mean())
            faint = mean + rng.uniform(*_FAINT) * (texture.astype(np.float32) - mean)
            texture = np.clip(np.rint(faint), 0, 255).astype(np.uint8)
        if rng.random() < _STEPPED_SHARE:
            world: World = SteppedWorld.draw(rng, texture, [_texture(corpus, rng) for _ in range(2)])
        else:
            world = PlanarWorld(texture)
        angle = rng.uniform(0.2, 1.0) * _STEEPEST if rng.random() < _OBLIQUE_SHARE else 0.0
        oblique = ObliqueWorld.tilted(world, angle, _seed(rng))
        changed = ChangedWorld.drawn(oblique.base, self._other, rng.uniform(*_CHANGED), _seed(rng))
        self._world: World = oblique
        self._changed: World = replace(oblique, base=changed)
        self._normal = oblique.base_T_desired[2, :3] / oblique.base_T_desired[2, 2]
        self._has_rivals = repeats
        if rng.random() < _ATTACHED_SHARE:
            self._has_rivals = True
            gripper = GripperWorld.drawn(oblique, rng.uniform(*_ATTACHED), _seed(rng))
            self._world, self._changed = gripper, replace(gripper, base=self._changed)
        self._sensor = Sensor(hash_of(_seed(rng)))
        reference = ImagePyramid(self._sensor.expose(self._world.image(np.eye(4))), CAMERA)
        self._plane = ScenePlane(DEPTH)
        self._matchers = [ReferenceMatcher(network, reference, CAMERA, width) for width in WIDTHS]
        self._features = FeatureMatcher(reference, CAMERA, *FEATURES)
        self._aligner = PhotometricAlignment(reference, self._plane)
        self._acquisition = Acquisition(network, self._aligner, reference, CAMERA)

    def samples(self) -> Iterator[Sample]:
        """Yield the alignments of a number of views."""
        rng = self._rng
        for _ in range(_VIEWS_PER_SCENE):
            size = rng.choice((0.0, 0.02, 0.1, 0.4, 0.7, 1.0, 1.3))
            desired_T_current = se3.from_pose_vector(size * HARDEST * rng.standard_normal(6))
            desired_T_current[2, 3] -= DEPTH * size * float(rng.choice((0.0, 0.0, -0.4, 1.0)))
            disturb = DISTURBANCES[str(rng.choice(_CONDITIONS))](_seed(rng), self._other)
            current_T_desired = se3.inverse(desired_T_current)
            strange = rng.random() < _STRANGE_SHARE
            if strange:
                kind = str(rng.choice(list(strangers.KINDS), p=_STRANGERS))
                view = strangers.KINDS[kind](self._world, PlanarWorld(self._other), current_T_desired, rng)
            else:
                changed = rng.random() < _CHANGED_SHARE
                view = (self._changed if changed else self._world).image(current_T_desired)
            image = ImagePyramid(self._sensor.expose(disturb(view, int(rng.integers(400)))), CAMERA)
            for found in self._found(image):
                yield self._judge(found, current_T_desired, known=not strange)
            start = se3.exp(rng.uniform(*_SHARE_OF_NEAR) * _NEAR * rng.standard_normal(6)) @ current_T_desired
            plane = self._plane.at(self._normal[:2])
            tracked = self._aligner.align(image, start, plane, TRACK_STAGES)
            if tracked is not None:
                sample = self._judge(tracked, current_T_desired, known=not strange)
                # A track that starts near the truth stays there, even if the image says nothing: has it come
                # nearer?
                before = self._shift(start, plane.slope, current_T_desired)
                after = self._shift(tracked.current_T_desired, tracked.plane.slope, current_T_desired)
                yield sample if after < _NEARER * before else replace(sample, fine=False, gross=False)

    def _found(self, image: ImagePyramid) -> Iterator[Alignment]:
        """Alignments of all hypotheses; where others must fit as well, that which stands out from its rivals.

        So it is with a pattern that repeats, and with a gripper, which fits where it lay.
        """
        if self._has_rivals:
            match = self._acquisition.find(image, self._plane, 0.0)
            if match is not None:
                yield match.alignment
            return
        for hypothesis in self._hypotheses(image):
            pose, slope = hypothesis.current_T_desired, hypothesis.slope
            found = self._aligner.align(image, pose, self._plane, ACQUIRE_STAGES, slope=slope)
            if found is not None:
                yield found

    def _hypotheses(self, image: ImagePyramid) -> Iterator[PlanePose]:
        for matcher in self._matchers:
            yield from matcher.hypotheses(matcher.matches(image), self._plane)
        hypothesis = self._features.hypothesis(image, self._plane)
        if hypothesis is not None:
            yield hypothesis

    def _shift(self, current_T_desired: Array, slope: Array, truth: Array) -> float:
        """Widths of the image, in the mean over what is in view, by which a pose shows the plane off its place."""
        across, down = np.meshgrid(np.linspace(0, CAMERA.width, 9), np.linspace(0, CAMERA.height, 7))
        points = np.stack([across.ravel(), down.ravel(), np.ones(across.size)])
        normals = np.array([*slope, 1.0]), self._normal
        shown, right = (
            plane_homography(pose, DEPTH, CAMERA, normal=normal) @ points
            for pose, normal in zip((current_T_desired, truth), normals, strict=True)
        )
        ahead = right[2] > 1e-3
        shown, right = (each[:2, ahead] / np.maximum(each[2, ahead], 1e-3) for each in (shown, right))
        in_view = (right > 0).all(axis=0) & (right[0] < CAMERA.width) & (right[1] < CAMERA.height)
        if not in_view.any():
            return float('inf')
        return float(np.linalg.norm((shown - right)[:, in_view], axis=0).mean() / CAMERA.width)

    def _judge(self, alignment: Alignment, truth: Array, *, known: bool) -> Sample:
        miss = se3.pose_error(truth @ se3.inverse(alignment.current_T_desired))
        way = se3.pose_error(truth)
        allowed = SUCCESS[0] + RELATIVE * way[0], SUCCESS[1] + RELATIVE * (way[1] + way[0] / DEPTH)
        shift = self._shift(alignment.current_T_desired, alignment.plane.slope, truth)
        return Sample(
            confidence.features(alignment),
            fine=known and miss[0] < allowed[0] and miss[1] < allowed[1],
            gross=known and shift < _SAME_BASIN,
        )


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(1 << 30))


def fit_logistic(features: Array, labels: Array, ridge: float = 1.0) -> Array:
    """Intercept and weights (F + 1,) of a logistic regression of `labels` (N,) on `features` (N, F).

    The weights are not negative: the greater a feature, the greater the probability.
    """
    design = np.column_stack([np.ones(len(features)), features])

    def loss(weights: Array) -> tuple[float, Array]:
        logit = design @ weights
        value = np.logaddexp(0.0, logit).sum() - labels @ logit + 0.5 * ridge * weights[1:] @ weights[1:]
        gradient = design.T @ (1.0 / (1.0 + np.exp(-np.clip(logit, -60, 60))) - labels)
        return float(value), gradient + ridge * np.array([0.0, *weights[1:]])

    bounds = [(None, None), *[(0.0, None)] * features.shape[1]]
    start = np.zeros(design.shape[1])
    return np.asarray(optimize.minimize(loss, start, jac=True, method='L-BFGS-B', bounds=bounds).x)


def reliability(probability: Array, labels: Array, bins: int = 10) -> tuple[list[tuple[float, float, int]], float]:
    """Rows (mean claimed, observed rate, count) of the occupied bins, and the expected calibration error."""
    index = np.minimum((probability * bins).astype(int), bins - 1)
    rows = []
    for bin_ in range(bins):
        inside = index == bin_
        if inside.any():
            rows.append((float(probability[inside].mean()), float(labels[inside].mean()), int(inside.sum())))
    error = sum(abs(claimed - observed) * count for claimed, observed, count in rows) / len(labels)
    return rows, float(error)
