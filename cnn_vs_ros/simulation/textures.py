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


def circuit_board(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """A printed circuit board, packages, pads, vias and traces on a grid, grey uint8 (height, width)."""
    share = width * height / (1760 * 1440)
    board = np.full((height, width), 72, np.uint8)
    for _ in range(round(520 * share)):
        point = rng.integers((0, 0), (width // 12, height // 12)) * 12
        shade, thickness = int(rng.integers(95, 118)), int(rng.integers(2, 5))
        for _ in range(int(rng.integers(2, 6))):
            way = ((1, 0), (0, 1), (1, 1), (1, -1))[int(rng.integers(4))]
            step = np.array(way) * int(rng.integers(-14, 15)) * 12
            cv2.line(board, tuple(map(int, point)), tuple(map(int, point + step)), shade, thickness, cv2.LINE_AA)
            point = point + step
        cv2.circle(board, tuple(map(int, point)), 6, 190, -1, cv2.LINE_AA)
        cv2.circle(board, tuple(map(int, point)), 2, 30, -1, cv2.LINE_AA)
    for _ in range(round(85 * share)):
        x, y = (int(value) for value in rng.integers((0, 0), (width, height)))
        pins, pitch = int(rng.integers(2, 14)), int(rng.integers(9, 16))
        length, depth = pins * pitch, int(rng.integers(14, 110))
        for pin in range(pins):
            for side in (-8, depth):
                cv2.rectangle(board, (x + pin * pitch + 2, y + side), (x + pin * pitch + 7, y + side + 8), 205, -1)
        cv2.rectangle(board, (x, y), (x + length, y + depth), int(rng.integers(18, 60)), -1)
        label = ''.join(rng.choice(list('RCUL0123456789'), 4))
        cv2.putText(board, label, (x + 4, y + depth // 2 + 4), cv2.FONT_HERSHEY_SIMPLEX, 0.4, 215, 1, cv2.LINE_AA)
    return board


def workbench(seed: int = 11) -> np.ndarray:
    """A wooden bench, 1.5 x 1.1 m at 1000 pixels a metre, with soft shadows, BGR uint8: almost nothing to see."""
    rng = np.random.default_rng(seed)
    bench = wood(1500, 1100, seed).astype(np.float32)
    shade = cv2.GaussianBlur(fractal_noise(rng, 1500, 1100, 1.0), (0, 0), 60)
    return np.clip(bench * (1.0 - 0.16 * np.clip(shade, 0, 2))[..., None], 0, 255).astype(np.uint8)


def coloured_circuit(seed: int) -> np.ndarray:
    """A green circuit board, BGR uint8 (480, 640, 3)."""
    board = circuit_board(np.random.default_rng(seed), 640, 480).astype(np.float32)
    return np.clip(board[..., None] * (0.75, 1.15, 0.6) + 8, 0, 255).astype(np.uint8)
