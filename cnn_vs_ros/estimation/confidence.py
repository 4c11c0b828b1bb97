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
from cnn_vs_ros.resources import resource_path

Array = NDArray[np.float64]

# Match probability and correlation from which one hypothesis is believed without looking at the others.
CERTAIN = 0.95
UNRIVALLED = 0.95

FEATURES = ('correlation', 'correlation_unweighted', 'visible', 'unoccluded', 'evidence', 'precision')
WEIGHTS = 'weights/confidence.json'

_LOGIT_LIMIT = 0.9995
_FARTHEST = 3.0  # standard deviations; beyond, the regression would extrapolate


def features(alignment: Alignment, depth: float) -> Array:
    """Return what the probabilities are computed from (6,), see FEATURES; independent of `depth` (metres)."""
    precision = float(np.sqrt(np.trace(alignment.covariance[:3, :3]))) / depth
    correlations = np.array([alignment.correlation, alignment.correlation_unweighted])
    shares = np.array([alignment.visible, alignment.unoccluded, alignment.evidence])
    return np.concatenate(
        [
            np.arctanh(np.clip(correlations, -_LOGIT_LIMIT, _LOGIT_LIMIT)),
            np.log(shares + 1e-3),
            [np.log(precision + 1e-6)],
        ]
    )


def quadratic(values: ArrayLike, centre: ArrayLike, deviation: ArrayLike) -> Array:
    """Return the terms (N, 28) of the regression for features (N, 6): 1, each feature, each product of two."""
    normal = np.clip((np.asarray(values) - centre) / np.asarray(deviation), -_FARTHEST, _FARTHEST)
    first, second = np.triu_indices(normal.shape[1])
    return np.column_stack([np.ones(len(normal)), normal, normal[:, first] * normal[:, second]])


@dataclass(frozen=True)
class Calibration:
    """The fitted regressions: normalisation of the features (6,) and the weights (28,) of both probabilities."""

    centre: Array
    deviation: Array
    fine: Array
    gross: Array

    def probability(self, alignment: Alignment, depth: float, weights: Array) -> float:
        """Return the logistic function of the weighted terms."""
        terms = quadratic(features(alignment, depth)[None], self.centre, self.deviation)[0]
        return float(1.0 / (1.0 + np.exp(-np.clip(terms @ weights, -60.0, 60.0))))


@cache
def calibration() -> Calibration:
    """Return the shipped calibration. Raises ModelError when its file is not one."""
    path = resource_path(WEIGHTS)
    terms = len(quadratic(np.zeros((1, len(FEATURES))), 0.0, 1.0)[0])
    try:
        values = json.loads(path.read_text(encoding='utf-8'))
        arrays = [np.array(values[name], float) for name in ('centre', 'deviation', 'fine', 'gross')]
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise ModelError(f'{path} should be a calibration of the confidence but cannot be read: {error}') from None
    expected = [(len(FEATURES),), (len(FEATURES),), (terms,), (terms,)]
    if [array.shape for array in arrays] != expected or not all(np.isfinite(array).all() for array in arrays):
        raise ModelError(f'{path} should hold finite numbers of shapes {expected} but holds other ones')
    return Calibration(*arrays)


def confidence(alignment: Alignment, depth: float) -> float:
    """Probability that the pose is right to 0.2 degrees and 1 mm per 25 cm of `depth` metres."""
    fitted = calibration()
    return fitted.probability(alignment, depth, fitted.fine)


def match_probability(alignment: Alignment, depth: float) -> float:
    """Probability that the alignment shows the reference at all, so that tracking will refine it."""
    fitted = calibration()
    return fitted.probability(alignment, depth, fitted.gross)
