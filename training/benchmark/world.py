"""A plane before a camera, drawn by homography: the paper's own simulator (figure 2), fast and free of GL.

Positions are not rounded, as OpenCV's warps do to 1/32 pixel: within 0.2 mm of the goal, where a shift and a turn
nearly cancel, all views would be the same image.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.benchmark import CAMERA, DEPTH
from cnn_vs_ros.geometry import PinholeCamera, camera_sees_plane

if TYPE_CHECKING:  # torch takes seconds to import, and naming the scenes needs none of it
    import torch

Array = NDArray[np.float64]

TEXELS_PER_METRE = 2400.0
NOISE = 2.0
_GROUND = 110.0  # what lies beyond the texture
_OUTSIDE = -3.0  # of the texture, where its edges are -1 and 1
_SIZES = 6  # of a texture that is averaged


class World(Protocol):
    """What a camera can look at."""

    def image(self, current_T_desired: Array) -> np.ndarray:
        """Noiseless view, float32 (H, W) in grey levels, of a camera at ``current_T_desired`` (4, 4)."""


@dataclass(frozen=True)
class PlanarWorld:
    """A textured plane, fronto-parallel at `depth` metres before the desired camera.

    `texture` is grey uint8 (H, W), centred on the optical axis, `texels_per_metre` fine. When `endless` it goes on
    beyond its edges, mirrored, and is averaged over what a pixel covers, as a plane seen obliquely needs.
    """

    texture: np.ndarray
    camera: PinholeCamera = CAMERA
    depth: float = DEPTH
    texels_per_metre: float = TEXELS_PER_METRE
    endless: bool = False

    @cached_property
    def _plane_from_texel(self) -> Array:
        height, width = self.texture.shape
        scale = 1.0 / self.texels_per_metre
        return np.array([[scale, 0, -(width - 1) / 2 * scale], [0, scale, -(height - 1) / 2 * scale], [0, 0, 1.0]])

    @cached_property
    def _above_ground(self) -> torch.Tensor:
        import torch

        return torch.from_numpy(self.texture.astype(np.float32) - np.float32(_GROUND))[None, None]

    @cached_property
    def _reduced(self) -> list[torch.Tensor]:
        """The texture at its own size and at a half, a quarter, ... of it."""
        from torch.nn import functional

        levels = [self._above_ground]
        while len(levels) < _SIZES and min(levels[-1].shape[2:]) > 8:
            levels.append(functional.avg_pool2d(levels[-1], 2))
        return levels

    def image(self, current_T_desired: Array) -> np.ndarray:
        """Noiseless view, float32 (H, W) in grey levels, of a camera at ``current_T_desired`` (4, 4)."""
        rotation, translation = current_T_desired[:3, :3], current_T_desired[:3, 3]
        current_from_plane = np.column_stack(
            [rotation[:, 0], rotation[:, 1], rotation[:, 2] * self.depth + translation]
        )
        texel_from_pixel = np.linalg.inv(self.camera.matrix @ current_from_plane @ self._plane_from_texel)
        columns, rows = np.arange(self.camera.width), np.arange(self.camera.height)[:, None]
        across, down, scale = (line[0] * columns + (line[1] * rows + line[2]) for line in texel_from_pixel)
        height, width = self.texture.shape
        with np.errstate(divide='ignore', invalid='ignore'):
            # From -1 at the texture's left and upper edge to 1 at its right and lower one.
            grid = np.stack([(across / scale * 2 + 1) / width - 1, (down / scale * 2 + 1) / height - 1], axis=-1)
            spread = np.sqrt(np.abs(np.linalg.det(texel_from_pixel) / scale**3))
        seen = camera_sees_plane(current_T_desired, self.depth, self.camera) & np.isfinite(grid).all(axis=-1)
        grid[~seen] = _OUTSIDE
        import torch

        texels = torch.from_numpy(grid.astype(np.float32))[None]
        view = self._averaged(texels, spread) if self.endless else _sampled(self._above_ground, texels, 'zeros')
        view[~seen] = 0.0
        return view + np.float32(_GROUND)

    def _averaged(self, texels: torch.Tensor, spread: np.ndarray) -> np.ndarray:
        """Texture at the places, at the two sizes next to that at which a pixel covers one texel."""
        size = np.log2(np.nan_to_num(spread, nan=1.0).clip(1.0, 2.0 ** (len(self._reduced) - 1))).astype(
            np.float32
        )
        view = np.zeros(spread.shape, np.float32)
        for level, texture in enumerate(self._reduced):
            weight = (1.0 - np.abs(size - level)).clip(min=0.0)
            if weight.any():
                view += weight * _sampled(texture, texels, 'reflection')
        return view


def _sampled(texture: torch.Tensor, texels: torch.Tensor, beyond: str) -> np.ndarray:
    from torch.nn import functional

    return functional.grid_sample(texture, texels, padding_mode=beyond, align_corners=False)[0, 0].numpy()


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
