"""The order in which a run sees its views."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Subset

from training.loop.interruption import ignore_interrupts
from training.loop.team import Team


@dataclass(frozen=True)
class Batches:
    """Batches of `batch` views from `data`, `views` of them an epoch in an order of their own.

    With `renewed` each epoch has its own views, one epoch after the other in `data`; otherwise they are the same.
    An incomplete last batch is left out. The order depends on `seed` and the epoch alone.
    """

    data: Dataset
    views: int
    batch: int
    seed: int
    renewed: bool

    @property
    def steps(self) -> int:
        """Batches of an epoch."""
        return self.views // self.batch

    def all(self, first: int, epochs: int, team: Team, workers: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield this process' share of all batches of `epochs` epochs from batch `first` on."""
        begun, done = divmod(first, self.steps)
        for number in range(begun, epochs):
            yield from self.epoch(number, done if number == begun else 0, team, workers)

    def epoch(self, number: int, first: int, team: Team, workers: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield this process' share of the batches of epoch `number` from batch `first` on.

        Each is images (B, C, H, W) uint8 and poses (B, 6).
        """
        order = np.random.default_rng([self.seed, number]).permutation(self.views)
        if self.renewed:
            order += number * self.views
        batches = order[: self.steps * self.batch].reshape(self.steps, -1)
        own = batches[first:, team.rank :: team.size]
        return iter(
            DataLoader(
                Subset(self.data, own.ravel().tolist()),
                batch_size=own.shape[1],
                num_workers=workers,
                prefetch_factor=4 if workers else None,
                worker_init_fn=ignore_interrupts,
            )
        )
