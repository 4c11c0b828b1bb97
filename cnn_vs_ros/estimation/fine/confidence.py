"""How far to trust an alignment: probabilities, not scores.

Both are logistic regressions on the features below with weights that are not negative, so that no better alignment
is ever believed less. Nothing among them is about where the camera is: not its distance, nor its obliquity. They
are fitted by ``python -m training fit-confidence`` on scenes that no training read;
`resource/weights/confidence.json` holds them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.errors import ModelError
from cnn_vs_ros.estimation.fine.alignment import Alignment
from cnn_vs_ros.resources import resource_path

Array = NDArray[np.float64]

FEATURES = ('evidence', 'unoccluded', 'correlation_unweighted', 'correlation', 'precision')
GROSS_FEATURES = 3  # whether the reference is seen at all: by the first of them
WEIGHTS = 'weights/confidence.json'

BELIEVED = 0.6
"""Probability from which a match, or a track, is believed."""

DOUBTFUL = 0.15
"""Probability under which a match is not worth following, and a track is forgotten."""

_LOGIT_LIMIT = 0.9995
_LEAST_EVIDENCE = 2e-3
_SURE, _RESERVED_UNTIL = 0.9, 0.987
# An alignment that stays within so much (widths of the image) of where matches of a network or of features put it
# is seconded by them; within the second it is as near as it can be told. On 3881 alignments (thirteen scenes under
# five conditions, strangers, 682 pairs of real photographs) the odds of a right one grow as the inverse of that
# distance, to the power of 0.8; of the 369 wrong ones none comes to be believed by it.
_SECONDED, _EXACT = 0.02, 0.001


def features(alignment: Alignment) -> Array:
    """Return what the probabilities are computed from (5,), see FEATURES; the greater the better, each of them.

    The precision is that of the position, in distances of the camera from the scene: neither far nor near is
    worse.
    """
    depth = alignment.plane.depth
    pose = alignment.current_T_desired
    distance = max(depth, float((pose[:3, :3] @ (0, 0, depth) + pose[:3, 3])[2]))
    precision = float(np.sqrt(np.trace(alignment.covariance[:3, :3]))) / distance
    correlations = np.array([alignment.correlation_unweighted, alignment.correlation])
    return np.array(
        [
            np.log(max(alignment.evidence, _LEAST_EVIDENCE)),
            np.log(alignment.unoccluded + 1e-2),
            *np.arctanh(np.clip(correlations, 0.0, _LOGIT_LIMIT)),
            -np.log(precision + 1e-6),
        ]
    )


@dataclass(frozen=True)
class Calibration:
    """The fitted regressions: intercept and weights of both, (6,) and (4,)."""

    fine: Array
    gross: Array

    def probabilities(self, alignment: Alignment) -> tuple[float, float]:
        """Probability that the pose is right, and that the alignment shows the reference at all."""
        values = features(alignment)
        fine = self.fine[0] + values @ self.fine[1:]
        gross = self.gross[0] + values[:GROSS_FEATURES] @ self.gross[1:]
        return _logistic(float(fine)), _logistic(float(gross))


def _logistic(value: float) -> float:
    return float(1.0 / (1.0 + np.exp(-np.clip(value, -60.0, 60.0))))


@cache
def calibration() -> Calibration:
    """Return the shipped calibration. Raises ModelError when its file is not one."""
    path = resource_path(WEIGHTS)
    try:
        values = json.loads(path.read_text(encoding='utf-8'))
        fine, gross = (np.array(values[name], float) for name in ('fine', 'gross'))
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise ModelError(f'{path} should be a calibration of the confidence but cannot be read: {error}') from None
    expected = (len(FEATURES) + 1,), (GROSS_FEATURES + 1,)
    if (fine.shape, gross.shape) != expected or not all(np.isfinite(array).all() for array in (fine, gross)):
        raise ModelError(f'{path} should hold finite numbers of shapes {expected} but holds other ones')
    if min(fine[1:].min(), gross[1:].min()) < 0:
        raise ModelError(f'{path} should hold no negative weight, for a better alignment is not believed less')
    return Calibration(fine, gross)


@dataclass(frozen=True)
class Match:
    """An alignment, judged.

    `probability` is that it shows the reference at all, so that tracking will refine it; `confidence` that the
    pose is right: to 0.2 degrees, 1 mm per 25 cm of depth and a twenty-fifth of the way to the goal. It is not
    above the probability, and it is conservative above 0.9, for that is where users begin to rely on it: see
    `reserved`. What seconded it has raised the odds of the probability by the factor `raised_by`.
    """

    alignment: Alignment
    probability: float
    confidence: float
    raised_by: float = 1.0

    def of(self, alignment: Alignment) -> Match:
        """Return the same judgement of another alignment."""
        return replace(self, alignment=alignment)

    def no_surer_than(self, share: float) -> Match:
        """Return the same match with a confidence of at most `share`."""
        return replace(self, confidence=min(self.confidence, share))

    def seconded(self, shift: float) -> Match:
        """Return the same match where what proposed it, and looks at other things, is off by `shift` widths."""
        return self.raised(seconding(shift))

    def raised(self, factor: float) -> Match:
        """Return the same match with its odds raised by a factor."""
        odds = factor * self.probability
        probability = odds / (odds + 1.0 - self.probability)
        return replace(self, probability=probability, raised_by=factor * self.raised_by)

    def among_rivals(self, share: float) -> Match:
        """Return the same match when only `share` of the likelihood is its own."""
        probability = share * self.probability
        return replace(self, probability=probability, confidence=min(self.confidence, probability))


def judge(alignment: Alignment) -> Match:
    """Judge an alignment by itself."""
    fine, gross = calibration().probabilities(alignment)
    return Match(alignment, gross, min(reserved(fine), gross))


def seconding(shift: float) -> float:
    """Times by which an alignment is likelier for being within `shift` widths of the image of what proposed it."""
    return max(1.0, _SECONDED / (shift + _EXACT))


def reserved(probability: float) -> float:
    """Confidence for a probability: 0.9 up to a probability of 0.987, and only from there to 1."""
    return min(probability, max(_SURE, 1.0 - (1.0 - _SURE) * (1.0 - probability) / (1.0 - _RESERVED_UNTIL)))
