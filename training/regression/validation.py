"""Judging a regressor on views that its training does not see."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from cnn_vs_ros.estimation import Reference
from training.loop.training import VALIDATION_SEED
from training.networks.looks import MOST_DOUBT
from training.regression.loss import PoseLoss
from training.snapshot.generator import SnapshotSettings
from training.snapshot.occluders import ClusterBank
from training.snapshot.torch_datasets import DrawnSnapshots


def unseen_views(
    reference: Reference, settings: SnapshotSettings, bank: ClusterBank | None, count: int
) -> tuple[Dataset, int]:
    """Return about `count` views as of `settings` but of another seed, and how many are of the wide draw."""
    wide = max(1, round(count * settings.count / settings.total))
    fine = round(count * settings.fine / settings.total)
    return DrawnSnapshots(reference, replace(settings, seed=VALIDATION_SEED, count=wide, fine=fine), bank), wide


class Validation:
    """Judges on `views`, at most `batch` at once, of which the first `wide` give the errors that are reported."""

    def __init__(self, views: Dataset, wide: int, batch: int) -> None:
        self._views, self._wide = views, wide
        self._batch = min(25, batch)

    def judge(self, model: nn.Module, loss: PoseLoss) -> dict[str, float]:
        """Return the loss over all views, and the median errors on the wide draw."""
        estimates, poses, _ = self._estimate(model)
        error = (estimates - poses)[: self._wide]
        return {
            'validation_loss': float(loss(estimates, poses)),
            'median_mm': 1e3 * float(error[:, :3].norm(dim=1).median()),
            'median_degrees': float(torch.rad2deg(error[:, 3:].norm(dim=1).median())),
        }

    def images(self, count: int) -> Tensor:
        """Return the images (N, C, H, W) uint8 of the first views, at most `count`."""
        return torch.stack([self._views[index][0] for index in range(min(count, len(self._views)))])

    def component_errors(self, model: nn.Module) -> list[float]:
        """Return the root mean square errors (6,) of what is believed, on the wide draw, in metres and radians."""
        estimates, poses, believed = (values[: self._wide] for values in self._estimate(model))
        squared = (estimates - poses).square()
        return (squared[believed] if believed.any() else squared).mean(dim=0).sqrt().tolist()

    def _estimate(self, model: nn.Module) -> tuple[Tensor, Tensor, Tensor]:
        """Return estimates and poses (N, 6), those of the wide draw first, and which are believed (N,)."""
        device = next(model.parameters()).device
        was_training = model.training
        model.eval()
        regress = getattr(model, 'regress', _without_doubt(model))
        found, true, doubts = [], [], []
        with torch.inference_mode():
            for images, poses in DataLoader(self._views, batch_size=self._batch):
                estimates, doubt = regress(images.to(device).float())
                found.append(estimates.cpu())
                doubts.append(doubt.cpu())
                true.append(poses)
        model.train(was_training)
        return torch.cat(found), torch.cat(true), torch.cat(doubts) <= MOST_DOUBT


def _without_doubt(model: nn.Module) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    """Return what regresses by a model that does not tell its doubt."""

    def regress(images: Tensor) -> tuple[Tensor, Tensor]:
        poses = model(images)
        return poses, torch.full((len(poses),), -math.inf)

    return regress
