"""Loss and accuracy of dense matching with a learned temperature and dustbin."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from training.matcher.targets import view_pairs
from training.networks.cells import STRIDE
from training.networks.matcher import Matcher

_NEAR = 1 / 20


@dataclass(frozen=True)
class MatchingOutcome:
    """Terms of the loss of one batch (scalars), and counts for the accuracy.

    `match` is the negative log likelihood of the right cell where both views see it, `no_match` that of the
    dustbin where they do not; `correct` of `visible` cells have their best match within a twentieth of the view's
    width of the truth (one cell of a view 160 pixels wide), so that networks of different input sizes compare.
    """

    match: Tensor
    no_match: Tensor
    correct: Tensor
    visible: Tensor

    def total(self, dustbin_weight: float) -> Tensor:
        """Return the weighted sum of both terms."""
        return self.match + dustbin_weight * self.no_match


def evaluate_batch(model: Matcher, images: Tensor, labels: Tensor) -> MatchingOutcome:
    """Return the loss terms of images (G, V, H, W) uint8 and labels (G, 2, P, N, 3)."""
    count, views, height, width = images.shape
    flat = images.reshape(count * views, 1, height, width).float()
    descriptors, matchability = model(flat)
    return matching_outcome(
        descriptors.reshape(count, views, -1, descriptors.shape[-1]),
        matchability.reshape(count, views, -1),
        labels,
        temperature=model.log_temperature.exp(),
        dustbin=model.dustbin,
        columns=width // STRIDE,
    )


def matching_outcome(
    descriptors: Tensor,
    matchability: Tensor,
    targets: Tensor,
    *,
    temperature: Tensor,
    dustbin: Tensor,
    columns: int,
) -> MatchingOutcome:
    """Compare the similarities of all pairs of views with their labels.

    Args:
        descriptors: (G, V, N, D) of unit norm.
        matchability: (G, V, N).
        targets: (G, 2, P, N, 3) of `training.matcher.targets.group_targets`.
        temperature: scalar factor of the similarities.
        dustbin: scalar, the logit of 'no match' before the cell's matchability is taken off.
        columns: cells in a row of the grid.
    """
    pairs = view_pairs(descriptors.shape[1])
    first, second = [i for i, _ in pairs], [j for _, j in pairs]
    similarity = temperature * torch.matmul(descriptors[:, first], descriptors[:, second].transpose(-1, -2))
    forward = _direction(similarity, dustbin - matchability[:, first], targets[:, 0], columns)
    backward = _direction(similarity.transpose(-1, -2), dustbin - matchability[:, second], targets[:, 1], columns)
    likelihood, no_match_likelihood, correct, visible = (
        torch.stack(both) for both in zip(forward, backward, strict=True)
    )
    hidden = 1 - visible
    return MatchingOutcome(
        match=-(likelihood * visible).sum() / visible.sum().clamp(min=1),
        no_match=-(no_match_likelihood * hidden).sum() / hidden.sum().clamp(min=1),
        correct=(correct * visible).sum().detach(),
        visible=visible.sum().detach(),
    )


def _direction(
    similarity: Tensor, dustbin: Tensor, targets: Tensor, columns: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return (G, P, N) log likelihoods of truth and dustbin, whether the best match is right, and visible."""
    x, y, visible = targets.unbind(-1)
    rows = similarity.shape[-1] // columns
    normaliser = torch.logaddexp(torch.logsumexp(similarity, dim=-1), dustbin)
    x0 = x.floor().clamp(0, columns - 2)
    y0 = y.floor().clamp(0, rows - 2)
    wx, wy = x - x0, y - y0
    corner = (y0 * columns + x0).long()
    offsets = torch.tensor([0, 1, columns, columns + 1])
    weights = torch.stack([(1 - wx) * (1 - wy), wx * (1 - wy), (1 - wx) * wy, wx * wy], dim=-1)
    at_truth = similarity.gather(-1, corner[..., None] + offsets)
    likelihood = (weights * at_truth).sum(-1) - normaliser
    with torch.no_grad():
        best = similarity.argmax(-1)
        distance = torch.hypot((best % columns) - x, (best // columns) - y)
    return likelihood, dustbin - normaliser, (distance < _NEAR * columns).float(), visible
