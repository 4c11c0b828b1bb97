"""Disturbances of the view: lights that wander and change, and things that pass before the lens.

Everything here is a smooth function of simulated time and of a seed, so that a run can be repeated exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cnn_vs_ros.geometry import se3

Array = NDArray[np.float64]

LIGHT_COUNT = 3
OCCLUDER_COUNT = 3
OCCLUDER_RADIUS = 0.0165
"""Radius, in metres, of the disc whose area each occluder has."""


class Wander:
    """Smooth pseudo-random motion of `size` independent values in [-1, 1]: sums of three slow sinusoids."""

    def __init__(self, rng: np.random.Generator, size: int) -> None:
        self._frequencies = rng.uniform(0.05, 0.4, (3, size))  # Hz
        self._phases = rng.uniform(0.0, 2 * np.pi, (3, size))
        self._weights = np.array([[0.5], [0.3], [0.2]])

    def __call__(self, time: float) -> Array:
        """Values (size,) at `time` seconds."""
        angles = 2 * np.pi * self._frequencies * time + self._phases
        return (self._weights * np.sin(angles)).sum(axis=0)


@dataclass(frozen=True)
class Spotlight:
    """A light whose brightness falls off from its axis like a Gaussian: world position, direction, colour 0..1."""

    position: Array
    direction: Array
    colour: Array


class MovingLights:
    """Spotlights over the table, each wandering and changing its brightness on its own.

    `centre` (3,) is the point on the table about which they wander, metres in the world frame; `scale` multiplies
    their height and their reach.
    """

    HEIGHT = 0.7
    REACH = 0.18
    BRIGHTEST = 0.9

    def __init__(self, seed: int, centre: ArrayLike, scale: float = 1.0) -> None:
        rng = np.random.default_rng([seed, 1])
        self._centre = np.asarray(centre, dtype=np.float64)
        self._scale = scale
        self._tints = rng.uniform(0.8, 1.0, (LIGHT_COUNT, 3))
        self._wander = [Wander(rng, 5) for _ in range(LIGHT_COUNT)]

    def at(self, time: float) -> list[Spotlight]:
        """The lights at `time` seconds."""
        lights = []
        for tint, wander in zip(self._tints, self._wander, strict=True):
            x, y, lean_x, lean_y, brightness = wander(time)
            target = self._centre + self._scale * self.REACH * np.array([x, y, 0.0])
            position = target + self._scale * np.array([0.3 * lean_x, 0.3 * lean_y, self.HEIGHT])
            direction = (target - position) / np.linalg.norm(target - position)
            lights.append(Spotlight(position, direction, self.BRIGHTEST * (0.5 + 0.5 * brightness) * tint))
        return lights


class MovingOccluders:
    """Small flat things between the lens and the scene, wandering over the image.

    They keep to their own thirds of the image and to 9 to 15 cm from the lens, where together they hide 10
    to 40 % of a camera whose field of view has the `half_extents` (tangents of half its angles). When
    `intermittent`, each comes and goes: there for 3 to 6 seconds, then away for 1 to 3.
    """

    NEAR, FAR = 0.09, 0.15

    def __init__(
        self,
        seed: int,
        half_extents: tuple[float, float] = (320 / 600, 240 / 600),
        *,
        intermittent: bool = False,
    ) -> None:
        rng, count = np.random.default_rng([seed, 2]), OCCLUDER_COUNT
        self._half_extents = np.asarray(half_extents)
        angles = rng.uniform(0, 2 * np.pi) + 2 * np.pi * np.arange(count) / count
        self._homes = 0.5 * np.column_stack([np.cos(angles), np.sin(angles)])
        self._wander = [Wander(rng, 4) for _ in range(count)]
        self._turns = rng.uniform(-0.6, 0.6, count)
        stays, leaves = rng.uniform(3.0, 6.0, count), rng.uniform(1.0, 3.0, count)
        self._stays, self._periods = stays if intermittent else stays + leaves, stays + leaves
        self._phases = rng.uniform(0.0, 1.0, count) * self._periods

    def present(self, time: float) -> list[bool]:
        """Which of them are there at `time` seconds."""
        return [bool(there) for there in (time + self._phases) % self._periods < self._stays]

    def at(self, time: float) -> list[Array]:
        """Poses camera_T_occluder (4, 4) at `time` seconds; each occluder's z axis is along the optical axis."""
        poses = []
        for home, wander, turn in zip(self._homes, self._wander, self._turns, strict=True):
            x, y, closeness, spin = wander(time)
            distance = 0.5 * (self.NEAR + self.FAR) + 0.5 * (self.FAR - self.NEAR) * closeness
            across = (home + 0.3 * np.array([x, y])) * self._half_extents * distance
            rotation = se3.rotation_exp((0.0, 0.0, turn * time + spin))
            poses.append(se3.transform(rotation, (*across, distance)))
        return poses
