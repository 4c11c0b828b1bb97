"""The scenes the robot can look at: what lies on the table, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.benchmark import DEPTH
from cnn_vs_ros.geometry import se3
from cnn_vs_ros.simulation import textures
from cnn_vs_ros.simulation.errors import SimulationError

Array = NDArray[np.float64]

world_T_reference = se3.transform([[0, -1, 0], [-1, 0, 0], [0, 0, -1]], (0.5, 0.0, 0.252))
"""The reference pose: the camera looks straight down, from 0.252 m over the base of the arm."""


@dataclass(frozen=True)
class SceneObject:
    """A solid standing on the picture.

    `shape` is box, cylinder or ellipsoid; `position` (x, y) metres from the picture's centre, in the reference
    camera's axes (x right, y down in its image); `size` (x, y, height) metres; `yaw` radians; `base` is what it
    stands on, metres over the picture; `gloss` 0 (matt) to 1 (a mirror-like highlight).
    """

    shape: str
    position: tuple[float, float]
    size: tuple[float, float, float]
    yaw: float
    skin: Callable[[], np.ndarray]
    base: float = 0.0
    gloss: float = 0.0


@dataclass(frozen=True)
class Scene:
    """A picture lying on the table, and what stands on it.

    `texture` draws or loads the picture, BGR uint8, whose top is up in the reference view; `pixels_per_metre` is
    its scale, and `centre` the pixel (column, row) that lies under the reference camera (by default the middle).
    `depth` is how far below the reference camera it lies, metres.
    """

    name: str
    summary: str
    texture: Callable[[], np.ndarray]
    pixels_per_metre: float
    centre: tuple[float, float] | None = None
    objects: tuple[SceneObject, ...] = ()
    depth: float = DEPTH

    @property
    def world_T_picture(self) -> Array:
        """Frame (4, 4) of the picture: origin under the reference camera, axes as the reference camera's."""
        return world_T_reference @ se3.transform(np.eye(3), (0.0, 0.0, self.depth))


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


def _monument() -> tuple[SceneObject, ...]:
    """One large solid of several storeys, 50 cm wide and 19 cm high."""
    storeys = (
        SceneObject('box', (0.02, 0.01), (0.50, 0.38, 0.05), 0.15, partial(_print, 5)),
        SceneObject('box', (-0.01, 0.0), (0.34, 0.26, 0.05), 0.3, partial(_print, 1), 0.05),
        SceneObject('cylinder', (-0.03, 0.01), (0.2, 0.2, 0.05), 0.0, partial(_print, 4), 0.10),
        SceneObject('ellipsoid', (-0.03, 0.01), (0.13, 0.11, 0.04), 0.6, partial(textures.stained, 120), 0.15),
    )
    corners = ((-0.19, -0.13), (0.2, -0.12), (0.22, 0.13), (-0.17, 0.15))
    towers = (
        SceneObject('box', corner, (0.06, 0.07, 0.05 + 0.02 * k), 0.4 * k, partial(_print, 3 - k), 0.05)
        for k, corner in enumerate(corners)
    )
    return (*storeys, *towers)


def _clutter() -> tuple[SceneObject, ...]:
    """Glossy circuit boards with chips, and a few bare blocks, on a bench."""
    rng = np.random.default_rng(21)
    objects = []
    for index in range(6):
        place = np.array(((index % 3 - 1) * 0.27, (index // 3 - 0.5) * 0.3)) + rng.uniform(-0.03, 0.03, 2)
        yaw, skin = float(rng.uniform(-0.6, 0.6)), partial(textures.coloured_circuit, 200 + index)
        size = (rng.uniform(0.15, 0.21), rng.uniform(0.11, 0.15))
        objects.append(SceneObject('box', tuple(place), (*size, 0.008), yaw, skin, gloss=0.5))
        for _ in range(3):
            where = tuple(place + rng.uniform(-0.05, 0.05, 2))
            chip = (rng.uniform(0.015, 0.04), rng.uniform(0.015, 0.03), rng.uniform(0.006, 0.02))
            shape = ('box', 'cylinder')[int(rng.integers(2))]
            objects.append(
                SceneObject(shape, where, chip, yaw, partial(textures.stained, 240 + len(objects)), 0.008, 0.6)
            )
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
        Scene('poster', 'the photograph of flowers, 1.5 m wide, 80 cm away', _FLOWER, 1500.0, depth=0.8),
        Scene(
            'monument',
            'a solid 50 cm wide and 19 cm high on the poster, 80 cm away',
            _FLOWER,
            1500.0,
            objects=_monument(),
            depth=0.8,
        ),
        Scene(
            'workbench',
            'a wooden bench with soft shadows and glossy circuit boards, 80 cm away',
            textures.workbench,
            1000.0,
            objects=_clutter(),
            depth=0.8,
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
