"""Views of one reference for fine-tuning the matcher: its turned copies, and cameras about the reference pose."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.estimation import Reference
from cnn_vs_ros.geometry import se3
from training.images import sensor, textures, views
from training.matcher import targets
from training.snapshot.drawn_reference import DrawnReference

Array = NDArray[np.float64]

_TILES = 24


@dataclass(frozen=True)
class ReferenceSampling:
    """How views are drawn; lengths are in units of the depth.

    View 0 of a group is a copy of the reference as the runtime describes it: turned by a multiple of 45 degrees,
    at 1 or 0.6 of its size, on a plain canvas. The others are cameras whose roll is within half of such a step of
    it, with offsets and tilts a random share, up to `largest_share`, of the deviations of the benchmark's hardest
    batch, further off where the copy is small. Where they look past the snapshot they see a drawn texture or a
    plain surface, and those cells have no match.
    """

    width: int = 160
    height: int = 120
    views: int = 4
    offset: tuple[float, float, float] = (0.16, 0.16, 0.08)
    tilt: float = float(np.deg2rad(20.0))
    largest_tilt: float = float(np.deg2rad(40.0))
    roll: float = float(np.deg2rad(50.0))
    largest_share: float = 1.5
    small_copies: float = 0.2
    perturbed: float = 0.7


class ReferenceGroups:
    """Groups of views: images (V, H, W) uint8 and labels (2, P, N, 3) float32 of `training.matcher.targets`.

    A map-style dataset for torch's loaders. Group `index` is the same whatever process draws it.
    """

    def __init__(self, reference: Reference, sampling: ReferenceSampling, *, seed: int, length: int) -> None:
        self._drawn = DrawnReference(reference, (sampling.width, sampling.height))
        self._sampling = sampling
        self._seed = seed
        self._length = length
        side = max(self._drawn.source_camera.size)
        self._tiles = [textures.draw(np.random.default_rng([seed, 1, k]), side) for k in range(_TILES)]

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw group `index`."""
        if not 0 <= index < self._length:
            raise IndexError(index)
        cv2.setNumThreads(0)
        group = self.group(np.random.default_rng([self._seed, 0, index]))
        return group.images, targets.group_targets(group.homographies, group.visible)

    def group(self, rng: np.random.Generator) -> views.ViewGroup:
        """Draw a group; its homographies go from pixels of the drawn reference to pixels of each view."""
        sampling = self._sampling
        turn = np.deg2rad(45.0) * np.rint(rng.normal(0, sampling.roll) / np.deg2rad(45.0))
        size = 0.6 if rng.random() < sampling.small_copies else 1.0
        drawn = [self._copy(turn, size, rng)]
        drawn += [self._view(self._pose(turn, size, rng), rng) for _ in range(sampling.views - 1)]
        images, homographies, visible = (np.stack(column) for column in zip(*drawn, strict=True))
        return views.ViewGroup(images, homographies, visible)

    def _copy(self, turn: float, size: float, rng: np.random.Generator) -> tuple[np.ndarray, Array, np.ndarray]:
        """Return the reference, turned and scaled, on a canvas of its mean, its homography and what it covers."""
        drawn, frame = self._drawn, self._drawn.camera
        centre = np.array([(frame.width - 1) / 2, (frame.height - 1) / 2])
        scaling = np.array([[size, 0, (1 - size) * centre[0]], [0, size, (1 - size) * centre[1]], [0, 0, 1.0]])
        homography = scaling @ drawn.homography(_turned(turn))
        source = drawn.source if size > 0.9 else cv2.GaussianBlur(drawn.source, (0, 0), 1.2)
        copy = cv2.warpPerspective(source, homography, frame.size, borderValue=float(source.mean()))
        plane = drawn.shows_plane.astype(np.uint8)
        inside = cv2.warpPerspective(plane, homography, frame.size, flags=cv2.INTER_NEAREST)
        return sensor.expose(copy.astype(np.float32), rng, float(rng.uniform(0, 2))), homography, inside > 0

    def _view(self, pose: Array, rng: np.random.Generator) -> tuple[np.ndarray, Array, np.ndarray]:
        """Return what a camera with c_T_c0 = `pose` sees, its homography and where it sees the snapshot."""
        drawn, shown = self._drawn.view(pose, surroundings=partial(self._surroundings, rng))
        view = drawn.astype(np.float32)
        noise = float(rng.uniform(0, 3))
        if rng.random() < self._sampling.perturbed:
            view, hidden, noise = views.perturb(view, rng, lambda: self._tile(rng))
            shown &= ~hidden
        return sensor.expose(view, rng, noise), self._drawn.homography(pose), shown

    def _surroundings(self, rng: np.random.Generator, homography: Array) -> np.ndarray | float:
        if rng.random() < 0.3:
            return float(rng.integers(256))
        flags = {'flags': cv2.INTER_LINEAR, 'borderMode': cv2.BORDER_REFLECT}
        return cv2.warpPerspective(self._tile(rng), homography, self._drawn.camera.size, **flags)

    def _tile(self, rng: np.random.Generator) -> np.ndarray:
        return self._tiles[int(rng.integers(_TILES))]

    def _pose(self, turn: float, size: float, rng: np.random.Generator) -> Array:
        """Draw c_T_c0 (4, 4) of a camera whose roll is near `turn`."""
        sampling = self._sampling
        share = rng.uniform(0.0, sampling.largest_share)
        tilt = np.clip(rng.normal(0, sampling.tilt * share, 2), -sampling.largest_tilt, sampling.largest_tilt)
        roll = turn + np.deg2rad(22.5) * rng.uniform(-1, 1)
        rotation = se3.rotation_exp(np.array([*tilt, 0.0])) @ _turned(roll)[:3, :3]
        # The camera's place in the reference frame: [offset; distance to the plane].
        offset = rng.normal(0, 1, 3) * np.asarray(sampling.offset) * share
        distance = np.clip(1.0 + offset[2], 0.5, 2.0) / (size if size == 1.0 else size * rng.uniform(0.85, 1.15))
        position = self._drawn.depth * np.array([offset[0], offset[1], 1.0 - distance])
        return se3.transform(rotation, -rotation @ position)


def _turned(angle: float) -> Array:
    return se3.transform(se3.rotation_exp(np.array([0.0, 0.0, angle])), np.zeros(3))
