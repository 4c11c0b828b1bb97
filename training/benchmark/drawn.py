"""Benchmark scenes drawn by code: grey uint8 (H, W) at 2400 texels a metre, the same bytes each time.

Written apart from the training's textures, so that no estimator has seen their kind of drawing.
"""

from __future__ import annotations

import cv2
import numpy as np

from cnn_vs_ros.simulation.textures import circuit_board

WIDTH, HEIGHT = 1760, 1440


def _noise(rng: np.random.Generator, cells_x: float, cells_y: float) -> np.ndarray:
    """Smooth unit noise (H, W) with features of the given size in texels along x and y."""
    columns, rows = int(WIDTH / cells_x) + 4, int(HEIGHT / cells_y) + 4
    small = rng.standard_normal((rows, columns)).astype(np.float32)
    field = cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    return (field - field.mean()) / field.std()


def _finish(image: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def wood() -> np.ndarray:
    """A table top: growth rings cut along the grain, fibres, two knots; 10 grey levels of contrast."""
    rng = np.random.default_rng(101)
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    bend = 40 * _noise(rng, 700, 300) + 8 * _noise(rng, 200, 90)
    for x, y, size in ((520, 610, 90), (1250, 930, 70)):
        distance = np.hypot((columns - x) / 2.2, rows - y)
        bend += 150 * np.exp(-((distance / size) ** 2)) * np.sign(rows - y)
    rings = np.sin((rows + bend) * 2 * np.pi / 46) ** 3
    fibres = _noise(rng, 90, 2.5) * 0.6 + _noise(rng, 30, 2) * 0.4
    return _finish(142 + 7 * rings + 4 * fibres + 6 * _noise(rng, 500, 400))


def brushed_metal() -> np.ndarray:
    """A steel plate: fine strokes along x, a soft sheen, a few scratches and smudges."""
    rng = np.random.default_rng(102)
    image = 128 + 5 * _noise(rng, 260, 1.6) + 3 * _noise(rng, 80, 2.5) + 8 * _noise(rng, 900, 500)
    for _ in range(60):
        start = rng.uniform((0, 0), (WIDTH, HEIGHT))
        angle, length = rng.uniform(0, np.pi), rng.uniform(40, 320)
        end = start + length * np.array([np.cos(angle), np.sin(angle)])
        layer = np.zeros((HEIGHT, WIDTH), np.uint8)
        cv2.line(layer, tuple(start.astype(int)), tuple(end.astype(int)), 255, 1, cv2.LINE_AA)
        image += layer * (rng.uniform(8, 22) * rng.choice((-1, 1)) / 255)
    return _finish(image + 4 * np.maximum(_noise(rng, 160, 130) - 1, 0))


def plain_marks() -> np.ndarray:
    """A painted board: almost plain, faint stains, specks and pencil marks."""
    rng = np.random.default_rng(103)
    image = 176 + 2.5 * _noise(rng, 12, 12) + 5 * _noise(rng, 420, 380) + 3 * _noise(rng, 90, 90)
    layer = np.zeros((HEIGHT, WIDTH), np.float32)
    for _ in range(420):
        centre = tuple(rng.uniform((0, 0), (WIDTH, HEIGHT)).astype(int))
        cv2.circle(layer, centre, int(rng.integers(1, 5)), float(-rng.uniform(6, 28)), -1, cv2.LINE_AA)
    for _ in range(90):
        points = np.cumsum(rng.normal(0, 22, (6, 2)), axis=0) + rng.uniform((0, 0), (WIDTH, HEIGHT))
        cv2.polylines(layer, [points.astype(np.int32)], False, float(-rng.uniform(5, 18)), 1, cv2.LINE_AA)
    return _finish(image + layer)


def tiles() -> np.ndarray:
    """A periodic floor: one patterned tile repeated, told apart only by wear and a few stains."""
    rng = np.random.default_rng(104)
    side = 110
    tile = np.full((side, side), 150, np.uint8)
    cv2.circle(tile, (side // 2, side // 2), 36, 90, 6, cv2.LINE_AA)
    cv2.line(tile, (0, 0), (side - 1, side - 1), 205, 3, cv2.LINE_AA)
    cv2.line(tile, (side - 1, 0), (0, side - 1), 205, 3, cv2.LINE_AA)
    cv2.rectangle(tile, (0, 0), (side - 1, side - 1), 60, 3)
    floor = np.tile(tile, (HEIGHT // side + 1, WIDTH // side + 1))[:HEIGHT, :WIDTH].astype(np.float32)
    wear = 10 * _noise(rng, 60, 60) + 6 * _noise(rng, 12, 12)
    stains = -40 * np.clip(_noise(rng, 150, 150) - 1.2, 0, 1)
    return _finish(floor + wear + stains)


def circuit() -> np.ndarray:
    """A printed circuit board: packages, pads, vias and traces on a grid."""
    rng = np.random.default_rng(105)
    board = circuit_board(rng, WIDTH, HEIGHT)
    return _finish(board + 2.5 * _noise(rng, 3, 3) + 4 * _noise(rng, 300, 300))
