"""Datasets for torch's loaders: drawn while training, without the disk, or read from shards."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from cnn_vs_ros.estimation import Reference
from training.snapshot import shards
from training.snapshot.generator import SnapshotGenerator, SnapshotSettings
from training.snapshot.occluders import ClusterBank


class DrawnSnapshots(Dataset):
    """Samples drawn on the fly: image (C, H, W) uint8 and pose (6,) float32, [t; theta u] in metres and radians.

    The first `settings.total` samples are those that `python -m training dataset` writes. With `epochs` the
    dataset is that many times as long and every epoch shows new views, wide and fine in the same proportion.
    """

    def __init__(
        self, reference: Reference, settings: SnapshotSettings, bank: ClusterBank | None, *, epochs: int = 1
    ) -> None:
        self._generator = SnapshotGenerator(reference, settings, bank)
        self._length = epochs * settings.total

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Draw sample `index`; the same whatever process draws it and in whatever order."""
        if not 0 <= index < self._length:
            raise IndexError(index)
        cv2.setNumThreads(0)
        sample = self._generator.sample(index)
        return _tensors(sample.image, sample.pose)


class StoredSnapshots(Dataset):
    """Samples of a dataset on disk, as `DrawnSnapshots` gives them; images are mapped, not loaded.

    Raises TrainingError when a shard is missing or corrupt; `verify` compares all images with their hashes.
    """

    def __init__(self, folder: Path, *, verify: bool = False) -> None:
        self.index = shards.read_index(folder)
        count = shards.shard_count(self.index)
        labels = [shards.read_labels(folder, self.index, shard, verify=verify) for shard in range(count)]
        self.poses = np.concatenate([np.asarray(label['pose'], np.float64) for label in labels])
        self._images = [shards.open_images(folder, shard) for shard in range(count)]

    def __len__(self) -> int:
        return len(self.poses)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Read sample `index`."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        shard, place = divmod(index, self.index['shard_images'])
        return _tensors(np.array(self._images[shard][place]), self.poses[index])


def _tensors(image: np.ndarray, pose: np.ndarray) -> tuple[Tensor, Tensor]:
    planes = np.ascontiguousarray(np.moveaxis(image, 2, 0))
    return torch.from_numpy(planes), torch.from_numpy(pose.astype(np.float32))
