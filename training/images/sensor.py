"""What the camera does to a view: blur, gamma, low contrast, noise, quantisation."""

from __future__ import annotations

import cv2
import numpy as np


def reduce_contrast(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a float32 view (H, W) with a tenth to two thirds of its contrast, about a random grey level."""
    mean = float(image.mean())
    level = mean + rng.uniform(-0.5, 0.5) * min(mean, 255 - mean) if 0 < mean < 255 else 128.0
    return (level + rng.uniform(0.1, 0.65) * (image - mean)).astype(np.float32)


def blur(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a view (H, W) out of focus, or smeared along a random direction by up to 5 px of motion."""
    if rng.random() < 0.6:
        return cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.3, 1.4)))
    length = rng.uniform(1.5, 5.0)
    direction = rng.uniform(0, np.pi)
    kernel = np.zeros((7, 7), np.float32)
    step = 0.5 * length * np.array([np.cos(direction), np.sin(direction)])
    for along in np.linspace(-1, 1, 15):
        x, y = 3 + along * step
        kernel[int(np.clip(np.rint(y), 0, 6)), int(np.clip(np.rint(x), 0, 6))] += 1
    return cv2.filter2D(image, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE)


def apply_gamma(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a view (H, W) in grey levels under a gamma between 0.55 and 1.7."""
    gamma = np.exp(rng.uniform(np.log(0.55), np.log(1.7)))
    return (255.0 * np.clip(image / 255.0, 0, 1) ** gamma).astype(np.float32)


def expose(image: np.ndarray, rng: np.random.Generator, noise: float) -> np.ndarray:
    """Return the uint8 picture (H, W) of a view with Gaussian noise of standard deviation `noise` grey levels."""
    noisy = image + noise * rng.standard_normal(image.shape, dtype=np.float32)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
