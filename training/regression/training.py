"""Training of a pose regressor on one reference: views drawn on the fly, checkpoints, early stopping."""

from __future__ import annotations

import copy
import csv
import json
import sys
import time
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset
from tqdm import tqdm

from cnn_vs_ros.estimation import Reference
from training.errors import TrainingError
from training.loop import checkpoints as storage
from training.loop.interruption import Interruption
from training.networks.regressor import PoseRegressor, load_weights
from training.regression.batches import Batches
from training.regression.loss import PoseLoss
from training.regression.options import RegressionOptions
from training.regression.parallel import Team
from training.regression.validation import Validation, unseen_views
from training.snapshot.generator import SnapshotGenerator, SnapshotSettings
from training.snapshot.occluders import ClusterBank
from training.snapshot.torch_datasets import DrawnSnapshots

_MAX_GRADIENT = 5.0  # norm


class Regression:
    """One run: the network, the moving average of its weights, the optimiser, and where it stands.

    `settings` are those of the views; every epoch shows `settings.total` new ones. Raises TrainingError for
    settings, weights or a size that do not go together.
    """

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
        self.model = PoseRegressor(
            options.architecture, width=settings.width, height=settings.height, scale=scale.tolist()
        )
        self._is_stored = data is not None
        data = data or DrawnSnapshots(reference, settings, bank, epochs=options.epochs)
        self._set_up(
            weights, Batches(data, settings.total, options.batch, options.seed, renewed=not self._is_stored)
        )

    def _set_up(self, weights: str, batches: Batches) -> None:
        """Load weights into the model and begin its average, its optimiser and its count."""
        options = self.options
        self.weights_used = load_weights(self.model, weights)
        layout = torch.contiguous_format if options.averaging == 0 else torch.channels_last
        self.model.to(device=self.team.device, memory_format=layout)
        self.average = copy.deepcopy(self.model).requires_grad_(False) if options.averaging else self.model
        self.optimizer = _optimizer(self.model, options)
        self._batches = batches
        self.step = self.best_epoch = self.misses = 0
        self.best_score = float('inf')
        self.metrics: dict[str, float] = {}
        self.best_metrics: dict[str, float] = {}
        self.seconds = 0.0  # of training, validation included, over all resumptions
        self._losses: list[float] = []

    @property
    def channels(self) -> int:
        """Channels of the views."""
        return SnapshotGenerator(self.reference, self.settings, None).channels

    @property
    def epoch_steps(self) -> int:
        """Steps of an epoch; an incomplete last batch is left out."""
        return self._batches.steps

    @property
    def steps(self) -> int:
        """Steps of the run."""
        return self.epoch_steps * self.options.epochs

    def run(self, checkpoint: Path, *, workers: int = 0, progress: bool = True) -> None:
        """Train to the end, or until validation does not improve; go on from `checkpoint` if there is one.

        The best model so far is kept beside it. Ctrl-C and SIGTERM write the checkpoint before they end the run.
        A line an epoch goes to a .csv file.
        """
        if self.team.share(storage.exists(checkpoint)):
            self.restore(checkpoint)
        wrapped = self.team.wrap(self.model)
        interval = 1.0 if sys.stderr.isatty() else 60.0  # in a log file every refresh is a line
        bar = tqdm(
            total=self.steps,
            initial=self.step,
            unit='step',
            mininterval=interval,
            disable=not (progress and self.team.leads),
        )
        with Interruption() as interruption, bar:
            begun = time.perf_counter()
            while self.step < self.steps and self.misses < self.options.patience:
                epoch, done = divmod(self.step, self.epoch_steps)
                for images, poses in self._batches.epoch(epoch, done, self.team, workers):
                    self._train_step(wrapped, images, poses)
                    bar.update()
                    self.seconds += time.perf_counter() - begun
                    begun = time.perf_counter()
                    ends = self.step % self.epoch_steps == 0
                    if ends:
                        self._judge(checkpoint)
                        bar.set_postfix_str(', '.join(f'{k} {v:.2f}' for k, v in self.metrics.items()))
                    stops = self.team.any(interruption.requested)
                    if ends or stops:
                        self.save(checkpoint)
                    if stops:
                        if self.team.leads:
                            bar.write(f'interrupted at step {self.step}: the same command goes on', sys.stderr)
                        raise KeyboardInterrupt

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Return the loss over views that training does not see, and the median errors on the wide draw."""
        return self._validation().judge(model, self.loss)

    def component_errors(self, model: nn.Module) -> list[float]:
        """Return the root mean square errors (6,) on the wide draw, in metres and radians."""
        return self._validation().component_errors(model)

    def save(self, checkpoint: Path) -> None:
        """Write the checkpoint (the leading process does)."""
        if not self.team.leads:
            return
        names = ('step', 'best_epoch', 'misses', 'best_score', 'metrics', 'best_metrics', 'seconds')
        header = {name: getattr(self, name) for name in names}
        storage.save(checkpoint, self._tensors(), {**header, 'losses': self._losses, 'identity': self._identity()})

    def restore(self, checkpoint: Path) -> None:
        """Go on from `checkpoint`. Raises TrainingError when it is of a run with other arguments."""
        header = storage.read_header(checkpoint)
        identity = self._identity()
        differing = sorted(name for name in identity if header.get('identity', {}).get(name) != identity[name])
        if differing:
            raise TrainingError(
                f'expected {checkpoint} to be of an interrupted run with the same arguments, but its '
                f'{", ".join(differing)} differ: delete it or choose another output'
            )
        for group in self.optimizer.param_groups:
            for parameter in group['params']:
                self.optimizer.state[parameter] = {}
        parameters = list(self.model.parameters())
        places = {'model': self.model.state_dict(), 'average': self.average.state_dict()}
        with torch.no_grad():
            for name, value in storage.read(checkpoint):
                part, key = name.split('.', 1)
                if part == 'optimizer':
                    index, key = key.split('.', 1)
                    self.optimizer.state[parameters[int(index)]][key] = (
                        value if value.ndim == 0 else torch.empty_like(parameters[int(index)]).copy_(value)
                    )
                else:
                    places[part][key].copy_(value)
        for name in ('step', 'best_epoch', 'misses', 'best_score', 'metrics', 'best_metrics', 'seconds'):
            setattr(self, name, header[name])
        self._losses = header['losses']

    def load_best(self, checkpoint: Path) -> PoseRegressor:
        """Return the model of the best validation; the run is over then, and lets go of what training needed."""
        model = self.average
        self.optimizer.state.clear()
        self.model.zero_grad(set_to_none=True)
        places = model.state_dict()
        with torch.no_grad():
            for name, value in storage.read(best_path(checkpoint)):
                places[name].copy_(value)
        return model.eval()

    def _validation(self) -> Validation:
        views, wide = unseen_views(self.reference, self.settings, self.bank, self.options.validation_images)
        return Validation(views, wide, self.options.batch)

    def _train_step(self, model: nn.Module, images: Tensor, poses: Tensor) -> None:
        options = self.options
        for group in self.optimizer.param_groups:
            group['lr'] = options.rate(self.step, self.steps)
        # Dropout depends on the seed, the step and the process, whatever ran before.
        mixed = np.random.SeedSequence([options.seed, self.step, self.team.rank]).generate_state(1)
        torch.manual_seed(int(mixed[0]))
        model.train()
        self.optimizer.zero_grad(set_to_none=True)
        size = options.micro_batch or len(images)
        total = 0.0
        for first in range(0, len(images), size):
            share = len(images[first : first + size]) / len(images)
            last = first + size >= len(images)
            waits = nullcontext() if last or self.team.size == 1 else model.no_sync()
            with waits:
                loss = self._loss(model, images[first : first + size], poses[first : first + size]) * share
                loss.backward()
            total += float(loss.detach())
        nn.utils.clip_grad_norm_(self.model.parameters(), _MAX_GRADIENT)
        self.optimizer.step()
        self.step += 1
        self._losses.append(total)
        if self.average is not self.model:
            _follow(self.average, self.model, min(options.averaging, self.step / (self.step + 10)))

    def _loss(self, model: nn.Module, images: Tensor, poses: Tensor) -> Tensor:
        device = self.team.device
        layout = torch.contiguous_format if self.options.averaging == 0 else torch.channels_last
        images = images.to(device).float().contiguous(memory_format=layout)
        with torch.autocast(device.type, torch.bfloat16, enabled=self.options.precision == 'bfloat16'):
            found = model(images)
        return self.loss(found, poses.to(device))

    def _judge(self, checkpoint: Path) -> None:
        epoch = self.step // self.epoch_steps
        begun = time.perf_counter()
        if self.team.leads:
            self.metrics = self.validate(self.average)
        self.metrics = self.team.share(self.metrics)
        if self.metrics['validation_loss'] < self.best_score:
            self.best_score, self.best_epoch, self.misses = self.metrics['validation_loss'], epoch, 0
            self.best_metrics = self.metrics
            if self.team.leads:
                storage.save(best_path(checkpoint), self.average.state_dict(), {'epoch': epoch, **self.metrics})
        else:
            self.misses += 1
        self.seconds += time.perf_counter() - begun
        if self.team.leads:
            row = {'epoch': epoch, 'step': self.step, 'seconds': round(self.seconds, 1)}
            rate = self.options.rate(self.step - 1, self.steps)
            _log(log_path(checkpoint), {**row, 'rate': rate, 'loss': float(np.mean(self._losses)), **self.metrics})
        self._losses = []

    def _tensors(self) -> dict[str, Tensor]:
        tensors = {f'model.{name}': value for name, value in self.model.state_dict().items()}
        if self.average is not self.model:
            tensors |= {f'average.{name}': value for name, value in self.average.state_dict().items()}
        for index, parameter in enumerate(self.model.parameters()):
            for name, value in self.optimizer.state.get(parameter, {}).items():
                if value is not None:
                    tensors[f'optimizer.{index}.{name}'] = torch.as_tensor(value)
        return tensors

    def _identity(self) -> dict[str, Any]:
        """Return what a checkpoint must share with the run that goes on from it, as JSON gives it back.

        The number of epochs may change: it only moves the end, and with it the fall of the learning rate.
        """
        options = asdict(self.options)
        for name in ('epochs', 'patience'):
            del options[name]
        views = asdict(self.settings)
        occluders = self.bank.sha256 if self.bank is not None else None
        identity = {
            **options,
            'views': views,
            'occluders': occluders,
            'stored': self._is_stored,
            'processes': self.team.size,
            'weights': self.weights_used,
            'reference': self.reference.sha256,
            'depth': float(self.reference.depth),
        }
        return json.loads(json.dumps(identity))


def best_path(checkpoint: Path) -> Path:
    """Return where the model of the best validation is kept."""
    return checkpoint.with_name(checkpoint.name + '.best')


def log_path(checkpoint: Path) -> Path:
    """Return the log of the run."""
    return checkpoint.with_name(checkpoint.name.removesuffix('.checkpoint') + '.csv')


def _optimizer(model: nn.Module, options: RegressionOptions) -> torch.optim.Optimizer:
    rate, decay = options.learning_rate, options.weight_decay
    if options.optimizer == 'adamw':
        return torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=decay)
    return torch.optim.SGD(model.parameters(), lr=rate, momentum=options.momentum, weight_decay=decay)


@torch.no_grad()
def _follow(average: nn.Module, model: nn.Module, decay: float) -> None:
    """Move the average's weights towards the model's; its normalisation statistics likewise."""
    for mean, value in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
        if mean.is_floating_point():
            mean.lerp_(value, 1 - decay)
        else:
            mean.copy_(value)


def _log(path: Path, row: dict[str, float]) -> None:
    is_new = not path.exists()
    with path.open('a', newline='') as file:
        writer = csv.writer(file)
        if is_new:
            writer.writerow(row)
        writer.writerow(row.values())
