"""Local normalisation: what makes two views of a plane comparable whatever is left of light, blur and exposure.

Both flat images (see `pyramid`) are reduced to zero mean and unit contrast in a window about each point. The
windows are taken in the reference's frame over what both images show and no occluder covers, so neither the motion
of the camera nor a hand in the view changes one side alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.estimation.plane import ScenePlane
from cnn_vs_ros.estimation.pyramid import PyramidLevel, whole_pixels
from cnn_vs_ros.geometry import PinholeCamera

Array = NDArray[np.float64]

# The window's standard deviation as a share of the image width, at images up to these widths: large enough to keep
# the texture's coarse structure while the pose is far off, then small, that a lamp's falloff looks constant in it.
_WINDOWS = ((120, 1 / 12), (240, 1 / 20), (1 << 30, 1 / 24))
# Contrast below this, in units of the flat image, is noise and is not amplified to full scale.
_CONTRAST_FLOOR = 6.0
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

    def compared(
        self, current: np.ndarray, desired: np.ndarray, index: np.ndarray | slice
    ) -> tuple[np.ndarray, np.ndarray]:
        """Flat grey levels (M,) of both images at the samples `index`, normalised."""
        return (
            (current - self.current_mean[index]) * self.current_gain[index],
            (desired - self.desired_mean[index]) * self.desired_gain[index],
        )


@dataclass(frozen=True)
class LightField:
    """Mean and variance of the current and the desired flat image on the coarse grid: (h, w, 4) float32."""

    statistics: np.ndarray

    def at(self, cells: FineCells) -> LocalLight:
        """Local light at samples."""
        normal = self.statistics.copy()
        for variance in (1, 3):
            normal[..., variance] = 1.0 / np.sqrt(normal[..., variance] + np.float32(_CONTRAST_FLOOR**2))
        fine = cv2.resize(normal, cells.size, interpolation=cv2.INTER_LINEAR).reshape(-1, 4)
        return LocalLight(*(np.ascontiguousarray(fine.take(cells.index, axis=0).T)))


@dataclass(frozen=True)
class FineCells:
    """Where samples lie: `cell` (N,) in the flat coarse grid (h, w), `index` (N,) in the flat finer one (w, h)."""

    cell: np.ndarray
    grid_size: tuple[int, int]
    index: np.ndarray
    size: tuple[int, int]

    @classmethod
    def of(cls, rows: np.ndarray, columns: np.ndarray, camera: PinholeCamera, grid: PinholeCamera) -> FineCells:
        """Cells of the pixels (`rows`, `columns`) of `camera` in the coarse `grid`."""
        fine = (grid.width * _INTERPOLATION, grid.height * _INTERPOLATION)
        cell, index = (flat_index(rows, columns, camera.size, size) for size in (grid.size, fine))
        return cls(cell, (grid.height, grid.width), index, fine)


class LightModel:
    """Computes the LightField of a level of the reference on `grid`, a coarse camera in its frame."""

    def __init__(self, reference: PyramidLevel, grid: PinholeCamera) -> None:
        self.grid = grid
        self._moments = reference.moments(grid.size)
        shown = np.ones(grid.size[::-1], bool) if reference.valid is None else reference.valid
        self._whole = whole_pixels(shown, grid.size).astype(np.float32)  # as of every image
        width = reference.camera.width
        self._window = grid.width * next(share for limit, share in _WINDOWS if width <= limit)

    def coverage(self, cells: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Unoccluded share (h, w) of the grid, from the robust `weights` (M,) of samples in `cells` (M,)."""
        count = np.bincount(cells, minlength=self._whole.size)
        total = np.bincount(cells, weights, minlength=self._whole.size)
        share = np.where(count > 0, total / np.maximum(count, 1), 1.0).astype(np.float32)
        return cv2.blur(share.reshape(self._whole.shape), (3, 3))

    def field(
        self,
        current: PyramidLevel,
        current_T_desired: Array,
        plane: ScenePlane,
        coverage: np.ndarray | None = None,
    ) -> LightField:
        """Local light for a pose, over the unoccluded `coverage` (h, w) if it is known."""
        homography = plane.homography(current_T_desired, self.grid)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        size = self.grid.size
        warped = cv2.warpPerspective(current.moments(size), homography, size, flags=flags)
        visible = self._whole * cv2.warpPerspective(self._whole, homography, size, flags=flags)
        if coverage is not None:
            visible = visible * coverage
        seen = visible[..., None]
        stacked = np.concatenate([seen, warped * seen, self._moments * seen], axis=2)
        smooth = cv2.GaussianBlur(stacked, (0, 0), self._window, borderType=cv2.BORDER_REFLECT)
        statistics = smooth[..., 1:] / np.maximum(smooth[..., :1], _MIN_COVERAGE)
        for mean in (0, 2):
            variance = statistics[..., mean + 1] - np.square(statistics[..., mean])
            statistics[..., mean + 1] = np.maximum(variance, 0.0)
        return LightField(statistics)


def flat_index(rows: np.ndarray, columns: np.ndarray, size: tuple[int, int], grid: tuple[int, int]) -> np.ndarray:
    """Index, into a flat grid (w, h), of the cell that each pixel of an image of `size` (w, h) lies in."""
    x = (columns * grid[0] // size[0]).clip(0, grid[0] - 1)
    y = (rows * grid[1] // size[1]).clip(0, grid[1] - 1)
    return y * grid[0] + x
