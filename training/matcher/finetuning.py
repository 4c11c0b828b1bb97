"""Fine-tuning of an exported matcher on one reference."""

from __future__ import annotations

import csv
import datetime
import hashlib
import json
import math
import os
import signal
import sys
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from cnn_vs_ros.estimation import Reference
from training.errors import TrainingError
from training.loop import checkpoints_old as checkpoints
from training.loop.interruption import Interruption
from training.matcher.export import write_onnx
from training.matcher.loss import evaluate_batch
from training.matcher.reference_groups import ReferenceGroups, ReferenceSampling
from training.networks.matcher import STRIDE, Matcher
from training.networks.onnx_weights import read_matcher

VALIDATION_SEED = 1_000_003
_WIDEST = 192  # pixels of the views: between the widths that the runtime looks at, for a minute or two of training


@dataclass(frozen=True)
class FineTuningOptions:
    """Settings of a run; the learning rate warms up over a tenth of the steps and falls linearly to zero.

    The run ends early when the validation has not become better `patience` times in a row.
    """

    steps: int = 120
    batch_groups: int = 6
    seed: int = 0
    learning_rate: float = 6e-4
    dustbin_weight: float = 0.4
    validate_every: int = 30
    validation_groups: int = 12
    patience: int = 3

    def __post_init__(self) -> None:
        for name in ('steps', 'batch_groups', 'validate_every', 'validation_groups', 'patience'):
            if getattr(self, name) < 1:
                raise TrainingError(f'expected {name} of at least 1, but got {getattr(self, name)}')
        if self.seed < 0:
            raise TrainingError(f'expected a seed of 0 or more, but got {self.seed}')
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise TrainingError(f'expected a positive learning rate, but got {self.learning_rate}')

    def rate(self, step: int) -> float:
        """Return the learning rate of step `step`, counted from 0."""
        warmup = max(1, self.steps // 10)
        return self.learning_rate * min(
            (step + 1) / warmup, (self.steps - step) / max(1, self.steps - warmup), 1.0
        )


class FineTuning:
    """One run: the model in training, the best one so far by validation, the optimiser.

    The network stays in evaluation mode: its normalisations are affine maps (see `read_matcher`), so neither the
    batch nor the number of processes changes what a step computes.
    """

    def __init__(self, base: Path, reference: Reference, options: FineTuningOptions) -> None:
        self.model, self.base_metadata = read_matcher(base)
        self.best, _ = read_matcher(base)
        self.best.requires_grad_(False)
        self.base_sha256 = hashlib.sha256(base.read_bytes()).hexdigest()
        self.reference = reference
        self.options = options
        try:
            width = min(int(self.base_metadata['input_width']), _WIDEST)
        except (KeyError, ValueError) as error:
            raise TrainingError(f'expected an input_width in the metadata of {base}, but got: {error}') from error
        rows = max(2, round(width * reference.camera.height / reference.camera.width / STRIDE))
        self.sampling = ReferenceSampling(width=width, height=rows * STRIDE)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=options.learning_rate, weight_decay=0.0)
        self.step = 0
        self.before: dict[str, float] = {}
        self.after: dict[str, float] = {}
        self.best_step = 0
        self.misses = 0
        self.losses: list[float] = []  # since the last validation

    def validate(self, model: Matcher) -> dict[str, float]:
        """Return the share of visible cells whose best match is within one cell, nominal and perturbed."""
        result = {}
        for name, share in (('nominal', 0.0), ('perturbed', 1.0)):
            sampling = replace(self.sampling, perturbed=share)
            groups = ReferenceGroups(
                self.reference, sampling, seed=VALIDATION_SEED, length=self.options.validation_groups
            )
            correct = visible = 0.0
            with torch.inference_mode():
                for images, labels in _batches(groups, min(4, len(groups)), 0, 0):
                    outcome = evaluate_batch(model, images, labels)
                    correct += float(outcome.correct)
                    visible += float(outcome.visible)
            result[name] = correct / max(visible, 1.0)
        return result

    def run(self, checkpoint: Path, *, workers: int = 0, progress: bool = True) -> None:
        """Train, keeping the best model in `best`; go on from `checkpoint` if there is one.

        An interrupt (Ctrl-C, SIGTERM) writes the checkpoint before it ends the run. A line a validation goes to a
        .csv file beside it.
        """
        log = checkpoint.with_suffix('.csv')
        if checkpoint.exists():
            self._restore(checkpoint)
        else:
            log.unlink(missing_ok=True)
            self.before = self.after = self.validate(self.model)
        options = self.options
        groups = ReferenceGroups(
            self.reference, self.sampling, seed=options.seed, length=options.steps * options.batch_groups
        )
        interval = 1.0 if sys.stderr.isatty() else 30.0
        bar = tqdm(total=options.steps, initial=self.step, unit='step', mininterval=interval, disable=not progress)
        with Interruption() as interruption, bar:
            for images, labels in _batches(groups, options.batch_groups, self.step, workers):
                self._train_step(images, labels)
                bar.update()
                if self.step % options.validate_every == 0 or self.step == options.steps:
                    self._judge(log)
                    self._save(checkpoint)
                    bar.set_postfix_str(', '.join(f'{k} {v:.3f}' for k, v in self.after.items()))
                if self.misses >= options.patience:
                    break
                if interruption.requested:
                    self._save(checkpoint)
                    bar.write(f'interrupted at step {self.step}: the same command goes on', sys.stderr)
                    raise KeyboardInterrupt

    def export(self, output: Path) -> dict[str, str]:
        """Write the best model as one .onnx file with its metadata, and return these."""
        training = {
            'architecture': 'matcher',
            'options': asdict(self.options),
            'sampling': asdict(self.sampling),
            'base_sha256': self.base_sha256,
            'best_step': self.best_step,
            'validation_before': self.before,
            'validation': self.after,
            'depth': float(self.reference.depth),
            'date': datetime.datetime.now(datetime.UTC).date().isoformat(),
        }
        metadata = {
            **self.base_metadata,
            'temperature': repr(float(self.best.log_temperature.exp())),
            'dustbin': repr(float(self.best.dustbin)),
            'reference_sha256': self.reference.sha256,
            'fine_tuning': json.dumps(training),
        }
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', FutureWarning)  # of torch about its own exporter
            write_onnx(self.best, output, metadata)
        return metadata

    def _train_step(self, images: torch.Tensor, labels: torch.Tensor) -> None:
        for group in self.optimizer.param_groups:
            group['lr'] = self.options.rate(self.step)
        loss = evaluate_batch(self.model, images, labels).total(self.options.dustbin_weight)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 2.0)
        self.optimizer.step()
        self.step += 1
        self.losses.append(float(loss.detach()))

    def _judge(self, log: Path) -> None:
        found = self.validate(self.model)
        if np.mean(list(found.values())) > np.mean(list(self.after.values())):
            self.after, self.best_step, self.misses = found, self.step, 0
            self.best.load_state_dict(self.model.state_dict())
        else:
            self.misses += 1
        is_new = not log.exists()
        with log.open('a', newline='') as file:
            writer = csv.writer(file)
            if is_new:
                writer.writerow(['step', 'loss', *found])
            writer.writerow([self.step, float(np.mean(self.losses)), *found.values()])
        self.losses.clear()

    def _save(self, path: Path) -> None:
        header = {
            'identity': self._identity(),
            'step': self.step,
            'before': self.before,
            'after': self.after,
            'best_step': self.best_step,
            'misses': self.misses,
            'losses': self.losses,
        }
        checkpoints.save(path, model=self.model, average=self.best, optimizer=self.optimizer, header=header)

    def _restore(self, path: Path) -> None:
        tensors, header = checkpoints.read(path)
        if header.get('identity') != self._identity():
            raise TrainingError(
                f'expected {path} to be of an interrupted run with the same arguments, but they differ: delete it '
                'or choose another output'
            )
        self.model.load_state_dict(checkpoints.part(tensors, 'model'))
        self.best.load_state_dict(checkpoints.part(tensors, 'average'))
        checkpoints.restore_optimizer(self.optimizer, tensors)
        self.step, self.before, self.after = header['step'], header['before'], header['after']
        self.best_step, self.misses = header['best_step'], header['misses']
        self.losses = header['losses']

    def _identity(self) -> dict[str, Any]:
        """Return what a checkpoint must share with the run that goes on from it, as JSON gives it back."""
        identity = {
            'options': asdict(self.options),
            'sampling': asdict(self.sampling),
            'base_sha256': self.base_sha256,
            'reference_sha256': self.reference.sha256,
            'depth': float(self.reference.depth),
        }
        return json.loads(json.dumps(identity))


def checkpoint_path(output: Path) -> Path:
    """Return where the run that makes `output` (.onnx) keeps its checkpoint."""
    return output.with_suffix('.checkpoint.safetensors')


def finetune(
    base: Path, reference: Reference, output: Path, options: FineTuningOptions, *, threads: int, workers: int
) -> FineTuning:
    """Fine-tune the model `base` on `reference`, and write the best of it to `output` (.onnx).

    Raises TrainingError for files that are not what they should be.
    """
    if output.suffix != '.onnx':
        raise TrainingError(f'expected an output that ends in .onnx, but got {output}')
    if threads < 1 or workers < 0:
        raise TrainingError(f'expected at least 1 thread and 0 workers, but got {threads} and {workers}')
    torch.set_num_threads(threads)
    training = FineTuning(base, reference, options)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        training.run(checkpoint_path(output), workers=workers)
        training.export(output)
    except OSError as error:
        raise TrainingError(f'cannot write {output}: {os.strerror(error.errno or 0)}') from error
    checkpoint_path(output).unlink(missing_ok=True)
    return training


def _batches(
    groups: ReferenceGroups, batch_groups: int, first_batch: int, workers: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield batches (G, V, H, W) uint8 and (G, 2, P, N, 3), from batch `first_batch` on, in order."""
    return iter(
        DataLoader(
            groups,
            batch_size=batch_groups,
            sampler=range(first_batch * batch_groups, len(groups)),
            num_workers=workers,
            prefetch_factor=4 if workers else None,
            worker_init_fn=_ignore_interrupts,
        )
    )


def _ignore_interrupts(worker: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process; the parent decides
