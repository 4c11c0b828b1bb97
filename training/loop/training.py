"""One resumable training: steps, validations, the best model so far, checkpoints, interruption, a log."""

from __future__ import annotations

import copy
import csv
import math
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from training.errors import TrainingError
from training.loop import checkpoints
from training.loop.interruption import Interruption
from training.loop.team import Team
from training.progress import progress_bar

Metrics = dict[str, float]

VALIDATION_SEED = 1_000_003
"""Of what validations draw, the same in every run; training seeds are small numbers."""


@dataclass
class Standing:
    """Where a training stands; a checkpoint keeps it.

    Attributes:
        step: steps that were taken.
        judged: step of the last validation; -1 before the first.
        metrics: what that validation found.
        before: what the weights that it began with were found to be, where these are judged.
        best_step: step of the best model; `best_loss` and `best_metrics` are its.
        misses: validations since then.
        recent: what each step measured since the last validation.
        seconds: of training, validation included, over all resumptions.
    """

    step: int = 0
    judged: int = -1
    metrics: Metrics = field(default_factory=dict)
    before: Metrics = field(default_factory=dict)
    best_step: int = 0
    best_loss: float = float('inf')
    best_metrics: Metrics = field(default_factory=dict)
    misses: int = 0
    recent: list[Metrics] = field(default_factory=list)
    seconds: float = 0.0


class Training(ABC):
    """One run of a network over batches that are functions of a seed and the step alone.

    A subclass sets the attributes, calls `begin` and defines the abstract methods.

    Attributes:
        model: the network in training.
        average: the moving average of its weights, which is judged and exported; the model itself without one.
        optimizer: of the model's parameters, in their order.
        steps: of the whole run.
        validate_every: steps between validations.
        patience: validations without a gain to an early end; None: neither that, nor is the best model kept.
        judges_start: whether the weights that it begins with are a candidate for the best model.
        largest_gradient: norm that gradients are clipped to.
        seed: of whatever a step draws.
        team: the processes that share the run.
    """

    model: nn.Module
    average: nn.Module
    optimizer: torch.optim.Optimizer
    steps: int
    validate_every: int
    patience: int | None = None
    judges_start = False
    largest_gradient = 2.0
    seed: int
    team: Team = Team()

    def begin(self, optimizer: torch.optim.Optimizer, averaging: float) -> None:
        """Start the count, with a moving average of decay `averaging` per step; 0: none."""
        self.optimizer = optimizer
        self._averaging = averaging
        self.average = copy.deepcopy(self.model).eval().requires_grad_(False) if averaging else self.model
        self.standing = Standing()

    @abstractmethod
    def rate(self, step: int) -> float:
        """Return the learning rate of step `step`, counted from 0."""

    @abstractmethod
    def batches(self, first: int, workers: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches from step `first` on, drawn by `workers` processes."""

    @abstractmethod
    def backward(self, model: nn.Module, images: Tensor, labels: Tensor) -> Metrics:
        """Add the gradients of one batch to the parameters; return what it measured."""

    @abstractmethod
    def validate(self, model: nn.Module) -> Metrics:
        """Judge `model` on what training does not see."""

    @abstractmethod
    def loss_of(self, metrics: Metrics) -> float:
        """Return what the best model has the least of."""

    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """Return what a checkpoint must share with the run that goes on from it; JSON."""

    def header(self) -> dict[str, Any]:
        """Return what a checkpoint tells besides; JSON."""
        return {}

    @property
    def step(self) -> int:
        """Steps that were taken."""
        return self.standing.step

    @property
    def is_over(self) -> bool:
        """Whether all steps are taken, or validation gains no more."""
        return self.step >= self.steps or (self.patience is not None and self.standing.misses >= self.patience)

    def run(self, checkpoint: Path, *, workers: int = 0, progress: bool = True) -> None:
        """Train to the end; go on from the folder `checkpoint` if there is one.

        What was trained is saved before it is validated. The best model is kept beside the checkpoint, a line a
        validation goes to a .csv file. Ctrl-C and SIGTERM write the checkpoint before they end the run.
        Raises TrainingError when loss or weights are no longer finite; the last checkpoint stays as it was.
        """
        if self.team.share(checkpoints.exists(checkpoint)):
            self.restore(checkpoint)
        elif self.team.leads:
            log_path(checkpoint).unlink(missing_ok=True)
        wrapped = self.team.wrap(self.model)
        shows = progress and self.team.leads
        bar = progress_bar(total=self.steps, initial=self.step, unit='step', disable=not shows)
        with Interruption() as interruption, bar:
            begun = time.perf_counter() - self.standing.seconds
            self._judge_if_due(checkpoint, bar)
            batches = iter(()) if self.is_over else self.batches(self.step, workers)
            for images, labels in batches:
                self.take_step(images, labels, wrapped)
                bar.update()
                self.standing.seconds = time.perf_counter() - begun
                self._judge_if_due(checkpoint, bar)
                if self.team.any(interruption.requested):
                    self.save(checkpoint)
                    if self.team.leads:
                        bar.write(f'interrupted at step {self.step}: the same command goes on', sys.stderr)
                    raise KeyboardInterrupt
                if self.is_over:
                    break

    def take_step(self, images: Tensor, labels: Tensor, model: nn.Module | None = None) -> Metrics:
        """Take one step of the optimiser; return what it measured. `model` is the model as the team wrapped it.

        Raises TrainingError, before the step, when loss or gradients are not finite.
        """
        for group in self.optimizer.param_groups:
            group['lr'] = self.rate(self.step)
        # Dropout depends on the seed, the step and the process, whatever ran before.
        mixed = np.random.SeedSequence([self.seed, self.step, self.team.rank]).generate_state(1)
        torch.manual_seed(int(mixed[0]))
        self.optimizer.zero_grad(set_to_none=True)
        measured = self.backward(self.model if model is None else model, images, labels)
        gradient = float(nn.utils.clip_grad_norm_(self.model.parameters(), self.largest_gradient))
        if not all(map(math.isfinite, (gradient, *measured.values()))):
            raise self._diverged(f'{_shown(measured)}, and a gradient of {gradient:g}')
        self.optimizer.step()
        self.standing.step += 1
        self.standing.recent.append(measured)
        if self.average is not self.model:
            # Faster at first, when the model is still far from useful.
            follow(self.average, self.model, min(self._averaging, (1 + self.step) / (10 + self.step)))
        return measured

    def save(self, checkpoint: Path) -> None:
        """Write the checkpoint (the leading process does).

        Raises TrainingError, and leaves the checkpoint that is there, when a weight is not finite.
        """
        if self.team.leads:
            if not all(value.isfinite().all() for value in self.model.state_dict().values()):
                raise self._diverged('weights that are not')
            header = {'standing': asdict(self.standing), 'identity': self.identity(), **self.header()}
            checkpoints.save(checkpoint, self._tensors(), header)

    def restore(self, checkpoint: Path) -> None:
        """Go on from `checkpoint`. Raises TrainingError when it is damaged or of a run with other arguments."""
        header = checkpoints.read_header(checkpoint)
        found = header.get('identity', {})
        differing = sorted(name for name, value in self.identity().items() if found.get(name) != value)
        if differing:
            raise TrainingError(
                f'expected {checkpoint} to be of an interrupted run with the same arguments, but its '
                f'{", ".join(differing)} differ: delete it or choose another output'
            )
        places = {'model': self.model.state_dict(), 'average': self.average.state_dict()}
        parameters = list(self.model.parameters())
        self.optimizer.state.clear()
        with torch.no_grad():
            for name, value in checkpoints.read(checkpoint):
                part, key = name.split('.', 1)
                if part == 'optimizer':
                    index, key = key.split('.', 1)
                    parameter = parameters[int(index)]
                    kept = value if value.ndim == 0 else torch.empty_like(parameter).copy_(value)
                    self.optimizer.state[parameter][key] = kept
                else:
                    places[part][key].copy_(value)
        self.standing = Standing(**header['standing'])

    def load_best(self, checkpoint: Path) -> nn.Module:
        """Return the model of the best validation; the run is over then, and lets go of what training needed."""
        self.optimizer.state.clear()
        self.model.zero_grad(set_to_none=True)
        places = self.average.state_dict()
        with torch.no_grad():
            for name, value in checkpoints.read(best_path(checkpoint)):
                places[name].copy_(value)
        return self.average.eval().requires_grad_(False)

    def _judge_if_due(self, checkpoint: Path, bar: Any) -> None:
        """Validate at the end and at every `validate_every` steps; at the start, if that is judged."""
        standing = self.standing
        is_due = standing.step % self.validate_every == 0 or standing.step == self.steps
        if not is_due or standing.judged == standing.step or (standing.step == 0 and not self.judges_start):
            return
        self.save(checkpoint)
        begun = time.perf_counter()
        found = self.team.share(self.validate(self.average) if self.team.leads else {})
        if not math.isfinite(self.loss_of(found)):
            raise self._diverged(f'a validation of {_shown(found)}')
        standing.judged, standing.metrics = standing.step, found
        if standing.step == 0:
            standing.before = found
        if self.patience is not None:
            self._keep_the_best(checkpoint, found)
        standing.seconds += time.perf_counter() - begun
        if standing.step and self.team.leads:
            self._log(checkpoint, bar)
        standing.recent = []
        self.save(checkpoint)

    def _diverged(self, found: str) -> TrainingError:
        return TrainingError(
            f'expected finite losses and weights, but got {found}, at step {self.step} of {self.steps}: '
            'is the learning rate too high?'
        )

    def _keep_the_best(self, checkpoint: Path, found: Metrics) -> None:
        standing = self.standing
        if self.loss_of(found) < standing.best_loss:
            standing.best_loss, standing.best_step, standing.misses = self.loss_of(found), standing.step, 0
            standing.best_metrics = found
            if self.team.leads:
                checkpoints.save(best_path(checkpoint), self.average.state_dict(), found)
        else:
            standing.misses += 1

    def _log(self, checkpoint: Path, bar: Any) -> None:
        standing = self.standing
        means = {name: float(np.mean([row[name] for row in standing.recent])) for name in standing.recent[0]}
        row = {
            'step': standing.step,
            'seconds': round(standing.seconds, 1),
            'rate': self.rate(standing.step - 1),
            **means,
            **standing.metrics,
        }
        path = log_path(checkpoint)
        is_new = not path.exists()
        with path.open('a', newline='') as file:
            writer = csv.writer(file)
            if is_new:
                writer.writerow(row)
            writer.writerow(row.values())
        bar.set_postfix_str(_shown(standing.metrics))

    def _tensors(self) -> dict[str, Tensor]:
        tensors = {f'model.{name}': value for name, value in self.model.state_dict().items()}
        if self.average is not self.model:
            tensors |= {f'average.{name}': value for name, value in self.average.state_dict().items()}
        for index, parameter in enumerate(self.model.parameters()):
            for name, value in self.optimizer.state.get(parameter, {}).items():
                if value is not None:
                    tensors[f'optimizer.{index}.{name}'] = torch.as_tensor(value)
        return tensors


def best_path(checkpoint: Path) -> Path:
    """Return the folder of the best model so far."""
    return checkpoint.with_name(checkpoint.name + '.best')


def log_path(checkpoint: Path) -> Path:
    """Return the log of the run."""
    return checkpoint.with_name(checkpoint.name.removesuffix('.checkpoint') + '.csv')


def checkpoint_path(output: Path) -> Path:
    """Return the folder in which the run that makes `output` (.onnx) keeps its checkpoint."""
    return output.with_suffix('.checkpoint')


def remove(checkpoint: Path) -> None:
    """Remove what a run that is over left beside its model: checkpoint and best model; the log stays."""
    for path in (checkpoint, best_path(checkpoint)):
        checkpoints.remove(path)


def _shown(metrics: Metrics) -> str:
    return ', '.join(f'{name} {value:.3g}' for name, value in metrics.items())


@torch.no_grad()
def follow(average: nn.Module, model: nn.Module, decay: float) -> None:
    """Move the average's weights towards the model's; its normalisation statistics likewise."""
    for mean, value in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
        if mean.is_floating_point():
            mean.lerp_(value, 1 - decay)
        else:
            mean.copy_(value)
