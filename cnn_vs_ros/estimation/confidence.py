"""How far to trust an alignment: a probability, not a score."""

from __future__ import annotations

import numpy as np

from cnn_vs_ros.estimation.photometric import Alignment

# Logistic regression of "within 1 mm and 0.2 degrees at 25 cm" on the features below; provisional.
_BIAS = -14.0
_WEIGHTS = {'correlation': 14.0, 'correlation_unweighted': 4.0, 'visible': 1.0, 'unoccluded': 4.0}


def features(alignment: Alignment) -> dict[str, float]:
    """What the confidence is computed from."""
    return {
        'correlation': alignment.correlation,
        'correlation_unweighted': alignment.correlation_unweighted,
        'visible': alignment.visible,
        'unoccluded': alignment.unoccluded,
    }


def confidence(alignment: Alignment) -> float:
    """Estimated probability that the pose is within 1 mm and 0.2 degrees, for a scene at 25 cm."""
    values = features(alignment)
    logit = _BIAS + sum(_WEIGHTS[name] * value for name, value in values.items())
    return float(1.0 / (1.0 + np.exp(-np.clip(logit, -60.0, 60.0))))


CERTAIN = 0.95


def is_track(alignment: Alignment) -> bool:
    """Whether a track that was followed from the previous image still holds."""
    return alignment.correlation > 0.9 and alignment.unoccluded > 0.4


def is_match(alignment: Alignment) -> bool:
    """Whether an alignment that started from a hypothesis really shows the reference."""
    return alignment.correlation > 0.85 and alignment.correlation_unweighted > 0.4 and alignment.unoccluded > 0.4
