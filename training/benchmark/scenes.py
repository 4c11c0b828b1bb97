"""The held-out scenes, which no training reads: photographs bundled with scikit-image, drawings, and solids."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

import cv2
import numpy as np

from training.benchmark import drawn
from training.benchmark.world import PlanarWorld, World
from training.errors import TrainingError

_GRAIN = 4.0  # grey levels of paper grain, which enlarged pictures lack


def _bundled(name: str) -> np.ndarray:
    try:
        from skimage import data
    except ImportError as error:
        raise TrainingError('scenes of photographs need scikit-image: install the training extra') from error
    image = getattr(data, name)()
    if isinstance(image, tuple):
        image = image[0]
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if image.ndim == 3 else image


def _photograph(name: str) -> np.ndarray:
    """One photograph, enlarged to the plane."""
    image = _bundled(name)
    scale = max(drawn.WIDTH / image.shape[1], drawn.HEIGHT / image.shape[0])
    large = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    top, left = (large.shape[0] - drawn.HEIGHT) // 2, (large.shape[1] - drawn.WIDTH) // 2
    large = large[top : top + drawn.HEIGHT, left : left + drawn.WIDTH].astype(np.float32)
    return _with_grain(large)


def _prints() -> np.ndarray:
    """Photographs laid out on a desk at random angles."""
    rng = np.random.default_rng(106)
    desk = np.full((drawn.HEIGHT, drawn.WIDTH), 96, np.float32)
    names = ('astronaut', 'coffee', 'chelsea', 'rocket', 'camera', 'coins', 'page', 'brick', 'text')
    for index in range(36):
        picture = _bundled(names[index % len(names)])
        width = float(rng.uniform(330, 520))
        angle = rng.uniform(-0.5, 0.5)
        centre = rng.uniform((0, 0), (drawn.WIDTH, drawn.HEIGHT))
        scale = width / picture.shape[1]
        linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        middle = np.array([picture.shape[1], picture.shape[0]]) / 2
        affine = np.column_stack([linear, centre - linear @ middle])
        size = (drawn.WIDTH, drawn.HEIGHT)
        reduced = cv2.GaussianBlur(picture, (0, 0), max(0.1, 0.4 / scale))
        laid = cv2.warpAffine(reduced, affine, size).astype(np.float32)
        mask = cv2.warpAffine(np.ones_like(picture), affine, size, flags=cv2.INTER_NEAREST)
        np.copyto(desk, laid, where=mask > 0)
    return _with_grain(desk)


def _with_grain(image: np.ndarray) -> np.ndarray:
    grain = cv2.GaussianBlur(np.random.default_rng(107).standard_normal(image.shape), (0, 0), 1.0)
    return np.clip(np.rint(image + _GRAIN * grain / grain.std()), 0, 255).astype(np.uint8)


def _plane(draw: Callable[[], np.ndarray]) -> World:
    return PlanarWorld(draw())


TEXTURES: dict[str, Callable[[], np.ndarray]] = {
    'prints': _prints,
    'retina': partial(_photograph, 'retina'),
    'galaxies': partial(_photograph, 'hubble_deep_field'),
    'coffee': partial(_photograph, 'coffee'),
    'gravel': partial(_photograph, 'gravel'),
    'tissue': partial(_photograph, 'immunohistochemistry'),
    'circuit': drawn.circuit,
    'tiles': drawn.tiles,
    'wood': drawn.wood,
    'brushed_metal': drawn.brushed_metal,
    'plain_marks': drawn.plain_marks,
}


def _relief(name: str) -> World:
    try:
        from training.benchmark import relief
    except ImportError as error:
        raise TrainingError('scenes of solids need MuJoCo: install the simulation extra') from error
    return getattr(relief, name)()


SCENES: dict[str, Callable[[], World]] = {
    **{name: partial(_plane, draw) for name, draw in TEXTURES.items()},
    'relief': partial(_relief, 'relief'),
    'towers': partial(_relief, 'towers'),
}


PHOTOGRAPHS = ('prints', 'retina', 'galaxies', 'coffee', 'gravel', 'tissue')
"""The planes that show photographs."""


@cache
def scene(name: str) -> World:
    """Return the scene `name`. Raises TrainingError, with the valid names, for another."""
    if name not in SCENES:
        raise TrainingError(f'scene should be one of {", ".join(SCENES)} but is {name!r}')
    return SCENES[name]()


@cache
def occluder() -> np.ndarray:
    """Return the picture, grey uint8 (H, W), that things in front of the scene are cut from."""
    return _prints()
