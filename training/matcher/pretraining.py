"""Pre-training of the coarse matcher on a corpus."""

from __future__ import annotations

import copy
import csv
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from tqdm import tqdm

from training.errors import TrainingError
from training.images.corpus import TRAIN, Corpus
from training.images.views import ViewSampling
from training.loop import checkpoints_old as checkpoints
from training.loop.interruption import interrupt_on_terminate
from training.matcher import validation
from training.matcher.data import MatchingGroups, batches
from training.matcher.loss import MatchingOutcome, evaluate_batch
from training.networks.matcher import Matcher
from training.networks.onnx_weights import read_matcher

CHECKPOINT = 'checkpoint.safetensors'


@dataclass(frozen=True)
class PretrainingOptions:
    """Settings of a run. The learning rate warms up, stays, and falls linearly over the last `cooldown` steps."""

    steps: int = 4000
    batch_groups: int = 8
    seed: int = 0
    learning_rate: float = 2.5e-3
    weight_decay: float = 1e-3
    warmup: int = 100
    cooldown: int = 800
    average_decay: float = 0.998
    dustbin_weight: float = 0.4
    drawn_share: float = 0.45
    validate_every: int = 250
    validation_groups: int = 32
    threads: int = 1
    workers: int = 1

    def __post_init__(self) -> None:
        for name in ('steps', 'batch_groups', 'warmup', 'validate_every', 'validation_groups', 'threads'):
            if getattr(self, name) < 1:
                raise TrainingError(f'expected {name} of at least 1, but got {getattr(self, name)}')
        if not 0 <= self.drawn_share <= 1:
            raise TrainingError(f'expected a drawn_share of 0 to 1, but got {self.drawn_share}')
        if not 0 <= self.cooldown <= self.steps:
            raise TrainingError(f'expected a cooldown of 0 to {self.steps} steps, but got {self.cooldown}')

    def rate(self, step: int) -> float:
        """Return the learning rate of step `step`, counted from 0."""
        rise = min(1.0, (step + 1) / self.warmup)
        fall = min(1.0, (self.steps - step) / self.cooldown) if self.cooldown else 1.0
        return self.learning_rate * min(rise, fall)


class Pretraining:
    """One run: the model, its exponential moving average (which is evaluated and exported), the optimiser.

    With a `base`, an exported matcher, the run goes on from its weights; its normalisations stay the affine maps
    that export made of them (see `read_matcher`).
    """

    def __init__(
        self,
        corpus: Path,
        options: PretrainingOptions,
        sampling: ViewSampling | None = None,
        base: Path | None = None,
    ) -> None:
        torch.set_num_threads(options.threads)
        torch.manual_seed(options.seed)
        self.corpus = corpus
        self.options = options
        self.sampling = sampling or ViewSampling()
        model = Matcher() if base is None else read_matcher(base)[0]
        self._normalises = base is None
        self.model = model.to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.model).eval().requires_grad_(False)
        self.optimizer = torch.optim.AdamW(_parameter_groups(self.model, options.weight_decay))
        self.step = 0
        self.metrics: dict[str, float] = {}

    def restore(self, path: Path) -> None:
        """Continue from a checkpoint."""
        tensors, header = checkpoints.read(path)
        self.model.load_state_dict(checkpoints.part(tensors, 'model'))
        self.average.load_state_dict(checkpoints.part(tensors, 'average'))
        checkpoints.restore_optimizer(self.optimizer, tensors)
        self.step = int(header['step'])
        self.metrics = dict(header['metrics'])

    def save(self, path: Path) -> None:
        """Write a checkpoint."""
        header: dict[str, Any] = {
            'step': self.step,
            'metrics': self.metrics,
            'options': asdict(self.options),
            'sampling': asdict(self.sampling),
            'corpus': Corpus.load(self.corpus).summary(),
        }
        checkpoints.save(path, model=self.model, average=self.average, optimizer=self.optimizer, header=header)

    def train_step(self, images: torch.Tensor, labels: torch.Tensor) -> MatchingOutcome:
        """Take one optimiser step on images (G, V, H, W) uint8 and labels (G, 2, P, N, 3)."""
        for group in self.optimizer.param_groups:
            group['lr'] = self.options.rate(self.step)
        self.model.train(self._normalises)
        outcome = evaluate_batch(self.model, images, labels)
        self.optimizer.zero_grad(set_to_none=True)
        outcome.total(self.options.dustbin_weight).backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 2.0)
        self.optimizer.step()
        self.step += 1
        self._update_average()
        return outcome

    def run(self, output: Path, *, progress: bool = True) -> None:
        """Train until `options.steps`, writing `checkpoint.safetensors` and `log.csv` to `output`.

        An interrupt (Ctrl-C, SIGTERM) writes a checkpoint before it ends the run.
        """
        path = output / CHECKPOINT
        output.mkdir(parents=True, exist_ok=True)
        groups = MatchingGroups(
            self.corpus,
            TRAIN,
            self.sampling,
            seed=self.options.seed,
            drawn_share=self.options.drawn_share,
            length=self.options.steps * self.options.batch_groups,
        )
        loader = batches(
            groups, batch_groups=self.options.batch_groups, first_batch=self.step, workers=self.options.workers
        )
        bar = tqdm(total=self.options.steps, initial=self.step, unit='step', disable=not progress, mininterval=5)
        recent: list[tuple[float, float, float]] = []
        started = time.monotonic()
        with interrupt_on_terminate():
            try:
                for images, labels in loader:
                    outcome = self.train_step(images, labels)
                    accuracy = float(outcome.correct / outcome.visible.clamp(min=1))
                    recent.append((float(outcome.match.detach()), float(outcome.no_match.detach()), accuracy))
                    bar.update()
                    if self.step % self.options.validate_every == 0 or self.step == self.options.steps:
                        self._report(output, recent, time.monotonic() - started, bar)
                        recent.clear()
                        self.save(path)
            except KeyboardInterrupt:
                self.save(path)
                bar.write(f'interrupted at step {self.step}: continue with --resume {path}')
                raise
            finally:
                bar.close()
        self.save(path)

    def _report(self, output: Path, recent: list[tuple[float, float, float]], seconds: float, bar: Any) -> None:
        """Validate, and append a line to the log."""
        self.metrics = validation.validate(
            self.average, self.corpus, self.sampling, groups=self.options.validation_groups
        )
        means = torch.tensor(recent).mean(dim=0).tolist()
        row = {
            'step': self.step,
            'seconds': round(seconds, 1),
            'rate': self.options.rate(self.step - 1),
            **dict(zip(('match', 'no_match', 'train_accuracy'), means, strict=True)),
            **self.metrics,
        }
        log = output / 'log.csv'
        is_new = not log.exists()
        with log.open('a', newline='') as file:
            writer = csv.DictWriter(file, fieldnames=list(row))
            if is_new:
                writer.writeheader()
            writer.writerow(row)
        shown = ', '.join(f'{name} {value:.3f}' for name, value in row.items() if isinstance(value, float))
        bar.write(f'step {self.step}: {shown}')

    @torch.no_grad()
    def _update_average(self) -> None:
        """Move the average towards the model; faster at first, when the model is still far from useful."""
        decay = min(self.options.average_decay, (1 + self.step) / (10 + self.step))
        pairs = zip(self.average.state_dict().values(), self.model.state_dict().values(), strict=True)
        for kept, new in pairs:
            if kept.dtype.is_floating_point:
                kept.lerp_(new, 1 - decay)
            else:
                kept.copy_(new)


def _parameter_groups(model: Matcher, weight_decay: float) -> list[dict[str, Any]]:
    """Return the convolution weights with decay, and all else (normalisation, temperature, dustbin) without."""
    weights = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    return [{'params': weights, 'weight_decay': weight_decay}, {'params': others, 'weight_decay': 0.0}]
