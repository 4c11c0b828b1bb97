"""Textures of the scenes: photographs, a table of printed photographs, and surfaces drawn by code."""

from __future__ import annotations

import math

import cv2
import numpy as np

from cnn_vs_ros.errors import ResourceError
from cnn_vs_ros.resources import resource_path


def photograph(name: str) -> np.ndarray:
    """The photograph resource/scenes/<name>.jpg, BGR uint8 (H, W, 3)."""
    path = resource_path(f'scenes/{name}.jpg')
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise ResourceError(f'scene photograph {path.name} should be a JPEG image but cannot be decoded')
    return image


def prints() -> list[np.ndarray]:
    """The small photographs of resource/scenes/prints, in alphabetical order."""
    return [photograph(f'prints/{path.stem}') for path in sorted(resource_path('scenes/prints').glob('*.jpg'))]


def fractal_noise(rng: np.random.Generator, width: int, height: int, roughness: float = 0.7) -> np.ndarray:
    """Noise (height, width) float32 of mean 0 and standard deviation 1, with detail at every scale."""
    total = np.zeros((height, width), np.float32)
    cell = 4
    while cell <= max(width, height):
        coarse = rng.standard_normal((height // cell + 2, width // cell + 2), dtype=np.float32)
        total += cell**roughness * cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        cell *= 2
    total -= total.mean()
    return total / max(float(total.std()), 1e-6)


def wood(width: int, height: int, seed: int = 0) -> np.ndarray:
    """A brown board with grain along its width, BGR uint8 (height, width, 3)."""
    rng = np.random.default_rng(seed)
    grain = cv2.resize(
        fractal_noise(rng, max(width // 12, 8), height), (width, height), interpolation=cv2.INTER_CUBIC
    )
    shade = 1.0 + 0.10 * grain + 0.03 * fractal_noise(rng, width, height, 0.3)
    return np.clip(shade[..., None] * np.array([92, 128, 160], np.float32), 0, 255).astype(np.uint8)


def printed_table(width: int, height: int, seed: int = 4) -> np.ndarray:
    """Photographs printed with white borders, strewn over a wooden board, BGR uint8 (height, width, 3)."""
    rng = np.random.default_rng(seed)
    table = wood(width, height, seed)
    photographs = prints()
    columns, rows = 5, 4
    cells = [(c, r) for c in range(columns) for r in range(rows)]
    order = rng.permutation(len(cells))
    for cell in order:
        column, row = cells[cell]
        image = photographs[(2 * column + 3 * row) % len(photographs)]  # no photograph beside itself
        x = (column + 0.5 + rng.uniform(-0.2, 0.2)) * width / columns
        y = (row + 0.5 + rng.uniform(-0.2, 0.2)) * height / rows
        _lay_print(table, image, (x, y), rng.uniform(-40, 40), rng.uniform(0.9, 1.1))
    return table


def _lay_print(
    table: np.ndarray, image: np.ndarray, centre: tuple[float, float], angle: float, scale: float
) -> None:
    border = 14
    image = cv2.copyMakeBorder(image, border, border, border, border, cv2.BORDER_CONSTANT, value=(236, 240, 242))
    height, width = image.shape[:2]
    reach = math.ceil(scale * math.hypot(width, height) / 2) + 1
    left, top = (max(0, round(position) - reach) for position in centre)
    patch = table[top : round(centre[1]) + reach, left : round(centre[0]) + reach]
    placement = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle, scale)
    placement[:, 2] += np.array(centre) - ((width - 1) / 2, (height - 1) / 2) - (left, top)
    size = patch.shape[1], patch.shape[0]
    mask = cv2.warpAffine(np.full((height, width), 255, np.uint8), placement, size, flags=cv2.INTER_LINEAR)
    laid = cv2.warpAffine(image, placement, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    weight = (mask.astype(np.float32) / 255)[..., None]
    patch[:] = np.rint(laid * weight + patch * (1 - weight)).astype(np.uint8)


def stained(seed: int, size: int = 256) -> np.ndarray:
    """A patch of two colours mixed by noise, BGR uint8 (size, size, 3): the skin of an occluder."""
    rng = np.random.default_rng(seed)
    mix = 1 / (1 + np.exp(-2.5 * fractal_noise(rng, size, size, 0.5)))[..., None]
    first, second = rng.uniform(20, 235, (2, 3))
    return (mix * first + (1 - mix) * second).astype(np.uint8)
