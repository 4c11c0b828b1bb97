"""Calibrates what an estimator's scores mean: the probability that a pose is right, fitted on validation scenes.

Every sample is an alignment that the estimator really made: from one of the matcher's hypotheses, or tracked from
near the true pose, on a scene that no training read, under one of the benchmark's conditions. Some scenes are
faint, some are no plane, some images do not show the scene at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.estimation import confidence, load_model
from cnn_vs_ros.estimation.matcher import MatcherNetwork, ReferenceMatcher
from cnn_vs_ros.estimation.photometric import ACQUIRE_STAGES, TRACK_STAGES, Alignment, PhotometricAlignment
from cnn_vs_ros.estimation.pyramid import ImagePyramid
from cnn_vs_ros.geometry import image_shift, se3
from training import textures
from training.benchmark import strangers
from training.benchmark.disturbances import DISTURBANCES
from training.benchmark.runs import HARDEST, SUCCESS, hash_of
from training.benchmark.world import CAMERA, DEPTH, PlanarWorld, Sensor, World
from training.corpus import Corpus

Array = NDArray[np.float64]

SAME_BASIN = (8e-3, float(np.deg2rad(2.0)))  # m, rad: the alignment is in the right basin, tracking will finish
_TEXTURE_SIZE = 1500
_FAINT_SHARE, _FAINT = 0.35, (0.05, 0.4)  # of the scenes, and what of their contrast is left
_STEPPED_SHARE, _HEIGHT = 0.2, 0.25  # of the scenes, and how far they stand out, as a share of the depth
_STRANGE_SHARE, _STRANGERS = 0.2, (0.7, 0.05, 0.1, 0.15)  # of the images, and the shares of their kinds
_NEAR = np.array([2e-3] * 3 + [1e-2] * 3)  # deviation, m and rad, of what tracking starts from
_SHARE_OF_NEAR = (0.2, 1.2)
_NEARER = 0.6  # of the distance in the image
_CONDITIONS = ('nominal', 'nominal', 'perturbed', 'perturbed', 'occlusion', 'lighting', 'blur', 'low_light')
_VIEWS_PER_SCENE = 6


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
        yield from _scene_samples(network, _world(corpus, rng), _texture(corpus, rng), rng)


def _world(corpus: Corpus | None, rng: np.random.Generator) -> World:
    texture = _texture(corpus, rng)
    if rng.random() < _FAINT_SHARE:
        mean = float(texture.mean())
        faint = mean + rng.uniform(*_FAINT) * (texture.astype(np.float32) - mean)
        texture = np.clip(np.rint(faint), 0, 255).astype(np.uint8)
    if rng.random() < _STEPPED_SHARE:
        return SteppedWorld.draw(rng, texture, [_texture(corpus, rng) for _ in range(2)])
    return PlanarWorld(texture)


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


def _scene_samples(
    network: MatcherNetwork, world: World, other: np.ndarray, rng: np.random.Generator
) -> Iterator[Sample]:
    foreign = PlanarWorld(other)
    sensor = Sensor(hash_of(int(rng.integers(1 << 30))))
    reference = ImagePyramid(sensor.expose(world.image(np.eye(4))), CAMERA)
    matcher = ReferenceMatcher(network, reference, CAMERA, DEPTH)
    aligner = PhotometricAlignment(reference, DEPTH)
    for _ in range(_VIEWS_PER_SCENE):
        size = rng.choice((0.0, 0.02, 0.1, 0.4, 0.7, 1.0))
        desired_T_current = se3.from_pose_vector(size * HARDEST * rng.standard_normal(6))
        disturb = DISTURBANCES[str(rng.choice(_CONDITIONS))](int(rng.integers(1 << 30)), other)
        strange = rng.random() < _STRANGE_SHARE
        current_T_desired = se3.inverse(desired_T_current)
        if strange:
            kind = str(rng.choice(list(strangers.KINDS), p=_STRANGERS))
            view = strangers.KINDS[kind](world, foreign, current_T_desired, rng)
        else:
            view = world.image(current_T_desired)
        view = disturb(view, int(rng.integers(400)))
        image = ImagePyramid(sensor.expose(view), CAMERA)
        found = [
            aligner.align(image, hypothesis.current_T_desired, ACQUIRE_STAGES)
            for hypothesis in matcher.hypotheses(image)
        ]
        for alignment in found:
            if alignment is not None:
                yield _judge(alignment, desired_T_current, known=not strange)
        start = se3.exp(rng.uniform(*_SHARE_OF_NEAR) * _NEAR * rng.standard_normal(6)) @ current_T_desired
        tracked = aligner.align(image, start, TRACK_STAGES)
        if tracked is not None:
            sample = _judge(tracked, desired_T_current, known=not strange)
            # A track that starts near the truth stays there, even if the image says nothing: has it come nearer?
            before, after = (
                image_shift(pose, current_T_desired, DEPTH, CAMERA) for pose in (start, tracked.current_T_desired)
            )
            yield sample if after < _NEARER * before else replace(sample, fine=False, gross=False)


def _judge(alignment: Alignment, desired_T_current: Array, *, known: bool) -> Sample:
    miss = se3.pose_error(se3.inverse(desired_T_current) @ se3.inverse(alignment.current_T_desired))
    return Sample(
        confidence.features(alignment, DEPTH),
        fine=known and miss[0] < SUCCESS[0] and miss[1] < SUCCESS[1],
        gross=known and miss[0] < SAME_BASIN[0] and miss[1] < SAME_BASIN[1],
    )


def fit_logistic(design: Array, labels: Array, ridge: float = 1.0, iterations: int = 60) -> Array:
    """Weights (F,) of a logistic regression of `labels` (N,) on `design` (N, F), first column 1, by Newton."""
    penalty = ridge * np.eye(design.shape[1])
    penalty[0, 0] = 1e-6
    weights = np.zeros(design.shape[1])
    for _ in range(iterations):
        probability = 1.0 / (1.0 + np.exp(-np.clip(design @ weights, -40, 40)))
        gradient = design.T @ (probability - labels) + penalty @ weights
        curvature = (design * (probability * (1 - probability))[:, None]).T @ design + penalty
        step = np.linalg.solve(curvature, gradient)
        weights = weights - step
        if np.abs(step).max() < 1e-9:
            break
    return weights


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
