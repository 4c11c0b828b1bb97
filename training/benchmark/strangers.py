"""Images that do not show the reference: what an estimator should call lost."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.benchmark import CAMERA
from training.benchmark.world import World

Array = NDArray[np.float64]

_BLUR = 60.0  # pixels; nothing is left to recognise


def another_scene(world: World, other: World, current_T_desired: Array, rng: np.random.Generator) -> np.ndarray:
    """Return a view of the other scene."""
    return other.image(current_T_desired)


def black(world: World, other: World, current_T_desired: Array, rng: np.random.Generator) -> np.ndarray:
    """Return no light at all."""
    return np.zeros((CAMERA.height, CAMERA.width), np.float32)


def blurred(world: World, other: World, current_T_desired: Array, rng: np.random.Generator) -> np.ndarray:
    """Return the scene itself, blurred beyond recognition."""
    return cv2.GaussianBlur(world.image(current_T_desired), (0, 0), _BLUR)


def covered(world: World, other: World, current_T_desired: Array, rng: np.random.Generator) -> np.ndarray:
    """Return a covered lens: a dim glow with a slope."""
    rows, columns = np.mgrid[-1 : 1 : CAMERA.height * 1j, -1 : 1 : CAMERA.width * 1j].astype(np.float32)
    slope = rng.uniform(-30, 30, 2)
    return (rng.uniform(5, 120) + slope[0] * rows + slope[1] * columns).astype(np.float32)


# Functions of the scene, another one, the camera's pose ``current_T_desired`` and a generator: float32 (H, W).
KINDS: dict[str, Callable[[World, World, Array, np.random.Generator], np.ndarray]] = {
    'another scene': another_scene,
    'black': black,
    'blurred': blurred,
    'covered': covered,
}
