"""What disturbs the images during a run: functions of the view and the step, seeded by the run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

Disturbance = Callable[[np.ndarray, int], np.ndarray]


def nominal(seed: int, occluder: np.ndarray) -> Disturbance:
    """Nothing but the sensor's noise."""
    return lambda view, step: view


@dataclass(frozen=True)
class _Drift:
    """A smooth wander about a centre: a sum of two sinusoids for each coordinate."""

    centre: np.ndarray
    amplitude: np.ndarray
    frequency: np.ndarray
    phase: np.ndarray

    @classmethod
    def draw(cls, rng: np.random.Generator, low: np.ndarray, high: np.ndarray, speed: float) -> _Drift:
        size = len(low)
        return cls(
            rng.uniform(low, high),
            0.5 * (high - low) * rng.uniform(0.2, 0.6, (2, size)),
            speed * rng.uniform(0.3, 1.0, (2, size)),
            rng.uniform(0, 2 * np.pi, (2, size)),
        )

    def at(self, step: int) -> np.ndarray:
        return self.centre + (self.amplitude * np.sin(self.frequency * step + self.phase)).sum(axis=0)


def lighting(seed: int, occluder: np.ndarray) -> Disturbance:
    """Three lights over the image that move and change independently (eqs. 8, 9), and a global change."""
    rng = np.random.default_rng((seed, 1))
    low, high = np.array([-0.1, -0.1, 0.12, 0.0]), np.array([1.1, 1.1, 0.5, 0.9])
    lamps = [_Drift.draw(rng, low, high, 0.15) for _ in range(3)]
    ambient = _Drift.draw(rng, np.array([0.35]), np.array([0.9]), 0.1)

    def light(view: np.ndarray, step: int) -> np.ndarray:
        height, width = view.shape
        columns = np.arange(width, dtype=np.float32) / width
        rows = np.arange(height, dtype=np.float32) / height
        gain = np.full(view.shape, max(0.25, float(ambient.at(step)[0])), np.float32)
        for lamp in lamps:
            x, y, spread, power = lamp.at(step)
            spread = max(0.1, float(spread))
            across = np.exp(-((columns - x) ** 2) / (2 * spread**2)).astype(np.float32)
            down = np.exp(-((rows - y) ** 2) / (2 * spread**2)).astype(np.float32)
            gain += np.float32(max(0.0, float(power))) * down[:, None] * across
        return view * gain

    return light


def occlusion(seed: int, occluder: np.ndarray) -> Disturbance:
    """Three objects cut from another picture, 10 to 40 % of the image in all; they move, partly out of view."""
    rng = np.random.default_rng((seed, 2))
    total = rng.uniform(0.1, 0.4)
    shares = rng.dirichlet(np.full(3, 4.0)) * total
    objects = []
    for share in shares:
        path = _Drift.draw(rng, np.array([0.15, 0.15, -2.0]), np.array([0.85, 0.85, 2.0]), 0.12)
        corner = (rng.integers(0, occluder.shape[0] - 480), rng.integers(0, occluder.shape[1] - 640))
        count = int(rng.integers(6, 11))
        angles = 2 * np.pi * (np.arange(count) + rng.uniform(-0.35, 0.35, count)) / count
        outline = rng.uniform(0.7, 1.35, (count, 1)) * np.stack(
            [1.2 * np.cos(angles), np.sin(angles) / 1.2], axis=1
        )
        outline /= np.sqrt(cv2.contourArea(outline.astype(np.float32)))
        objects.append((float(share), path, corner, outline))

    def cover(view: np.ndarray, step: int) -> np.ndarray:
        height, width = view.shape
        view = view.copy()
        for share, path, (top, left), outline in objects:
            x, y, turn = path.at(step)
            rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
            points = np.sqrt(share * height * width) * outline @ rotation.T
            mask = np.zeros(view.shape, np.uint8)
            cv2.fillPoly(mask, [(points + np.array([x * width, y * height])).astype(np.int32)], 1)
            np.copyto(view, occluder[top : top + height, left : left + width].astype(np.float32), where=mask > 0)
        return view

    return cover


def perturbed(seed: int, occluder: np.ndarray) -> Disturbance:
    """Occlusion and lighting together, throughout the run (paper, section V-B.2)."""
    cover, light = occlusion(seed, occluder), lighting(seed, occluder)
    return lambda view, step: light(cover(view, step), step)


def blur(seed: int, occluder: np.ndarray) -> Disturbance:
    """An image out of focus by a Gaussian of 1 to 3 pixels."""
    sigma = np.random.default_rng((seed, 3)).uniform(1.0, 3.0)
    return lambda view, step: cv2.GaussianBlur(view, (0, 0), sigma)


def low_light(seed: int, occluder: np.ndarray) -> Disturbance:
    """A tenth to a quarter of the light: the noise stays, the signal shrinks."""
    gain = np.float32(np.random.default_rng((seed, 4)).uniform(0.1, 0.25))
    return lambda view, step: view * gain


DISTURBANCES: dict[str, Callable[[int, np.ndarray], Disturbance]] = {
    'nominal': nominal,
    'perturbed': perturbed,
    'occlusion': occlusion,
    'lighting': lighting,
    'blur': blur,
    'low_light': low_light,
}
