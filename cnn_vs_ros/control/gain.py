"""The adaptive gain of visual servoing: calm far from the goal, brisk near it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cnn_vs_ros.errors import ParameterError


@dataclass(frozen=True)
class AdaptiveGain:
    """Gain lambda (1/s) as a function of the size x of the error.

    ``lambda(x) = (l0 - linf) exp(-s x / (l0 - linf)) + linf``, the gain of Kermorgant and Chaumette as in ViSP.
    A constant gain sized for the far end, where it must not ask for more than the limits allow, makes the last
    millimetres take most of the time. `at_zero` (l0) is the gain at the goal, bounded by the delay of the
    loop; `at_infinity` (linf) the gain far away, bounded by the speed limits; `slope_at_zero` (s, at least 0)
    how fast the gain falls as one leaves the goal, in 1/s per unit of error. The time constant of the error is
    ``1 / lambda``.

    Raises ParameterError for gains that are not positive and finite or a negative slope.
    """

    at_zero: float
    at_infinity: float
    slope_at_zero: float

    def __post_init__(self) -> None:
        for name in ('at_zero', 'at_infinity'):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ParameterError(f'gain {name} should be a positive number but is {value}')
        if not (math.isfinite(self.slope_at_zero) and self.slope_at_zero >= 0):
            raise ParameterError(f'gain slope_at_zero should be zero or more but is {self.slope_at_zero}')

    def __call__(self, error: float) -> float:
        """Gain (1/s) at the error size `error` (zero or more)."""
        span = self.at_zero - self.at_infinity
        if span == 0.0:
            return self.at_infinity
        return span * math.exp(-self.slope_at_zero * error / abs(span)) + self.at_infinity
