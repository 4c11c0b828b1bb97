"""Batches for the coarse matcher, each a pure function of a seed and its index."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from training.images import views
from training.images.sources import TextureSource
from training.loop.interruption import ignore_interrupts
from training.matcher import targets


class MatchingGroups(Dataset):
    """Groups of views of one texture: images (V, H, W) uint8 and labels (2, P, N, 3) float32.

    Group `index` is the same whatever process draws it and in whatever order, so a run that was interrupted and
    one that was not read the same data. Of the share that is drawn all are of `kind`, if one is given.
    """

    def __init__(
        self,
        corpus: Path,
        split: str,
        sampling: views.ViewSampling,
        *,
        seed: int,
        drawn_share: float,
        length: int,
        kind: str | None = None,
    ) -> None:
        self._source = TextureSource(corpus, split, drawn_share=drawn_share, kind=kind)
        self._sampling = sampling
        self._seed = seed
        self._length = length

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw group `index`."""
        cv2.setNumThreads(0)
        rng = np.random.default_rng([self._seed, index])
        texture = self._source.texture(rng)
        group = views.sample_group(texture, self._sampling, rng, lambda: self._source.tile(rng))
        return group.images, targets.group_targets(group.homographies, group.visible)


def batches(groups: Dataset, *, batch_groups: int, first_batch: int, workers: int) -> DataLoader:
    """Return a loader of batches (G, V, H, W) uint8 and (G, 2, P, N, 3), from batch `first_batch` on, in order."""
    return DataLoader(
        groups,
        batch_size=batch_groups,
        sampler=range(first_batch * batch_groups, len(groups)),
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        collate_fn=_collate,
        worker_init_fn=ignore_interrupts,
    )


def _collate(samples: list[tuple[np.ndarray, np.ndarray]]) -> tuple[torch.Tensor, torch.Tensor]:
    images, labels = zip(*samples, strict=True)
    return torch.from_numpy(np.stack(images)), torch.from_numpy(np.stack(labels))
