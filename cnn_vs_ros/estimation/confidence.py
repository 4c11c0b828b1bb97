"""How far to trust an alignment: probabilities, not scores.

Both are logistic regressions fitted by ``python -m training calibrate`` on scenes that no training read.
"""

from __future__ import annotations

import numpy as np

from cnn_vs_ros.estimation.photometric import Alignment

# Claimed probability from which one hypothesis is believed without looking at the others.
CERTAIN = 0.95

_LOGIT_LIMIT = 0.9995


def features(alignment: Alignment, depth: float) -> dict[str, float]:
    """What the probabilities are computed from; independent of the scene's depth in metres."""
    precision = float(np.sqrt(np.trace(alignment.covariance[:3, :3]))) / depth
    return {
        'correlation': float(np.arctanh(np.clip(alignment.correlation, -_LOGIT_LIMIT, _LOGIT_LIMIT))),
        'correlation_unweighted': float(
            np.arctanh(np.clip(alignment.correlation_unweighted, -_LOGIT_LIMIT, _LOGIT_LIMIT))
        ),
        'visible': float(np.log(alignment.visible + 1e-3)),
        'unoccluded': float(np.log(alignment.unoccluded + 1e-3)),
        'precision': float(np.log(precision + 1e-6)),
    }


# Weights of the features above, in their order, and the bias.
_FINE = (0.553, 1.174, 0.499, 3.004, -1.944, -14.749)
_GROSS = (0.879, 4.251, 0.764, 1.665, -1.004, -9.591)


def _probability(alignment: Alignment, depth: float, weights: tuple[float, ...]) -> float:
    logit = float(np.dot(list(features(alignment, depth).values()), weights[:-1])) + weights[-1]
    return float(1.0 / (1.0 + np.exp(-np.clip(logit, -60.0, 60.0))))


def confidence(alignment: Alignment, depth: float) -> float:
    """Probability that the pose is right to 0.2 degrees and 1 mm per 25 cm of `depth` metres."""
    return _probability(alignment, depth, _FINE)


def match_probability(alignment: Alignment, depth: float) -> float:
    """Probability that the alignment shows the reference at all, so that tracking will refine it."""
    return _probability(alignment, depth, _GROSS)
