"""A plane before a camera, drawn by homography: the paper's own simulator (figure 2), fast and free of GL."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.geometry import PinholeCamera, camera_sees_plane

Array = NDArray[np.float64]

CAMERA = PinholeCamera(640, 480, 600.0, 600.0, 319.5, 239.5)
DEPTH = 0.25
TEXELS_PER_METRE = 2400.0
NOISE = 2.0
_GROUND = 110.0  # what lies beyond the texture


class World(Protocol):
    """What a camera can look at."""

    def image(self, current_T_desired: Array) -> np.ndarray:
        """Noiseless view, float32 (H, W) in grey levels, of a camera at ``current_T_desired`` (4, 4)."""


@dataclass(frozen=True)
class PlanarWorld:
    """A textured plane, fronto-parallel at `depth` metres before the desired camera.

    `texture` is grey uint8 (H, W), centred on the optical axis, `texels_per_metre` fine.
    """

    texture: np.ndarray
    camera: PinholeCamera = CAMERA
    depth: float = DEPTH
    texels_per_metre: float = TEXELS_PER_METRE

    @cached_property
    def _plane_from_texel(self) -> Array:
        height, width = self.texture.shape
        scale = 1.0 / self.texels_per_metre
        return np.array([[scale, 0, -(width - 1) / 2 * scale], [0, scale, -(height - 1) / 2 * scale], [0, 0, 1.0]])

    def image(self, current_T_desired: Array) -> np.ndarray:
        """Noiseless view, float32 (H, W) in grey levels, of a camera at ``current_T_desired`` (4, 4)."""
        rotation, translation = current_T_desired[:3, :3], current_T_desired[:3, 3]
        current_from_plane = np.column_stack(
            [rotation[:, 0], rotation[:, 1], rotation[:, 2] * self.depth + translation]
        )
        homography = self.camera.matrix @ current_from_plane @ self._plane_from_texel
        view = cv2.warpPerspective(self.texture, homography, self.camera.size, borderValue=_GROUND)
        view[~camera_sees_plane(current_T_desired, self.depth, self.camera)] = int(_GROUND)
        return view.astype(np.float32)


class Sensor:
    """Turns views into pictures: white noise of `noise` grey levels, seeded, and 8 bits."""

    def __init__(self, seed: int, noise: float = NOISE, camera: PinholeCamera = CAMERA) -> None:
        self._rng = np.random.default_rng(seed)
        # Drawing half a million normals a frame would cost more than the estimators: shift through a larger field.
        self._field = self._rng.standard_normal((camera.height + 64, camera.width + 64), dtype=np.float32) * noise

    def expose(self, view: np.ndarray) -> np.ndarray:
        """Picture uint8 (H, W) of a float view (H, W)."""
        row, column = self._rng.integers(0, 65, 2)
        noise = self._field[row : row + view.shape[0], column : column + view.shape[1]]
        return np.clip(np.rint(view + noise * self._rng.choice((-1.0, 1.0))), 0, 255).astype(np.uint8)
