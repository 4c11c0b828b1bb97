"""The scenes the robot can look at: what lies on the table, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from cnn_vs_ros.simulation import textures
from cnn_vs_ros.simulation.errors import SimulationError


@dataclass(frozen=True)
class SceneObject:
    """A solid standing on the picture.

    `shape` is box, cylinder or ellipsoid; `position` (x, y) metres from the picture's centre, in the reference
    camera's axes (x right, y down in its image); `size` (x, y, height) metres; `yaw` radians.
    """

    shape: str
    position: tuple[float, float]
    size: tuple[float, float, float]
    yaw: float
    skin: Callable[[], np.ndarray]


@dataclass(frozen=True)
class Scene:
    """A picture lying on the table, and what stands on it.

    `texture` draws or loads the picture, BGR uint8, whose top is up in the reference view; `pixels_per_metre` is
    its scale, and `centre` the pixel (column, row) that lies under the reference camera (by default the middle).
    """

    name: str
    summary: str
    texture: Callable[[], np.ndarray]
    pixels_per_metre: float
    centre: tuple[float, float] | None = None
    objects: tuple[SceneObject, ...] = ()


def _print(index: int) -> np.ndarray:
    return textures.prints()[index]


def _relief_objects() -> tuple[SceneObject, ...]:
    """A dozen solids, 1.5 to 4 cm high, strewn over the picture."""
    rng = np.random.default_rng(3)
    objects = []
    for index, (column, row) in enumerate((c, r) for r in (-1, 0, 1) for c in (-2, -1, 0, 1, 2)):
        position = (0.078 * column + rng.uniform(-0.02, 0.02), 0.092 * row + rng.uniform(-0.025, 0.025))
        size = (rng.uniform(0.022, 0.05), rng.uniform(0.022, 0.05), rng.uniform(0.015, 0.04))
        shape = ('box', 'cylinder', 'ellipsoid')[int(rng.integers(3))]
        skin = partial(textures.stained, 100 + index) if index % 2 else partial(_print, index // 2)
        objects.append(SceneObject(shape, position, size, float(rng.uniform(0, np.pi)), skin))
    return tuple(objects)


_FLOWER = partial(textures.photograph, 'flower')

SCENES = {
    scene.name: scene
    for scene in (
        Scene('photo', 'a photograph of flowers, textured all over', _FLOWER, 2400.0),
        Scene(
            'prints', 'photographs strewn over a wooden board', partial(textures.printed_table, 2160, 1560), 2400.0
        ),
        Scene(
            'low_texture',
            'a photograph of a retina: faint, smooth',
            partial(textures.photograph, 'retina'),
            1900.0,
        ),
        Scene(
            'relief',
            'solids 1.5 to 4 cm high on the photograph of flowers',
            _FLOWER,
            2400.0,
            None,
            _relief_objects(),
        ),
    )
}


def find_scene(name: str) -> Scene:
    """The scene of that name.

    Raises:
        SimulationError: there is no such scene; the message lists those there are.
    """
    if name not in SCENES:
        raise SimulationError(f'scene should be one of {", ".join(SCENES)} but is {name!r}')
    return SCENES[name]
