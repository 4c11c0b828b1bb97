from __future__ import annotations

import cv2
import numpy as np
import pytest

from cnn_vs_ros.estimation import Reference
from cnn_vs_ros.geometry import PinholeCamera
from training.snapshot.occluders import ClusterBank

DOTS = np.stack(np.meshgrid(np.linspace(130, 510, 3), np.linspace(110, 370, 3)), axis=-1).reshape(-1, 2)


@pytest.fixture(scope='session')
def dots() -> np.ndarray:
    """Pixels (9, 2) of the dots of `dotted`."""
    return DOTS


@pytest.fixture(scope='session')
def dotted() -> Reference:
    """Nine soft dots of known pixels (DOTS), each of its own colour, on black; 30 cm away."""
    camera = PinholeCamera(640, 480, 610.0, 590.0, 325.0, 236.0)
    x, y = np.meshgrid(np.arange(640), np.arange(480))
    image = np.zeros((480, 640), np.float64)
    for u, v in DOTS:
        image += 250 * np.exp(-((x - u) ** 2 + (y - v) ** 2) / (2 * 7.0**2))
    return Reference(np.clip(np.rint(image), 0, 255).astype(np.uint8), camera, 0.30)


@pytest.fixture(scope='session')
def coloured() -> Reference:
    """A smooth coloured pattern, seen by a distorted camera."""
    camera = PinholeCamera(320, 240, 300.0, 300.0, 159.5, 119.5, (-0.2, 0.05, 0.001, 0.0))
    noise = np.random.default_rng(0).integers(0, 256, (24, 32, 3)).astype(np.uint8)
    return Reference(cv2.resize(noise, (320, 240), interpolation=cv2.INTER_CUBIC), camera, 0.25)


@pytest.fixture(scope='session')
def bank() -> ClusterBank:
    """Three clusters of one colour each: a disc, a bar and a square with a hole."""
    disc = cv2.circle(np.zeros((60, 60), np.uint8), (30, 30), 28, 1, -1)
    bar = np.ones((20, 120), np.uint8)
    ring = np.ones((50, 50), np.uint8)
    ring[20:30, 20:30] = 0
    colours = ([10, 200, 30], [200, 10, 10], [20, 20, 220])
    boxes = [
        np.dstack([np.tile(np.uint8(c), (*m.shape, 1)), m])
        for c, m in zip(colours, (disc, bar, ring), strict=True)
    ]
    return ClusterBank(np.concatenate([b.reshape(-1, 4) for b in boxes]), np.array([b.shape[:2] for b in boxes]))
