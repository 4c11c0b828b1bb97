"""Settings of the training of a pose regressor."""

from __future__ import annotations

import math
from dataclasses import dataclass

from training.errors import TrainingError
from training.networks.architectures import architecture

OPTIMIZERS = ('adamw', 'sgd')
PRECISIONS = ('float32', 'bfloat16')


@dataclass(frozen=True)
class RegressionOptions:
    """Settings of a run; the defaults of batch and epochs are the paper's.

    The learning rate warms up over 100 steps at most, is constant, and falls linearly to zero over the last
    `cooldown` share of the steps. `micro_batch` images at most go through the network at once (0: the whole
    batch); the gradients add up. The run ends early after `patience` epochs without a better validation.
    """

    architecture: str = 'mobilenet_v3_small'
    epochs: int = 50
    batch: int = 50
    micro_batch: int = 0
    seed: int = 0
    loss: str = 'balanced'
    beta: float | None = None
    optimizer: str = 'adamw'
    learning_rate: float = 1e-3
    momentum: float = 0.9
    weight_decay: float = 0.0
    cooldown: float = 0.3
    patience: int = 10
    validation_images: int = 300
    precision: str = 'float32'

    def __post_init__(self) -> None:
        for name in ('epochs', 'batch', 'patience', 'validation_images'):
            if getattr(self, name) < 1:
                raise TrainingError(f'expected {name} of at least 1, but got {getattr(self, name)}')
        for name in ('seed', 'micro_batch', 'momentum', 'weight_decay', 'cooldown'):
            if not getattr(self, name) >= 0:
                raise TrainingError(f'expected {name} of 0 or more, but got {getattr(self, name)}')
        if self.cooldown > 1 or self.momentum >= 1:
            raise TrainingError(
                'expected a cooldown of at most 1 and a momentum below 1, but got '
                f'{self.cooldown} and {self.momentum}'
            )
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise TrainingError(f'expected a positive learning rate, but got {self.learning_rate}')
        for name, valid in (('optimizer', OPTIMIZERS), ('precision', PRECISIONS)):
            if getattr(self, name) not in valid:
                raise TrainingError(f"expected {name} among {', '.join(valid)}, but got '{getattr(self, name)}'")
        if self.precision != 'float32' and architecture(self.architecture).is_geometric:
            raise TrainingError(
                f'expected precision float32 for {self.architecture}, whose least squares need it, '
                f'but got {self.precision}'
            )

    @property
    def averaging(self) -> float:
        """Decay per step of the moving average of the weights; 0 for the paper's networks, which have none."""
        return architecture(self.architecture).averaging

    def rate(self, step: int, steps: int) -> float:
        """Return the learning rate of step `step` of `steps`, counted from 0."""
        warmup = min(100, max(1, steps // 20))
        falling = max(1.0, self.cooldown * steps)
        return self.learning_rate * min((step + 1) / warmup, (steps - step) / falling, 1.0)
