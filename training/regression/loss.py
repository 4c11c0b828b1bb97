"""The loss of pose regression (paper, eq. 7), with its units said."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from training.errors import TrainingError

LOSSES = ('balanced', 'paper')
PAPER_BETA = 0.01


@dataclass(frozen=True)
class PoseLoss:
    """``|t_hat - t|^2 + beta |theta_u_hat - theta_u|^2``, the mean over a batch (paper, eq. 7).

    Attributes:
        length: the unit of translations, in metres.
        angle: the unit of rotations, in radians.
        beta: weight of the rotations, by the squares of these units.
    """

    length: float = 1.0
    angle: float = 1.0
    beta: float = 1.0

    def __post_init__(self) -> None:
        values = (self.length, self.angle, self.beta)
        if not all(math.isfinite(value) and value > 0 for value in values):
            raise TrainingError(
                f'expected positive units and beta, but got {self.length} m, {self.angle} rad, beta {self.beta}'
            )

    @classmethod
    def named(cls, name: str, deviations: Sequence[float], beta: float | None = None) -> PoseLoss:
        """Return `balanced` or `paper`; `deviations` (6,) are those of the training views, in metres and radians.

        balanced: translations and rotations in their root mean square over the views, beta 1. A network that has
        learnt nothing loses 3 by either of them.
        paper: metres and degrees, beta 0.01. A rotation by one degree costs as much as 10 cm.
        """
        if name == 'balanced':
            length, angle = (math.sqrt(sum(v * v for v in part) / 3) for part in (deviations[:3], deviations[3:]))
            return cls(length=length, angle=angle, beta=1.0 if beta is None else beta)
        if name == 'paper':
            return cls(length=1.0, angle=math.radians(1.0), beta=PAPER_BETA if beta is None else beta)
        raise TrainingError(f"expected a loss among {', '.join(LOSSES)}, but got '{name}'")

    def __call__(self, found: Tensor, true: Tensor) -> Tensor:
        """Return the loss () of poses (B, 6), [t; theta u] in metres and radians."""
        squared = torch.square(found.float() - true)
        translation = squared[:, :3].sum(dim=1) / self.length**2
        rotation = squared[:, 3:].sum(dim=1) / self.angle**2
        return (translation + self.beta * rotation).mean()

    def __str__(self) -> str:
        return f'|dt / {self.length:.4g} m|^2 + {self.beta:g} |dtheta_u / {self.angle:.4g} rad|^2'
