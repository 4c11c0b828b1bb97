"""Lighting changes of an image: the paper's global affine and local Gaussian lights, shadows and highlights.

Images are float32 (H, W) in grey levels; results are not clipped (the sensor clips).
"""

from __future__ import annotations

import cv2
import numpy as np


def gaussian_lights(
    shape: tuple[int, int], rng: np.random.Generator, *, count: int, ambient: float, strength: float = 1.0
) -> np.ndarray:
    """Return the gain (H, W) of a mixture of 2-D Gaussian lights over an ambient light (paper, eqs. 8, 9).

    Eq. 8 sums the image under each light: with f_l the gain of light l, I_l = I * sum f_l; the ambient term is
    a light of infinite spread, without which the image would be black between the lights.
    """
    height, width = shape
    x = np.arange(width, dtype=np.float32)
    y = np.arange(height, dtype=np.float32)
    gain = np.full(shape, ambient, np.float32)
    for _ in range(count):
        x0, y0 = rng.uniform(-0.15, 1.15, 2) * (width, height)
        sigma_x, sigma_y = rng.uniform(0.1, 0.6, 2) * (width, height)
        amplitude = strength * rng.uniform(0.2, 1.0)
        along_x = np.exp(-((x - x0) ** 2) / (2 * sigma_x**2))
        along_y = np.exp(-((y - y0) ** 2) / (2 * sigma_y**2))
        gain += (amplitude * along_y[:, None] * along_x[None, :]).astype(np.float32)
    return gain


def soft_shadow(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Return the gain (H, W) of a shadow: a random polygon with a penumbra, 0.25 to 0.8 inside."""
    height, width = shape
    centre = rng.uniform(-0.1, 1.1, 2) * (width, height)
    count = int(rng.integers(3, 7))
    angles = np.sort(rng.uniform(0, 2 * np.pi, count))
    radii = rng.uniform(0.2, 0.8, count) * max(shape)
    corners = centre + radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    mask = np.zeros(shape, np.float32)
    cv2.fillPoly(mask, [corners.astype(np.int32)], 1.0)
    mask = cv2.GaussianBlur(mask, (0, 0), float(rng.uniform(0.8, 0.06 * width)))
    return (1.0 - rng.uniform(0.2, 0.75) * mask).astype(np.float32)


def relight(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return `image` under random lights: Gaussian mixture, affine change, often a shadow or a highlight."""
    shape = image.shape[:2]
    lit = image * gaussian_lights(shape, rng, count=int(rng.integers(1, 4)), ambient=float(rng.uniform(0.3, 1.0)))
    if rng.random() < 0.3:
        lit = lit * soft_shadow(shape, rng)
    lit = lit * np.float32(rng.uniform(0.5, 1.1)) + np.float32(rng.uniform(-15, 15))
    if rng.random() < 0.2:
        highlight = gaussian_lights(shape, rng, count=1, ambient=0.0)
        lit = lit + np.float32(rng.uniform(60, 250)) * highlight**6
    return lit.astype(np.float32)
