"""Calibrates what an estimator's scores mean: the probability that a pose is right, fitted on validation scenes.

Every sample is an alignment that the estimator really made: from one of the matcher's hypotheses, or tracked from
near the true pose, on a scene that no training read, under one of the benchmark's conditions. Some show another
scene altogether.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.estimation import confidence, load_model
from cnn_vs_ros.estimation.matcher import MatcherNetwork, ReferenceMatcher
from cnn_vs_ros.estimation.photometric import ACQUIRE_STAGES, TRACK_STAGES, Alignment, PhotometricAlignment
from cnn_vs_ros.estimation.pyramid import ImagePyramid
from cnn_vs_ros.geometry import se3
from training import textures
from training.benchmark.conditions import CONDITIONS
from training.benchmark.runs import HARDEST, SUCCESS, hash_of
from training.benchmark.world import CAMERA, DEPTH, PlanarWorld, Sensor
from training.corpus import Corpus

Array = NDArray[np.float64]

SAME_BASIN = (8e-3, float(np.deg2rad(2.0)))  # m, rad: the alignment is in the right basin, tracking will finish
_TEXTURE_SIZE = 1500
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
        yield from _scene_samples(network, _texture(corpus, rng), _texture(corpus, rng), rng)


def _texture(corpus: Corpus | None, rng: np.random.Generator) -> np.ndarray:
    if corpus is None or rng.random() < 0.5:
        return textures.draw(rng, _TEXTURE_SIZE)
    tile = corpus.tiles[rng.choice(corpus.indices('validation'))]
    large = cv2.resize(tile, (_TEXTURE_SIZE, _TEXTURE_SIZE), interpolation=cv2.INTER_CUBIC).astype(np.float32)
    grain = cv2.GaussianBlur(rng.standard_normal(large.shape, dtype=np.float32), (0, 0), 1.0)
    return np.clip(large + 4 * grain / grain.std(), 0, 255).astype(np.uint8)


def _scene_samples(
    network: MatcherNetwork, texture: np.ndarray, other: np.ndarray, rng: np.random.Generator
) -> Iterator[Sample]:
    world, foreign = PlanarWorld(texture), PlanarWorld(other)
    sensor = Sensor(hash_of(int(rng.integers(1 << 30))))
    reference = ImagePyramid(sensor.expose(world.image(np.eye(4))), CAMERA)
    matcher = ReferenceMatcher(network, reference, CAMERA, DEPTH)
    aligner = PhotometricAlignment(reference, DEPTH)
    for _ in range(_VIEWS_PER_SCENE):
        size = rng.choice((0.0, 0.1, 0.4, 0.7, 1.0))
        desired_T_current = se3.from_pose_vector(size * HARDEST * rng.standard_normal(6))
        disturb = CONDITIONS[str(rng.choice(_CONDITIONS))](int(rng.integers(1 << 30)), other)
        shown = foreign if rng.random() < 0.12 else world
        view = disturb(shown.image(se3.inverse(desired_T_current)), int(rng.integers(400)))
        image = ImagePyramid(sensor.expose(view), CAMERA)
        found = [
            aligner.align(image, hypothesis.current_T_desired, ACQUIRE_STAGES)
            for hypothesis in matcher.hypotheses(image)
        ]
        near = se3.exp(rng.normal(scale=[0.002] * 3 + [0.01] * 3)) @ se3.inverse(desired_T_current)
        found.append(aligner.align(image, near, TRACK_STAGES))
        for alignment in found:
            if alignment is not None:
                yield _judge(alignment, desired_T_current, known=shown is world)


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
