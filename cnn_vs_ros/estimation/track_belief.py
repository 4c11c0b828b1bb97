"""Is the track still on the reference? Evidence gathered over images, so that one bad image does not end it."""

from __future__ import annotations

import math

_LIMIT = 4.0  # log odds: however long it went well, a few bad images end a track
_CORRELATED = 0.5  # successive images share their disturbances: the share of their evidence that counts
_DRIFT = 0.05  # log odds lost with each image, for what the images do not tell
# The match probability that speaks neither for nor against: right tracks of faint scenes, half covered, stay above
# it, wrong ones hardly ever come near it.
_NEUTRAL = 0.3


class TrackBelief:
    """Log odds that a track follows the reference, updated by each image's match probability."""

    def __init__(self, match_probability: float) -> None:
        """Begin with the match that the track starts from."""
        self._log_odds = min(_logit(match_probability), _LIMIT)

    @property
    def probability(self) -> float:
        """Probability, 0 to 1, that the track is right."""
        return 1.0 / (1.0 + math.exp(-self._log_odds))

    def update(self, match_probability: float) -> float:
        """Take the next image's match probability into account; return the new probability."""
        evidence = _logit(match_probability) - _logit(_NEUTRAL)
        self._log_odds = min(self._log_odds - _DRIFT + _CORRELATED * evidence, _LIMIT)
        return self.probability


def _logit(probability: float) -> float:
    bounded = min(max(probability, 1e-3), 1 - 1e-3)
    return math.log(bounded / (1 - bounded))
