"""Local normalisation: what makes two views of a plane comparable under different light.

Both images are reduced to zero mean and unit contrast in a window about each point (paper, section III-B.1 models
light as a slowly varying gain). The windows are taken in the reference's frame over what both images show and no
occluder covers, so neither the motion of the camera nor a hand in the view changes one side alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.estimation.pyramid import PyramidLevel
from cnn_vs_ros.geometry import PinholeCamera, plane_homography

Array = NDArray[np.float64]

# The window's standard deviation as a share of the image width, at images up to these widths: large enough to keep
# the texture's coarse structure while the pose is far off, then small, that a lamp's falloff looks constant in it.
_WINDOWS = ((120, 1 / 12), (240, 1 / 20), (1 << 30, 1 / 24))
# Grey levels: contrast below this is noise and is not amplified to full scale. It follows the brightness down, so
# that a faint texture in less light is still reduced to the same contrast.
_CONTRAST_FLOOR = 4.0
_LEAST_LIGHT = 0.1
_MIN_COVERAGE = 1e-3
# The statistics are interpolated on a grid this much finer than the one they are computed on.
_INTERPOLATION = 4


@dataclass(frozen=True)
class LocalLight:
    """Mean and inverse contrast of the current and the desired image at each sample (N,), float32."""

    current_mean: np.ndarray
    current_gain: np.ndarray
    desired_mean: np.ndarray
    desired_gain: np.ndarray


class LightModel:
    """Computes LocalLight at fixed sample positions of one level of the reference.

    `grid` is the camera of the coarse grid, in the reference's frame, on which the statistics are computed;
    `grid_size` (h, w) its size and `cell` (N,) the flat index of each sample's cell in it.
    """

    def __init__(
        self, reference: PyramidLevel, grid: PinholeCamera, depth: float, rows: np.ndarray, columns: np.ndarray
    ) -> None:
        self._grid = grid
        self._depth = depth
        self._moments = reference.moments(grid.size)
        self._size = (grid.width * _INTERPOLATION, grid.height * _INTERPOLATION)
        self._index = _flat_index(rows, columns, reference.camera.size, self._size)
        self.cell = _flat_index(rows, columns, reference.camera.size, grid.size)
        self.grid_size = (grid.height, grid.width)
        self._ones = np.ones(self.grid_size, np.float32)
        width = reference.camera.width
        self._window = grid.width * next(share for limit, share in _WINDOWS if width <= limit)

    def coverage(self, index: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Unoccluded share (h, w) of the grid, from the robust `weights` (M,) of the samples `index` (M,)."""
        cells = self.cell[index]
        count = np.bincount(cells, minlength=self._ones.size)
        total = np.bincount(cells, weights, minlength=self._ones.size)
        share = np.where(count > 0, total / np.maximum(count, 1), 1.0).astype(np.float32)
        return cv2.blur(share.reshape(self._ones.shape), (3, 3))

    def at(
        self, current: PyramidLevel, current_T_desired: Array, coverage: np.ndarray | None = None
    ) -> LocalLight:
        """Local light at every sample for a pose, over the unoccluded `coverage` (h, w) if it is known."""
        homography = plane_homography(current_T_desired, self._depth, self._grid)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        warped = cv2.warpPerspective(current.moments(self._grid.size), homography, self._grid.size, flags=flags)
        visible = cv2.warpPerspective(self._ones, homography, self._grid.size, flags=flags)
        if coverage is not None:
            visible = visible * coverage
        seen = visible[..., None]
        stacked = np.concatenate([seen, warped * seen, self._moments * seen], axis=2)
        smooth = cv2.GaussianBlur(stacked, (0, 0), self._window, borderType=cv2.BORDER_REFLECT)
        normal = smooth[..., 1:] / np.maximum(smooth[..., :1], _MIN_COVERAGE)
        statistics = np.empty_like(normal)
        light = np.clip(normal[..., 0] / np.maximum(normal[..., 2], 1.0), _LEAST_LIGHT, 1.0)
        for mean, floor in ((0, _CONTRAST_FLOOR * light), (2, _CONTRAST_FLOOR)):
            variance = np.maximum(normal[..., mean + 1] - np.square(normal[..., mean]), 0.0)
            statistics[..., mean] = normal[..., mean]
            statistics[..., mean + 1] = 1.0 / np.sqrt(variance + np.square(floor))
        full = cv2.resize(statistics, self._size, interpolation=cv2.INTER_LINEAR).reshape(-1, 4)
        return LocalLight(*(full.take(self._index, axis=0).T.copy()))


def _flat_index(rows: np.ndarray, columns: np.ndarray, size: tuple[int, int], grid: tuple[int, int]) -> np.ndarray:
    """Index, into a flat grid (w, h), of the cell that each pixel of an image of `size` (w, h) lies in."""
    x = (columns * grid[0] // size[0]).clip(0, grid[0] - 1)
    y = (rows * grid[1] // size[1]).clip(0, grid[1] - 1)
    return y * grid[0] + x
