"""Training of a pose regressor on one reference, on views drawn on the fly."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from cnn_vs_ros.estimation import Reference
from training.errors import TrainingError
from training.identity import as_json, identity_of
from training.loop.team import Team
from training.loop.training import Metrics, Training
from training.networks.architectures import architecture
from training.networks.building import make_regressor
from training.networks.site import Site
from training.regression.batches import Batches
from training.regression.loss import PoseLoss
from training.regression.options import RegressionOptions
from training.regression.validation import Validation, unseen_views
from training.snapshot.drawn_reference import DrawnReference
from training.snapshot.generator import SnapshotGenerator, SnapshotSettings
from training.snapshot.occluders import ClusterBank
from training.snapshot.torch_datasets import DrawnSnapshots


class Regression(Training):
    """A run on one reference.

    `settings` are those of the views; every epoch shows `settings.total` new ones. Raises TrainingError for
    settings, weights or a size that do not go together.
    """

    largest_gradient = 5.0

    def __init__(
        self,
        reference: Reference,
        options: RegressionOptions,
        settings: SnapshotSettings,
        bank: ClusterBank | None,
        *,
        weights: str = 'none',
        team: Team | None = None,
        data: Dataset | None = None,
    ) -> None:
        self.team = team or Team()
        if options.batch % self.team.size:
            raise TrainingError(f'expected a batch that {self.team.size} processes share, but got {options.batch}')
        if settings.total < options.batch:
            raise TrainingError(
                f'expected at least one batch ({options.batch}) of views an epoch, but got {settings.total}'
            )
        self.reference, self.options, self.settings, self.bank = reference, options, settings, bank
        torch.manual_seed(options.seed)
        scale = settings.viewpoints.deviations(reference.depth)
        if not (scale > 0).all():
            raise TrainingError(f'expected views that vary in all six coordinates, but they deviate by {scale}')
        self.loss = PoseLoss.named(options.loss, scale.tolist(), options.beta)
        self.model, self.weights_used = make_regressor(options.architecture, self._site(), weights)
        self._is_stored = data is not None
        data = data or DrawnSnapshots(reference, settings, bank, epochs=options.epochs)
        self._set_up(Batches(data, settings.total, options.batch, options.seed, renewed=not self._is_stored))

    def _site(self) -> Site:
        settings = self.settings
        drawn = DrawnReference(self.reference, (settings.width, settings.height))
        camera = drawn.camera
        x, y, z = (float(value) for value in drawn.normal)
        return Site(
            width=settings.width,
            height=settings.height,
            scale=tuple(settings.viewpoints.deviations(self.reference.depth).tolist()),
            intrinsics=(camera.fx, camera.fy, camera.cx, camera.cy),
            normal=(x, y, z),
            depth=float(self.reference.depth),
            image=drawn.at_reference,
        )

    def _set_up(self, batches: Batches) -> None:
        """Place the model and begin."""
        options = self.options
        layout = torch.channels_last if options.averaging else torch.contiguous_format
        self.model.to(device=self.team.device, memory_format=layout)
        self._batches = batches
        self.epoch_steps = self.validate_every = batches.steps
        self.steps = batches.steps * options.epochs
        self.patience, self.seed = options.patience, options.seed
        self.begin(_optimizer(self.model, options), options.averaging)

    @property
    def channels(self) -> int:
        """Channels of the views."""
        return SnapshotGenerator(self.reference, self.settings, None).channels

    @property
    def _is_geometric(self) -> bool:
        return architecture(self.options.architecture).is_geometric

    @property
    def _judged_at_once(self) -> int:
        """Views; with geometry inside one, for a batch is looked at until the last of it has settled."""
        return 1 if self._is_geometric else self.options.batch

    @property
    def best_epoch(self) -> int:
        """Epochs after which the model was best."""
        return self.standing.best_step // self.epoch_steps

    def rate(self, step: int) -> float:
        """Return the learning rate of step `step`, counted from 0."""
        return self.options.rate(step, self.steps)

    def batches(self, first: int, workers: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield images (B, C, H, W) uint8 and poses (B, 6)."""
        return self._batches.all(first, self.options.epochs, self.team, workers)

    def backward(self, model: nn.Module, images: Tensor, poses: Tensor) -> Metrics:
        """Add the gradients of one batch, `micro_batch` images at a time."""
        model.train()
        size = self.options.micro_batch or len(images)
        total = 0.0
        for first in range(0, len(images), size):
            share = len(images[first : first + size]) / len(images)
            last = first + size >= len(images)
            waits = nullcontext() if last or self.team.size == 1 else model.no_sync()
            with waits:
                loss = self._loss(model, images[first : first + size], poses[first : first + size]) * share
                loss.backward()
            total += float(loss.detach())
        return {'loss': total}

    def validate(self, model: nn.Module) -> Metrics:
        """Return the loss over views that training does not see, and the median errors on the wide draw."""
        return self._validation().judge(model, self.loss)

    def loss_of(self, metrics: Metrics) -> float:
        """Return the loss; with geometry inside, which is rarely off but then by much, that of the medians."""
        if not self._is_geometric:
            return metrics['validation_loss']
        turned = math.radians(metrics['median_degrees'])
        return 1e-3 * metrics['median_mm'] / self.loss.length + turned / self.loss.angle

    def examples(self, count: int) -> Tensor:
        """Return images (N, C, H, W) uint8 of the validation, at most `count`."""
        return self._validation().images(count)

    def component_errors(self, model: nn.Module) -> list[float]:
        """Return the root mean square errors (6,) on the wide draw, in metres and radians."""
        return self._validation().component_errors(model)

    def identity(self) -> dict[str, Any]:
        """Return all but the number of epochs, which only moves the end and the fall of the learning rate."""
        return as_json(
            {
                **self._common_identity(),
                'views': asdict(self.settings),
                'occluders': self.bank.sha256 if self.bank is not None else None,
                'stored': self._is_stored,
                **identity_of(self.reference),
            }
        )

    def _common_identity(self) -> dict[str, Any]:
        options = asdict(self.options)
        del options['epochs'], options['patience']
        return {**options, 'processes': self.team.size, 'weights': self.weights_used}

    def _validation(self) -> Validation:
        views, wide = unseen_views(self.reference, self.settings, self.bank, self.options.validation_images)
        return Validation(views, wide, self._judged_at_once)

    def _loss(self, model: nn.Module, images: Tensor, poses: Tensor) -> Tensor:
        device = self.team.device
        layout = torch.channels_last if self.options.averaging else torch.contiguous_format
        images = images.to(device).float().contiguous(memory_format=layout)
        with torch.autocast(device.type, torch.bfloat16, enabled=self.options.precision == 'bfloat16'):
            if self._is_geometric:
                return model(images, poses.to(device))
            found = model(images)
        return self.loss(found, poses.to(device))


def _optimizer(model: nn.Module, options: RegressionOptions) -> torch.optim.Optimizer:
    rate, decay = options.learning_rate, options.weight_decay
    if options.optimizer == 'adamw':
        return torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=decay)
    return torch.optim.SGD(model.parameters(), lr=rate, momentum=options.momentum, weight_decay=decay)
