"""Match accuracy of a model on the corpus's validation split, and on drawn textures that no training drew."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import Dataset

from cnn_vs_ros.estimation.coarse.matcher import MatcherNetwork
from training.images.corpus import VALIDATION
from training.images.textures import KINDS
from training.images.views import ViewSampling
from training.loop.training import VALIDATION_SEED
from training.matcher.data import MatchingGroups, batches
from training.matcher.loss import MatchingOutcome, evaluate_batch, matching_outcome
from training.networks.matcher import Matcher


def validate(
    model: Matcher, corpus: Path, sampling: ViewSampling, *, groups: int = 32, batch_groups: int = 8
) -> dict[str, float]:
    """Return the share of visible cells whose best match is within a twentieth of the width of the truth.

    Keys `nominal` (no perturbation but noise) and `perturbed` (occluders, lights, optics as in training).
    """
    was_training = model.training
    model.eval()
    with torch.inference_mode():
        result = _by_condition(
            lambda images, labels: evaluate_batch(model, images, labels), corpus, sampling, groups, batch_groups
        )
    model.train(was_training)
    return result


def validate_exported(
    network: MatcherNetwork, corpus: Path, width: int, *, groups: int = 32
) -> Iterator[tuple[str, dict[str, float]]]:
    """Judge an exported matcher as `validate` does, on views `width` pixels wide.

    Yields one name after the other with its shares: photographs, then each kind of drawn texture.
    """
    sampling = ViewSampling(width=width, height=width * 3 // 4)

    def judge(images: Tensor, labels: Tensor) -> MatchingOutcome:
        count, views, height, width = images.shape
        described = network.describe(images.reshape(count * views, height, width).numpy())
        descriptors, matchability = (torch.from_numpy(output) for output in described)
        return matching_outcome(
            descriptors.reshape(count, views, -1, descriptors.shape[-1]),
            matchability.reshape(count, views, -1),
            labels,
            temperature=torch.tensor(network.temperature),
            dustbin=torch.tensor(network.dustbin),
            columns=width // network.stride,
        )

    for kind in (None, *KINDS):
        yield kind or 'photographs', _by_condition(judge, corpus, sampling, groups, 8, kind)


def _by_condition(
    judge: Callable[[Tensor, Tensor], MatchingOutcome],
    corpus: Path,
    sampling: ViewSampling,
    groups: int,
    batch_groups: int,
    kind: str | None = None,
) -> dict[str, float]:
    result = {}
    for name in ('nominal', 'perturbed'):
        data = MatchingGroups(
            corpus,
            VALIDATION,
            replace(sampling, perturbed=name == 'perturbed'),
            seed=VALIDATION_SEED,
            drawn_share=0.0 if kind is None else 1.0,
            length=groups,
            kind=kind,
        )
        result[name] = share_right(judge, data, batch_groups)
    return result


def share_right(judge: Callable[[Tensor, Tensor], MatchingOutcome], groups: Dataset, batch_groups: int) -> float:
    """Return the share of the visible cells of all `groups` that `judge` finds matched right."""
    correct = visible = 0.0
    for images, labels in batches(groups, batch_groups=min(batch_groups, len(groups)), first_batch=0, workers=0):
        outcome = judge(images, labels)
        correct += float(outcome.correct)
        visible += float(outcome.visible)
    return correct / max(visible, 1.0)
