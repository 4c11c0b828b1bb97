"""Occluders: coherent patches of other images pasted over a view (paper, section III-B.2), and flat objects."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np


def blob_mask(shape: tuple[int, int], rng: np.random.Generator, fraction: float) -> np.ndarray:
    """Return a boolean mask (H, W) of a random blob, polygon, ellipse or bar over about `fraction` of it."""
    height, width = shape
    mask = np.zeros(shape, np.uint8)
    centre = rng.uniform(0.0, 1.0, 2) * (width, height)
    radius = np.sqrt(fraction * height * width / np.pi)
    kind = rng.choice(['blob', 'polygon', 'ellipse', 'bar'], p=[0.4, 0.25, 0.15, 0.2])
    if kind == 'ellipse':
        axes = (int(radius * rng.uniform(0.8, 1.4)), int(radius * rng.uniform(0.6, 1.2)))
        cv2.ellipse(mask, tuple(int(c) for c in centre), axes, float(rng.uniform(0, 180)), 0, 360, 1, -1)
    elif kind == 'bar':  # an arm or a cable across the view
        direction = rng.uniform(0, np.pi)
        reach = np.array([np.cos(direction), np.sin(direction)]) * (width + height)
        thickness = max(2, int(fraction * height))
        ends = [(centre - reach * rng.uniform(0.1, 1)).astype(int), (centre + reach).astype(int)]
        cv2.line(mask, tuple(map(int, ends[0])), tuple(map(int, ends[1])), 1, thickness)
    else:
        count = int(rng.integers(12, 24)) if kind == 'blob' else int(rng.integers(3, 7))
        angles = np.sort(rng.uniform(0, 2 * np.pi, count))
        radii = radius * rng.uniform(0.75, 1.3, count)
        if kind == 'blob':
            radii = np.convolve(np.r_[radii[-2:], radii, radii[:2]], np.ones(5) / 5, 'valid') * 1.05
        corners = centre + radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        cv2.fillPoly(mask, [corners.astype(np.int32)], 1)
    return mask.astype(bool)


def occlude(
    image: np.ndarray, rng: np.random.Generator, fraction: float, tile_of: Callable[[], np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Cover about `fraction` of a view with one to four occluders.

    Args:
        image: (H, W) float32 grey levels.
        rng: random generator.
        fraction: share of the view to cover, over all occluders.
        tile_of: returns a grey uint8 tile (S, S) to fill an occluder with.

    Returns:
        the occluded view and the boolean mask (H, W) of the occluders.
    """
    height, width = image.shape
    covered = np.zeros(image.shape, bool)
    result = image.copy()
    count = int(rng.integers(1, 5))
    for share in rng.dirichlet(np.full(count, 3.0)) * fraction:
        mask = blob_mask((height, width), rng, float(share))
        if rng.random() < 0.3:
            slope = rng.normal(0, 0.4, 2)
            fill = (
                rng.uniform(10, 245) + slope[0] * np.arange(width)[None, :] + slope[1] * np.arange(height)[:, None]
            )
        else:
            fill = _crop(tile_of(), (height, width), rng)
        result = np.where(mask, fill, result).astype(np.float32)
        covered |= mask
    return result, covered


def _crop(tile: np.ndarray, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Return a random crop (H, W) of `tile` at a random scale."""
    size = max(shape[0], shape[1], int(tile.shape[0] * rng.uniform(0.3, 1.0)))
    resized = cv2.resize(tile, (size, size), interpolation=cv2.INTER_AREA)
    y = int(rng.integers(size - shape[0] + 1))
    x = int(rng.integers(size - shape[1] + 1))
    return resized[y : y + shape[0], x : x + shape[1]]
