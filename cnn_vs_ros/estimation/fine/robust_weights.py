"""What a sample counts in the photometric alignment: Tukey's weight of its residual, times its cell's visibility.

A residual alone says little about an object with as much contrast as the scene, or more: after local
normalisation both are of unit size. Its neighbourhood does. Residuals of the scene, where it is aligned, have one
small variance; where something else is in front of it the two images are unrelated, and the variance of their
difference is the sum of theirs. The cells of a coarse grid are judged by that likelihood ratio (a mixture of two
zero-mean Gaussians, fitted by expectation maximisation). While the pose is still off both variances are alike and
nothing is rejected.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

_TUKEY = 4.0
_SCALE_FLOOR = 0.05
_ENOUGH = 2000
_LOOSE = 0.6  # share of the root-mean-square residual below which a scale may not fall while far away

_SMOOTHING = 1.5  # standard deviation, in cells, of the neighbourhood that is judged together
_INDEPENDENT = 0.5  # neighbouring residuals are correlated: the share of them that counts as evidence
_PRIOR = 1.5  # log odds of being visible
_ANY = 1e-3  # share that is never ruled out
# Iterations of the fit: of the first judgement, by which a match is judged, and of the last one, at a pose that is
# nearly right. It begins with the median cell, which of a scene of which most has changed is none of the scene's,
# and with odds of being visible that are much too high for it.
_ITERATIONS, _MORE_ITERATIONS = 2, 6
_SCENE_FLOOR = 0.1  # least standard deviation of the scene's residuals, in units of local contrast
_FOREIGN_FLOOR = 0.22


@dataclass(frozen=True)
class Visibility:
    """Where the scene is seen: `probability` (h, w) for each cell of the grid.

    `share` is the mean probability over the samples; `evidence` is the mean log-likelihood, per sample, by which
    "this is the scene" beats "this is something else" where it does: what tells a match from a coincidence.
    """

    probability: np.ndarray
    share: float
    evidence: float


def visibility(
    cells: np.ndarray,
    size: tuple[int, int],
    residual: np.ndarray,
    current: np.ndarray,
    desired: np.ndarray,
    *,
    settled: bool = False,
) -> Visibility:
    """Judge each cell of a grid of `size` (h, w), from samples (M,) that lie in the flat `cells` (M,).

    `current` and `desired` are the locally normalised grey levels, `residual` their difference; `settled` takes
    longer, fits the share that is visible as well, and is for a pose that is nearly right.
    """
    neighbours = 4 * np.pi * _SMOOTHING**2  # number of cells in a Gaussian neighbourhood

    def total(values: np.ndarray | None) -> np.ndarray:
        sums = np.bincount(cells, values, minlength=size[0] * size[1]).astype(np.float32).reshape(size)
        return np.asarray(cv2.GaussianBlur(sums, (0, 0), _SMOOTHING))

    count = np.maximum(total(None), 1e-3)
    squared = total(residual * residual) / count
    foreign = np.maximum(total(current * current + desired * desired) / count, _FOREIGN_FLOOR**2)
    everything = float(count.sum())
    scene = _median(squared[count > 0.5]) if (count > 0.5).any() else 1.0
    prior = _PRIOR
    for _ in range(_MORE_ITERATIONS if settled else _ITERATIONS):
        scene = max(scene, _SCENE_FLOOR**2)
        ratio = np.maximum(foreign / scene, 1.0)
        gain = 0.5 * (np.log(ratio) - squared / scene * (1.0 - 1.0 / ratio))
        odds = np.clip(_INDEPENDENT * neighbours * count * gain + prior, -30, 30)
        probability = 1.0 / (1.0 + np.exp(-odds))
        weight = probability * count
        scene = float((weight * squared).sum() / weight.sum())
        share = float(weight.sum()) / everything
        if settled:
            prior = min(_PRIOR, float(np.log((share + _ANY) / (1.0 - share + _ANY))))
    return Visibility(
        probability=probability,
        share=share,
        evidence=float((weight * np.maximum(gain, 0.0)).sum()) / everything,
    )


def tukey_weights(residual: np.ndarray, *, tight: bool) -> tuple[np.ndarray, float]:
    """Weights (M,) and the robust deviation of residuals (M,); `tight` once the pose is nearly right."""
    # A median of a few thousand is as good as one of all, and in a fraction of the time.
    some = residual[:: max(1, len(residual) // _ENOUGH)]
    deviation = 1.4826 * _median(np.abs(some))
    scale = max(deviation, _SCALE_FLOOR)
    if not tight:
        # A scale from the median alone rejects what is still misaligned, and the alignment stops there.
        scale = max(scale, _LOOSE * float(np.sqrt(np.mean(residual * residual))))
    ratio = np.square(residual / np.float32(_TUKEY * scale))
    return np.square(np.maximum(1.0 - ratio, 0.0)), max(deviation, 1e-3)


def _median(values: np.ndarray) -> float:
    """Upper median; of few values in a fraction of np.median's time."""
    middle = len(values) // 2
    return float(np.partition(values, middle)[middle])
