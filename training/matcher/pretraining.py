"""Pre-training of the coarse matcher on a corpus."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from training.errors import TrainingError
from training.identity import as_json
from training.images.corpus import TRAIN, VALIDATION, Corpus
from training.images.sources import DRAWN_SHARE
from training.images.views import ViewSampling
from training.loop.training import Metrics, Training
from training.matcher import validation
from training.matcher.data import MatchingGroups, batches
from training.matcher.loss import evaluate_batch
from training.networks.matcher import Matcher
from training.networks.onnx_weights import read_matcher


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
    drawn_share: float = DRAWN_SHARE
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


class Pretraining(Training):
    """A run on a corpus; the moving average of the weights is judged and exported.

    With a `base`, an exported matcher, the run goes on from its weights; its normalisations stay the affine maps
    that export made of them (see `read_matcher`).
    """

    model: Matcher
    average: Matcher

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
        loaded = Corpus.load(corpus)
        loaded.require(TRAIN, VALIDATION)
        self.summary, self.corpus_sha256 = loaded.summary(), loaded.sha256
        self.options = options
        self.sampling = sampling or ViewSampling()
        self.base_sha256 = hashlib.sha256(base.read_bytes()).hexdigest() if base and base.is_file() else ''
        model = Matcher() if base is None else read_matcher(base)[0]
        self._normalises = base is None
        self.model = model.to(memory_format=torch.channels_last)
        self.steps, self.validate_every, self.seed = options.steps, options.validate_every, options.seed
        self.begin(torch.optim.AdamW(_parameter_groups(self.model, options.weight_decay)), options.average_decay)

    def rate(self, step: int) -> float:
        """Return the learning rate of step `step`, counted from 0."""
        return self.options.rate(step)

    def batches(self, first: int, workers: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield images (G, V, H, W) uint8 and labels (G, 2, P, N, 3)."""
        options = self.options
        groups = MatchingGroups(
            self.corpus,
            TRAIN,
            self.sampling,
            seed=options.seed,
            drawn_share=options.drawn_share,
            length=options.steps * options.batch_groups,
        )
        return iter(batches(groups, batch_groups=options.batch_groups, first_batch=first, workers=workers))

    def backward(self, model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> Metrics:
        """Add the gradients of one batch."""
        model.train(self._normalises)
        outcome = evaluate_batch(model, images, labels)
        outcome.total(self.options.dustbin_weight).backward()
        return {
            'match': float(outcome.match.detach()),
            'no_match': float(outcome.no_match.detach()),
            'train_accuracy': float(outcome.correct / outcome.visible.clamp(min=1)),
        }

    def validate(self, model: nn.Module) -> Metrics:
        """Return the share of right matches on the validation split, nominal and perturbed."""
        return validation.validate(model, self.corpus, self.sampling, groups=self.options.validation_groups)

    def loss_of(self, metrics: Metrics) -> float:
        """Return the share of wrong matches over both conditions."""
        return 1.0 - sum(metrics.values()) / len(metrics)

    def identity(self) -> dict[str, Any]:
        """Return all but what may change on the way: the end of the run and the size of the views."""
        options = asdict(self.options)
        for name in ('steps', 'cooldown', 'validate_every', 'validation_groups', 'threads', 'workers'):
            del options[name]
        sampling = asdict(self.sampling)
        del sampling['width'], sampling['height']
        return as_json({**options, 'sampling': sampling, 'corpus': self.corpus_sha256, 'base': self.base_sha256})

    def header(self) -> dict[str, Any]:
        """Return options, views and corpus."""
        return {'options': asdict(self.options), 'sampling': asdict(self.sampling), 'corpus': self.summary}


def _parameter_groups(model: Matcher, weight_decay: float) -> list[dict[str, Any]]:
    """Return the convolution weights with decay, and all else (normalisation, temperature, dustbin) without."""
    weights = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    return [{'params': weights, 'weight_decay': weight_decay}, {'params': others, 'weight_decay': 0.0}]
