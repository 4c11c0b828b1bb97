"""Match accuracy of a model on the corpus's validation split."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from training import matching_data
from training.corpus import VALIDATION
from training.matching_loss import evaluate_batch
from training.networks.matcher import Matcher
from training.views import ViewSampling

SEED = 1_000_003  # of the validation views, the same in every run


def validate(
    model: Matcher, corpus: Path, sampling: ViewSampling, *, groups: int = 32, batch_groups: int = 8
) -> dict[str, float]:
    """Return the share of visible cells whose best match is within a twentieth of the width of the truth.

    Keys `nominal` (no perturbation but noise) and `perturbed` (occluders, lights, optics as in training).
    """
    result = {}
    was_training = model.training
    model.eval()
    for name in ('nominal', 'perturbed'):
        data = matching_data.MatchingGroups(
            corpus,
            VALIDATION,
            replace(sampling, perturbed=name == 'perturbed'),
            seed=SEED,
            drawn_share=0.0,
            length=groups,
        )
        correct = visible = 0.0
        with torch.inference_mode():
            loader = matching_data.batches(data, batch_groups=min(batch_groups, groups), first_batch=0, workers=0)
            for images, labels in loader:
                outcome = evaluate_batch(model, images, labels)
                correct += float(outcome.correct)
                visible += float(outcome.visible)
        result[name] = correct / max(visible, 1.0)
    model.train(was_training)
    return result
