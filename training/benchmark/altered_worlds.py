"""Worlds in front of which something is different: each wraps another world, and is as cheap as one more warp.

What belongs to the camera (a gripper, its mirror image, its lens) is in the reference as in every later image.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.benchmark import CAMERA, DEPTH
from cnn_vs_ros.geometry import PinholeCamera, se3
from training.benchmark.world import PlanarWorld, World

if TYPE_CHECKING:
    import torch

Array = NDArray[np.float64]

_MIRRORED_FIELD = 1.2
"""Metres of the camera's surroundings that a picture of them shows, across."""
_SURROUNDINGS = (600, 800)
"""Height and width of that picture, pixels."""
_DEFOCUS = 1.5
"""Pixels by which the mirror image, twice as far away as the scene, is out of focus there."""


@dataclass(frozen=True)
class ObliqueWorld:
    """A world whose desired camera is elsewhere: at ``base_T_desired`` (4, 4) in that of the base."""

    base: World
    base_T_desired: Array

    @classmethod
    def tilted(cls, base: World, angle: float, seed: int, depth: float = DEPTH) -> ObliqueWorld:
        """Look at the same point from the same distance, by `angle` radians from the side, about an axis drawn.

        A planar base goes on beyond its texture, mirrored, so that there is something to see towards the horizon.
        """
        around = np.random.default_rng((seed, 5)).uniform(0, 2 * np.pi)
        turn = se3.rotation_exp(angle * np.array([np.cos(around), np.sin(around), 0.0]))
        centre = np.array([0.0, 0.0, depth])
        if isinstance(base, PlanarWorld):
            base = replace(base, endless=True)
        return cls(base, se3.transform(turn, centre - turn @ centre))

    def image(self, current_T_desired: Array) -> np.ndarray:
        """Noiseless view, float32 (H, W) in grey levels, of a camera at ``current_T_desired`` (4, 4)."""
        return self.base.image(current_T_desired @ se3.inverse(self.base_T_desired))


@dataclass(frozen=True)
class GripperWorld:
    """The world behind the camera's own gripper: a `mask` (H, W) that is 1 where `skin` (H, W) hides the scene."""

    base: World
    mask: np.ndarray
    skin: np.ndarray

    @classmethod
    def drawn(cls, base: World, share: float, seed: int, camera: PinholeCamera = CAMERA) -> GripperWorld:
        """Two fingers and a palm of plain metal that hide about a `share` of the image."""
        rng = np.random.default_rng((seed, 6))
        turn, lean = rng.integers(4), rng.uniform(-0.06, 0.06)
        low, high = 0.0, 2.0
        mask = np.zeros((camera.height, camera.width), np.uint8)
        while high - low > 1e-3:  # the size at which it hides that much
            size = 0.5 * (low + high)
            mask = _gripper(camera, size, int(turn), lean)
            low, high = (size, high) if mask.mean() < share else (low, size)
        return cls(base, mask, _metal(rng, camera))

    def image(self, current_T_desired: Array) -> np.ndarray:
        """Noiseless view, float32 (H, W) in grey levels, of a camera at ``current_T_desired`` (4, 4)."""
        return np.where(self.mask > 0, self.skin, self.base.image(current_T_desired)).astype(np.float32)


def _gripper(camera: PinholeCamera, size: float, turn: int, lean: float) -> np.ndarray:
    """Mask (H, W) of a gripper that reaches in from one of four sides."""
    fingers = [
        [(0.12, -0.1), (0.32, -0.1), (0.36 + lean, 0.62 * size), (0.24 + lean, 0.66 * size)],
        [(0.68, -0.1), (0.88, -0.1), (0.76 + lean, 0.66 * size), (0.64 + lean, 0.62 * size)],
        [(-0.1, -0.1), (1.1, -0.1), (1.1, 0.26 * size), (-0.1, 0.26 * size)],
    ]
    mask = np.zeros((camera.height, camera.width), np.uint8)
    for outline in fingers:
        points = np.array(outline)
        for _ in range(turn):
            points = np.column_stack([1.0 - points[:, 1], points[:, 0]])
        cv2.fillPoly(mask, [np.rint(points * camera.size).astype(np.int32)], 1)
    return mask


def _metal(rng: np.random.Generator, camera: PinholeCamera) -> np.ndarray:
    """Grey with a sheen, some bolts and edges: (H, W)."""
    rows, columns = np.mgrid[0 : 1 : camera.height * 1j, 0 : 1 : camera.width * 1j]
    skin = rng.uniform(60, 150) + 30 * np.sin(2 * np.pi * (rng.uniform(1, 3) * columns + rng.uniform(1, 3) * rows))
    skin = skin.astype(np.float32)
    for _ in range(40):
        centre = tuple(rng.uniform((0, 0), camera.size).astype(int).tolist())
        cv2.circle(skin, centre, int(rng.integers(3, 12)), float(rng.uniform(20, 220)), -1, cv2.LINE_AA)
    for _ in range(12):
        ends = rng.uniform((0, 0), camera.size, (2, 2)).astype(int)
        cv2.line(
            skin, tuple(ends[0].tolist()), tuple(ends[1].tolist()), float(rng.uniform(20, 220)), 3, cv2.LINE_AA
        )
    return skin


@dataclass(frozen=True)
class MirrorWorld:
    """A plane, fronto-parallel at `depth`, that mirrors what is fixed to the camera by `share` of the light.

    `surroundings` is a grey picture (H, W) of it, in the plane of the lens. Its point (x, y, 0) in the current
    camera is seen at ``X - 2 (n . X - d) n``, n and d the plane's normal and distance.
    """

    base: World
    share: float
    surroundings: np.ndarray
    depth: float = DEPTH
    camera: PinholeCamera = CAMERA

    @classmethod
    def drawn(cls, base: World, share: float, seed: int) -> MirrorWorld:
        """Mirror a ceiling with lamps and, before it, the arm with the camera."""
        return cls(base, share, _surroundings(np.random.default_rng((seed, 8))))

    def image(self, current_T_desired: Array) -> np.ndarray:
        """Noiseless view, float32 (H, W) in grey levels, of a camera at ``current_T_desired`` (4, 4)."""
        n = current_T_desired[:3, 2]
        distance = self.depth + float(n @ current_T_desired[:3, 3])
        mirrored = np.column_stack([np.eye(3)[:, :2] - 2 * n[:, None] * n[:2], 2 * distance * n])
        height, width = self.surroundings.shape
        scale = _MIRRORED_FIELD / width
        place = np.array([[scale, 0, -scale * (width - 1) / 2], [0, scale, -scale * (height - 1) / 2], [0, 0, 1]])
        seen = cv2.warpPerspective(
            self.surroundings,
            self.camera.matrix @ mirrored @ place,
            self.camera.size,
            borderMode=cv2.BORDER_REFLECT,
        )
        return (1 - self.share) * self.base.image(current_T_desired) + np.float32(self.share) * seen


def _surroundings(rng: np.random.Generator) -> np.ndarray:
    height, width = _SURROUNDINGS
    rows, columns = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    slope = rng.uniform(-25, 25, 2)
    picture = (rng.uniform(90, 150) + slope[0] * rows + slope[1] * columns).astype(np.float32)
    centre = np.array([width / 2, height / 2])
    for _ in range(int(rng.integers(1, 4))):
        lamp = (tuple(rng.uniform((0, 0), (width, height)).tolist()), (220.0, 60.0), float(rng.uniform(0, 180)))
        cv2.fillPoly(picture, [np.rint(cv2.boxPoints(lamp)).astype(np.int32)], 245.0)
    # The arm comes down from the side in two links; the camera at its end is about the middle.
    away = rng.uniform(0, 2 * np.pi)
    elbow = centre + rng.uniform(120, 200) * np.array([np.cos(away), np.sin(away)])
    base = elbow + 600 * np.array([np.cos(away + rng.uniform(-1, 1)), np.sin(away + rng.uniform(-1, 1))])
    joints = [tuple(point.astype(int).tolist()) for point in (centre, elbow, base)]
    for begin, end, thickness, grey in ((1, 2, 90, 190.0), (0, 1, 70, 60.0)):
        cv2.line(picture, joints[begin], joints[end], grey, thickness, cv2.LINE_AA)
    for radius, grey in ((52, 30.0), (24, 80.0), (14, 10.0)):
        cv2.circle(picture, joints[0], radius, grey, -1, cv2.LINE_AA)
    return cv2.GaussianBlur(picture, (0, 0), _DEFOCUS)


@dataclass(frozen=True)
class ChangedWorld:
    """A world of which `other` has taken the place wherever `mask`, a world of 0 and 255, is bright."""

    base: World
    other: World
    mask: World

    @classmethod
    def drawn(cls, base: World, other: np.ndarray, share: float, seed: int) -> ChangedWorld:
        """Patches of a plane with the texture `other` cover a `share` of the plane of the base's scene."""
        rng = np.random.default_rng((seed, 7))
        height, width = other.shape
        rough = rng.standard_normal((height // 80 + 2, width // 80 + 2)).astype(np.float32)
        field = cv2.resize(rough, (width, height), interpolation=cv2.INTER_CUBIC)
        # The share is that of what the reference shows, about the middle.
        middle = field[height // 3 : -(height // 3), width // 3 : -(width // 3)]
        mask = np.where(field > np.quantile(middle, 1 - share), 255, 0).astype(np.uint8)
        return cls(base, PlanarWorld(other), PlanarWorld(mask))

    def image(self, current_T_desired: Array) -> np.ndarray:
        """Noiseless view, float32 (H, W) in grey levels, of a camera at ``current_T_desired`` (4, 4)."""
        changed = self.mask.image(current_T_desired) > 127
        return np.where(changed, self.other.image(current_T_desired), self.base.image(current_T_desired))


@dataclass(frozen=True)
class LensWorld:
    """A world seen through a lens: `camera` has the focal length and centre of the base's, and distortion."""

    base: World
    camera: PinholeCamera

    @cached_property
    def _grid(self) -> torch.Tensor:
        columns, rows = np.meshgrid(np.arange(self.camera.width), np.arange(self.camera.height))
        pixels = np.stack([columns, rows], axis=-1).reshape(-1, 1, 2).astype(np.float64)
        matrix = self.camera.matrix
        ideal = cv2.undistortPoints(pixels, matrix, np.asarray(self.camera.distortion), P=matrix)
        grid = (
            2 * ideal.reshape(1, self.camera.height, self.camera.width, 2) / (np.array(self.camera.size) - 1) - 1
        )
        import torch

        return torch.from_numpy(grid.astype(np.float32))

    def image(self, current_T_desired: Array) -> np.ndarray:
        """Noiseless view, float32 (H, W) in grey levels, of a camera at ``current_T_desired`` (4, 4)."""
        import torch
        from torch.nn import functional

        ideal = torch.from_numpy(self.base.image(current_T_desired))[None, None]
        return functional.grid_sample(ideal, self._grid, padding_mode='border', align_corners=True)[0, 0].numpy()
