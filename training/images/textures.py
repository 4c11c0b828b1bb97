"""Drawn textures: grey uint8 (S, S) planes of the kinds that servoing meets, endless and free of licences."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

TileOf = Callable[[], np.ndarray]


def draw(
    rng: np.random.Generator, size: int, tile_of: TileOf | None = None, kind: str | None = None
) -> np.ndarray:
    """Return a drawn texture (size, size) of `kind`, one of KINDS, by default of a random one.

    `tile_of` returns photographic tiles, which some kinds use as filling; without it they use fractal noise.
    """
    if kind is None:
        kinds = list(KINDS)
        weights = np.array([KINDS[kind][1] for kind in kinds])
        kind = kinds[int(rng.choice(len(kinds), p=weights / weights.sum()))]
    grey = KINDS[kind][0](rng, size, tile_of or (lambda: fractal_noise(rng, size)))
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8)


def fractal_noise(rng: np.random.Generator, size: int, tile_of: TileOf | None = None) -> np.ndarray:
    """Return noise of spectrum 1/f^a, `a` 0.8 to 2, stretched at random, sometimes cut into patches."""
    slope = rng.uniform(0.8, 2.0)
    stretch = np.exp(rng.uniform(-0.7, 0.7))
    fy = np.fft.fftfreq(size)[:, None] * stretch
    fx = np.fft.rfftfreq(size)[None, :] / stretch
    amplitude = 1.0 / np.maximum(np.hypot(fx, fy), 1.0 / size) ** slope
    phase = rng.standard_normal((size, size // 2 + 1)) + 1j * rng.standard_normal((size, size // 2 + 1))
    field = np.fft.irfft2(amplitude * phase, (size, size))
    field = (field - field.mean()) / field.std()
    if rng.random() < 0.3:
        field = np.tanh(4 * (field - rng.uniform(-0.5, 0.5)))
    return np.clip(rng.uniform(80, 170) + rng.uniform(15, 55) * field, 0, 255)


def dead_leaves(rng: np.random.Generator, size: int, tile_of: TileOf) -> np.ndarray:
    """Return overlapping shapes of power-law radius, each flat, shaded or filled from a photograph."""
    canvas = cv2.resize(tile_of(), (size, size)).astype(np.float32)
    filling = [canvas.copy(), cv2.resize(tile_of(), (size, size)).astype(np.float32)]
    photographic = rng.uniform(0, 0.8)
    for _ in range(int(rng.integers(60, 320))):
        radius = 5.0 / (rng.uniform(0.05, 1.0))
        centre = rng.uniform(0, size, 2)
        mask, box = _shape_mask(rng, centre, radius, size)
        if mask is None:
            continue
        y0, y1, x0, x1 = box
        if rng.random() < photographic:
            source = filling[int(rng.integers(2))]
            dy, dx = int(rng.integers(size - (y1 - y0) + 1)), int(rng.integers(size - (x1 - x0) + 1))
            colour = source[dy : dy + y1 - y0, dx : dx + x1 - x0] * rng.uniform(0.5, 1.2)
        else:
            colour = np.full(mask.shape, rng.uniform(0, 255), np.float32)
            if rng.random() < 0.4:
                colour = colour + np.linspace(-1, 1, mask.shape[1])[None, :] * rng.uniform(-60, 60)
        canvas[y0:y1, x0:x1] = np.where(mask, colour, canvas[y0:y1, x0:x1])
    return canvas


def wood_grain(rng: np.random.Generator, size: int, tile_of: TileOf) -> np.ndarray:
    """Return growth rings cut lengthwise, with pores along the grain and the odd knot."""
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
    warp = (fractal_noise(rng, size) - 128).astype(np.float32) / 128
    rings = 12 * rng.uniform(0.6, 2.5) * (y + 0.12 * rng.uniform(0.3, 1.2) * cv2.GaussianBlur(warp, (0, 0), 8))
    for _ in range(int(rng.integers(0, 4))):
        cx, cy, width = rng.uniform(0, 1), rng.uniform(0, 1), rng.uniform(0.02, 0.08)
        rings += rng.uniform(1, 3) * np.exp(-((x - cx) ** 2 / (4 * width**2) + (y - cy) ** 2 / (2 * width**2)))
    pores = cv2.blur(rng.standard_normal((size, size)).astype(np.float32), (int(rng.integers(15, 60)), 1))
    phase = rings % 1.0
    grey = 120 + rng.uniform(10, 40) * (phase - 0.5) + rng.uniform(20, 70) * pores + 15 * warp
    return _stained(rng, grey)


def brushed_metal(rng: np.random.Generator, size: int, tile_of: TileOf) -> np.ndarray:
    """Return fine parallel strokes with stains, scratches and, sometimes, bolts: the low-texture end."""
    strokes = cv2.blur(rng.standard_normal((size, size)).astype(np.float32), (int(rng.integers(20, 90)), 1))
    grey = rng.uniform(90, 190) + rng.uniform(10, 60) * strokes
    grey = _scratched(rng, _stained(rng, grey), int(rng.integers(4, 30)), rng.uniform(10, 60))
    for _ in range(int(rng.integers(0, 8))):
        centre = tuple(int(c) for c in rng.integers(0, size, 2))
        radius = int(rng.integers(5, 22))
        cv2.circle(grey, centre, radius, float(rng.uniform(30, 220)), -1, cv2.LINE_AA)
        cv2.circle(grey, centre, radius, float(rng.uniform(0, 255)), 1, cv2.LINE_AA)
    return grey


def faint_surface(rng: np.random.Generator, size: int, tile_of: TileOf) -> np.ndarray:
    """Return a nearly plain surface: slow shading, grain, faint scratches, smudges and specks."""
    shade = cv2.GaussianBlur(fractal_noise(rng, size).astype(np.float32), (0, 0), size / 12)
    grey = rng.uniform(60, 200) + rng.uniform(0.2, 1.2) * (shade - shade.mean())
    grain = cv2.GaussianBlur(rng.standard_normal((size, size)).astype(np.float32), (0, 0), rng.uniform(0.6, 2.5))
    grey = grey + rng.uniform(2, 14) * grain
    grey = _scratched(rng, _stained(rng, grey), int(rng.integers(8, 60)), rng.uniform(8, 50))
    for _ in range(int(rng.integers(5, 120))):
        centre = tuple(int(c) for c in rng.integers(0, size, 2))
        level = float(np.clip(grey[centre[1], centre[0]] + rng.normal(0, 30), 0, 255))
        cv2.circle(grey, centre, int(rng.integers(1, 5)), level, -1, cv2.LINE_AA)
    return grey


def print_and_shapes(rng: np.random.Generator, size: int, tile_of: TileOf) -> np.ndarray:
    """Return text, rules, shapes and pictures over a gradient or a photograph: a poster, a label, a page."""
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
    gradient = rng.uniform(-100, 100) * (np.cos(angle) * x + np.sin(angle) * y)
    canvas = np.clip(rng.uniform(80, 240) + gradient, 0, 255).astype(np.float32)
    if rng.random() < 0.25:
        canvas = 0.6 * canvas + 0.4 * cv2.resize(tile_of(), (size, size))
    canvas = np.ascontiguousarray(canvas, np.float32)
    for _ in range(int(rng.integers(0, 30))):
        _draw_shape(canvas, rng, rng.uniform(0.02, 0.2) * size)
    for _ in range(int(rng.integers(0, 4))):
        _paste_picture(canvas, rng, tile_of())
    letters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789  .,:;-+/()'
    fonts = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_TRIPLEX, cv2.FONT_HERSHEY_PLAIN)
    for _ in range(int(rng.integers(3, 40))):
        text = ''.join(rng.choice(list(letters), int(rng.integers(3, 28))))
        position = (int(rng.uniform(-0.2, 0.9) * size), int(rng.uniform(0, 1) * size))
        cv2.putText(
            canvas,
            text,
            position,
            int(rng.choice(fonts)),
            float(rng.uniform(0.35, 2.2)),
            float(rng.uniform(0, 255)),
            int(rng.integers(1, 4)),
            cv2.LINE_AA,
        )
    return _rotated(rng, canvas) if rng.random() < 0.7 else canvas


def circuit_board(rng: np.random.Generator, size: int, tile_of: TileOf) -> np.ndarray:
    """Return tracks at multiples of 45 degrees, pads, vias and packages on a board."""
    board = float(rng.uniform(30, 150))
    canvas = np.full((size, size), board, np.float32)
    for _ in range(int(rng.integers(30, 140))):
        position = rng.uniform(0, size, 2)
        level, width = float(np.clip(board + rng.uniform(-60, 90), 0, 255)), int(rng.integers(1, 6))
        for _ in range(int(rng.integers(1, 6))):
            angle = np.pi / 4 * int(rng.integers(8))
            end = position + rng.uniform(10, 120) * np.array([np.cos(angle), np.sin(angle)])
            cv2.line(canvas, _point(position), _point(end), level, width, cv2.LINE_AA)
            position = end
        cv2.circle(
            canvas, _point(position), int(rng.integers(2, 8)), float(rng.uniform(120, 255)), -1, cv2.LINE_AA
        )
    for _ in range(int(rng.integers(2, 25))):
        corner = rng.uniform(0, size, 2)
        extent = rng.uniform(8, 80, 2)
        package = float(rng.uniform(0, 255))
        cv2.rectangle(canvas, _point(corner), _point(corner + extent), package, -1)
        for pin in np.arange(corner[0], corner[0] + extent[0], rng.uniform(5, 12)):
            below = np.array([pin, corner[1] + extent[1] + 4])
            cv2.line(canvas, _point(np.array([pin, corner[1] - 4])), _point(np.array([pin, corner[1]])), 220.0, 2)
            cv2.line(canvas, _point(np.array([pin, corner[1] + extent[1]])), _point(below), 220.0, 2)
        if rng.random() < 0.5:
            text = ''.join(rng.choice(list('ABCDEFRCUL0123456789'), 4))
            cv2.putText(canvas, text, _point(corner), cv2.FONT_HERSHEY_PLAIN, 1.0, 230.0, 1, cv2.LINE_AA)
    grain = rng.standard_normal((size, size)).astype(np.float32)
    canvas = canvas + cv2.GaussianBlur(grain, (0, 0), 1.0) * rng.uniform(0, 10)
    return _rotated(rng, canvas)


# Name: function(rng, size, tile_of) -> float (S, S), and its relative frequency.
KINDS: dict[str, tuple[Callable[[np.random.Generator, int, TileOf], np.ndarray], float]] = {
    'dead leaves': (dead_leaves, 3.0),
    'fractal noise': (fractal_noise, 1.5),
    'wood grain': (wood_grain, 1.5),
    'brushed metal': (brushed_metal, 1.0),
    'faint surface': (faint_surface, 2.0),
    'print and shapes': (print_and_shapes, 3.0),
    'circuit board': (circuit_board, 1.5),
}


def _point(xy: np.ndarray) -> tuple[int, int]:
    return int(xy[0]), int(xy[1])


def _shape_mask(
    rng: np.random.Generator, centre: np.ndarray, radius: float, size: int
) -> tuple[np.ndarray | None, tuple[int, int, int, int]]:
    """Return the boolean mask of a disc or polygon within its box (y0, y1, x0, x1); None if it is outside."""
    x0, y0 = (max(0, int(c - radius)) for c in centre)
    x1, y1 = (min(size, int(c + radius) + 1) for c in centre)
    if x1 <= x0 or y1 <= y0:
        return None, (0, 0, 0, 0)
    mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
    local = centre - (x0, y0)
    if rng.random() < 0.5:
        cv2.circle(mask, _point(local), max(1, int(radius)), 1, -1)
    else:
        angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 7))))
        corners = local + radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        cv2.fillPoly(mask, [corners.astype(np.int32)], 1)
    return mask.astype(bool), (y0, y1, x0, x1)


def _draw_shape(canvas: np.ndarray, rng: np.random.Generator, radius: float) -> None:
    centre = rng.uniform(0, canvas.shape[0], 2)
    level = float(rng.uniform(0, 255))
    thickness = -1 if rng.random() < 0.6 else int(rng.integers(1, 6))
    kind = int(rng.integers(3))
    if kind == 0:
        axes = (max(1, int(radius)), max(1, int(radius * rng.uniform(0.3, 1))))
        cv2.ellipse(
            canvas, _point(centre), axes, float(rng.uniform(0, 180)), 0, 360, level, thickness, cv2.LINE_AA
        )
    elif kind == 1:
        extent = radius * rng.uniform(0.3, 1.5, 2)
        cv2.rectangle(canvas, _point(centre - extent), _point(centre + extent), level, thickness)
    else:
        end = centre + rng.normal(0, 2 * radius, 2)
        cv2.line(canvas, _point(centre), _point(end), level, abs(thickness), cv2.LINE_AA)


def _paste_picture(canvas: np.ndarray, rng: np.random.Generator, tile: np.ndarray) -> None:
    size = canvas.shape[0]
    height, width = (int(rng.uniform(0.1, 0.45) * size) for _ in range(2))
    y, x = int(rng.integers(size - height)), int(rng.integers(size - width))
    canvas[y : y + height, x : x + width] = cv2.resize(tile, (width, height), interpolation=cv2.INTER_AREA)


def _scratched(rng: np.random.Generator, grey: np.ndarray, count: int, strength: float) -> np.ndarray:
    """Return `grey` with `count` thin, slightly bent scratches of about `strength` grey levels."""
    size = grey.shape[0]
    marks = np.zeros((size, size), np.float32)
    for _ in range(count):
        start, heading = rng.uniform(0, size, 2), rng.uniform(0, 2 * np.pi)
        steps = heading + np.cumsum(rng.normal(0, 0.08, 12))
        length = rng.uniform(2, 25)
        path = start + np.cumsum(length * np.stack([np.cos(steps), np.sin(steps)], axis=1), axis=0)
        level = float(rng.normal(0, strength))
        cv2.polylines(marks, [path.astype(np.int32)], False, level, int(rng.integers(1, 3)), cv2.LINE_AA)
    return np.ascontiguousarray(grey + marks, dtype=np.float32)


def _stained(rng: np.random.Generator, grey: np.ndarray) -> np.ndarray:
    """Return `grey` with a few soft stains."""
    size = grey.shape[0]
    stains = np.zeros((size, size), np.float32)
    for _ in range(int(rng.integers(0, 12))):
        mask = np.zeros((size, size), np.float32)
        radius = int(rng.uniform(0.02, 0.15) * size)
        axes = (radius, max(1, int(radius * rng.uniform(0.4, 1))))
        centre = tuple(int(c) for c in rng.integers(0, size, 2))
        cv2.ellipse(mask, centre, axes, float(rng.uniform(0, 180)), 0, 360, 1.0, -1)
        stains += float(rng.normal(0, 22)) * mask
    return grey + cv2.GaussianBlur(stains, (0, 0), float(rng.uniform(0.7, 6)))


def _rotated(rng: np.random.Generator, grey: np.ndarray) -> np.ndarray:
    size = grey.shape[0]
    turn = cv2.getRotationMatrix2D(((size - 1) / 2, (size - 1) / 2), float(rng.uniform(0, 360)), 1.15)
    return cv2.warpAffine(grey.astype(np.float32), turn, (size, size), borderMode=cv2.BORDER_REFLECT)
