"""How far to trust an alignment: probabilities, not scores.

Both are logistic regressions on the features below, their squares and products, fitted by
``python -m training calibrate`` on scenes that no training read; `resource/weights/confidence.json` holds them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cnn_vs_ros.errors import ModelError
from cnn_vs_ros.estimation.photometric import Alignment
from cnn_vs_ros.geometry import se3
from cnn_vs_ros.resources import resource_path

Array = NDArray[np.float64]

FEATURES = ('correlation', 'correlation_unweighted', 'visible', 'unoccluded', 'evidence', 'precision', 'distance')
GROSS_FEATURES = len(FEATURES) - 1  # all but the distance
WEIGHTS = 'weights/confidence.json'

_SURE, _RESERVED_UNTIL = 0.9, 0.987
_LOGIT_LIMIT = 0.9995
_NO_DISTANCE = 3e-3
_FARTHEST = 3.0  # standard deviations; beyond, the regression would extrapolate


def features(alignment: Alignment, depth: float) -> Array:
    """Return what the probabilities are computed from (7,), see FEATURES; independent of `depth` (metres).

    The distance to the goal, the last, is among them because what is not a plane errs with it. Whether the
    reference is seen at all (`GROSS_FEATURES`) must not depend on it.
    """
    translation, angle = se3.pose_error(alignment.current_T_desired)
    precision = float(np.sqrt(np.trace(alignment.sampled_covariance[:3, :3]))) / depth
    correlations = np.array([alignment.correlation, alignment.correlation_unweighted])
    shares = np.array([alignment.visible, alignment.unoccluded, alignment.evidence])
    return np.concatenate(
        [
            np.arctanh(np.clip(correlations, -_LOGIT_LIMIT, _LOGIT_LIMIT)),
            np.log(shares + 1e-3),
            [np.log(precision + 1e-6), np.log(translation / depth + angle + _NO_DISTANCE)],
        ]
    )


def normalised(values: ArrayLike, centre: ArrayLike, deviation: ArrayLike) -> Array:
    """Return features (N, F) less their `centre` (F,) in units of their `deviation` (F,), bounded."""
    return np.clip((np.asarray(values) - centre) / np.asarray(deviation), -_FARTHEST, _FARTHEST)


def quadratic(normal: Array) -> Array:
    """Return the terms (N, T) of a regression for normalised features (N, F): 1, each, each product of two."""
    first, second = np.triu_indices(normal.shape[1])
    return np.column_stack([np.ones(len(normal)), normal, normal[:, first] * normal[:, second]])


@dataclass(frozen=True)
class Calibration:
    """The fitted regressions: normalisation of the features (7,) and weights of both, (36,) and (28,)."""

    centre: Array
    deviation: Array
    fine: Array
    gross: Array

    def probabilities(self, alignment: Alignment, depth: float) -> tuple[float, float]:
        """Probability that the pose is right, and that the alignment shows the reference at all."""
        normal = normalised(features(alignment, depth)[None], self.centre, self.deviation)
        fine = quadratic(normal) @ self.fine
        gross = quadratic(normal[:, :GROSS_FEATURES]) @ self.gross
        return _logistic(fine), _logistic(gross)


def _logistic(value: Array) -> float:
    return float(1.0 / (1.0 + np.exp(-np.clip(value[0], -60.0, 60.0))))


@cache
def calibration() -> Calibration:
    """Return the shipped calibration. Raises ModelError when its file is not one."""
    path = resource_path(WEIGHTS)
    try:
        values = json.loads(path.read_text(encoding='utf-8'))
        arrays = [np.array(values[name], float) for name in ('centre', 'deviation', 'fine', 'gross')]
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise ModelError(f'{path} should be a calibration of the confidence but cannot be read: {error}') from None
    count = len(FEATURES)
    terms = [quadratic(np.zeros((1, features_))).shape[1] for features_ in (count, GROSS_FEATURES)]
    expected = [(count,), (count,), (terms[0],), (terms[1],)]
    if [array.shape for array in arrays] != expected or not all(np.isfinite(array).all() for array in arrays):
        raise ModelError(f'{path} should hold finite numbers of shapes {expected} but holds other ones')
    return Calibration(*arrays)


@dataclass(frozen=True)
class Match:
    """An alignment, judged.

    `probability` is that it shows the reference at all, so that tracking will refine it; `confidence` that the
    pose is right to 0.2 degrees and 1 mm per 25 cm of depth. The confidence is not above the probability, and it
    is conservative above 0.9, for that is where users begin to rely on it: see `reserved`.
    """

    alignment: Alignment
    probability: float
    confidence: float

    def among_rivals(self, share: float) -> Match:
        """Return the same match when only `share` of the likelihood is its own."""
        probability = share * self.probability
        return Match(self.alignment, probability, min(self.confidence, probability))


def judge(alignment: Alignment, depth: float) -> Match:
    """Judge an alignment of a scene at `depth` metres."""
    fine, gross = calibration().probabilities(alignment, depth)
    return Match(alignment, gross, min(reserved(fine), gross))


def reserved(probability: float) -> float:
    """Confidence for a probability: 0.9 up to a probability of 0.987, and only from there to 1."""
    return min(probability, max(_SURE, 1.0 - (1.0 - _SURE) * (1.0 - probability) / (1.0 - _RESERVED_UNTIL)))
