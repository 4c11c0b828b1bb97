"""Fine-tuning of an exported matcher on one reference."""

from __future__ import annotations

import datetime
import hashlib
import json
import math
import os
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from cnn_vs_ros.estimation import Reference
from training.errors import TrainingError
from training.identity import as_json, identity_of
from training.loop.training import VALIDATION_SEED, Metrics, Training, checkpoint_path, remove
from training.matcher.data import batches
from training.matcher.export import write_onnx
from training.matcher.loss import evaluate_batch
from training.matcher.reference_groups import ReferenceGroups, ReferenceSampling
from training.matcher.validation import share_right
from training.networks.cells import STRIDE
from training.networks.matcher import Matcher
from training.networks.onnx_weights import read_matcher

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


class FineTuning(Training):
    """A run on one reference; the best model of the validations counts, the base among them.

    The network stays in evaluation mode: its normalisations are affine maps (see `read_matcher`), so neither the
    batch nor the number of processes changes what a step computes.
    """

    judges_start = True
    model: Matcher

    def __init__(self, base: Path, reference: Reference, options: FineTuningOptions) -> None:
        self.model, self.base_metadata = read_matcher(base)
        self.base_sha256 = hashlib.sha256(base.read_bytes()).hexdigest()
        self.reference = reference
        self.options = options
        try:
            width = min(int(self.base_metadata['input_width']), _WIDEST)
        except (KeyError, ValueError) as error:
            raise TrainingError(f'expected an input_width in the metadata of {base}, but got: {error}') from error
        rows = max(2, round(width * reference.camera.height / reference.camera.width / STRIDE))
        self.sampling = ReferenceSampling(width=width, height=rows * STRIDE)
        self.steps, self.seed = options.steps, options.seed
        self.validate_every, self.patience = options.validate_every, options.patience
        rate = options.learning_rate
        self.begin(torch.optim.AdamW(self.model.parameters(), lr=rate, weight_decay=0.0), averaging=0.0)

    def rate(self, step: int) -> float:
        """Return the learning rate of step `step`, counted from 0."""
        return self.options.rate(step)

    def batches(self, first: int, workers: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield images (G, V, H, W) uint8 and labels (G, 2, P, N, 3)."""
        options = self.options
        length = options.steps * options.batch_groups
        groups = ReferenceGroups(self.reference, self.sampling, seed=options.seed, length=length)
        return iter(batches(groups, batch_groups=options.batch_groups, first_batch=first, workers=workers))

    def backward(self, model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> Metrics:
        """Add the gradients of one batch."""
        loss = evaluate_batch(model, images, labels).total(self.options.dustbin_weight)
        loss.backward()
        return {'loss': float(loss.detach())}

    def validate(self, model: nn.Module) -> Metrics:
        """Return the share of visible cells whose best match is within one cell, nominal and perturbed."""
        result = {}
        for name, share in (('nominal', 0.0), ('perturbed', 1.0)):
            groups = ReferenceGroups(
                self.reference,
                replace(self.sampling, perturbed=share),
                seed=VALIDATION_SEED,
                length=self.options.validation_groups,
            )
            with torch.inference_mode():
                result[name] = share_right(partial(evaluate_batch, model), groups, batch_groups=4)
        return result

    def loss_of(self, metrics: Metrics) -> float:
        """Return the share of wrong matches over both conditions."""
        return 1.0 - float(np.mean(list(metrics.values())))

    def identity(self) -> dict[str, Any]:
        """Return options, views, base and reference."""
        return as_json(
            {
                'options': asdict(self.options),
                'sampling': asdict(self.sampling),
                'base_sha256': self.base_sha256,
                **identity_of(self.reference),
            }
        )

    def export(self, model: Matcher, output: Path) -> dict[str, str]:
        """Write `model`, the best one, as one .onnx file with its metadata, and return these."""
        training = {
            'architecture': 'matcher',
            'options': asdict(self.options),
            'sampling': asdict(self.sampling),
            'base_sha256': self.base_sha256,
            'best_step': self.standing.best_step,
            'validation_before': self.standing.before,
            'validation': self.standing.best_metrics,
            'depth': float(self.reference.depth),
            'date': datetime.datetime.now(datetime.UTC).date().isoformat(),
        }
        metadata = {
            **self.base_metadata,
            'temperature': repr(float(model.log_temperature.exp())),
            'dustbin': repr(float(model.dustbin)),
            'reference_sha256': self.reference.sha256,
            'fine_tuning': json.dumps(training),
        }
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', FutureWarning)  # of torch about its own exporter
            write_onnx(model, output, metadata)
        return metadata


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
    checkpoint = checkpoint_path(output)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        training.run(checkpoint, workers=workers)
        training.export(training.load_best(checkpoint), output)
    except OSError as error:
        raise TrainingError(f'cannot write {output}: {os.strerror(error.errno or 0)}') from error
    remove(checkpoint)
    return training
