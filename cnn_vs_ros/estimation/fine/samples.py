"""The samples of the reference that the photometric alignment compares, and where an image shows them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.estimation.fine.local_light import FineCells
from cnn_vs_ros.estimation.plane import ScenePlane
from cnn_vs_ros.estimation.pyramid import PyramidLevel
from cnn_vs_ros.geometry import PinholeCamera

Array = NDArray[np.float64]

_MARGIN = 2  # pixels near the border have no full gradient
_MIN_VISIBLE = 0.03
_FEWEST = 150
_BEHIND = 1e-2  # a point nearer than this, in depths of the scene, is as good as behind the camera


class Samples:
    """About `count` samples of the reference's level `index`: rays (3, N), flat image and gradients (N,).

    Taken where the reference is valid. `cells` says where they lie in the coarse `grid`, `across` and `down` (N,)
    in shares of the width and the height.
    """

    def __init__(self, level: PyramidLevel, index: int, grid: PinholeCamera, count: int) -> None:
        self.level = index
        camera = level.camera
        channels = level.channels
        rows, columns = _strongest_per_block(channels, count)
        if level.valid is not None:
            kept = level.valid[rows, columns]
            rows, columns = rows[kept], columns[kept]
        self.count = len(rows)
        self.value = channels[rows, columns, 0]
        # Gradients with respect to normalised image coordinates.
        self.gradient_x = channels[rows, columns, 1] * np.float32(camera.fx)
        self.gradient_y = channels[rows, columns, 2] * np.float32(camera.fy)
        pixels = np.stack([columns, rows], axis=-1)
        self.rays = np.ascontiguousarray(camera.rays(pixels).T, dtype=np.float32)
        self.cells = FineCells.of(rows, columns, camera, grid)
        self.across, self.down = columns / camera.width, rows / camera.height


def _strongest_per_block(channels: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    height, width = channels.shape[:2]
    inner_height, inner_width = max(0, height - 2 * _MARGIN), max(0, width - 2 * _MARGIN)
    block = max(1, round(np.sqrt(inner_height * inner_width / count)))
    blocks_high, blocks_wide = inner_height // block, inner_width // block
    strength = channels[..., 1] ** 2 + channels[..., 2] ** 2
    strength = strength[_MARGIN : _MARGIN + blocks_high * block, _MARGIN : _MARGIN + blocks_wide * block]
    blocks = strength.reshape(blocks_high, block, blocks_wide, block).transpose(0, 2, 1, 3)
    best = blocks.reshape(blocks_high, blocks_wide, block * block).argmax(axis=2)
    rows = np.arange(blocks_high)[:, None] * block + best // block + _MARGIN
    columns = np.arange(blocks_wide)[None, :] * block + best % block + _MARGIN
    return rows.ravel(), columns.ravel()


@dataclass
class ProjectedSamples:
    """The M samples that an image shows: which (`index`), where in pixels and in normalised coordinates.

    A ray X* of the reference meets the plane ``normal . X = depth`` at the inverse depth `rho` = normal . X* /
    depth, and is seen along ``A X*`` with the `homography` A = R + t normal^T / depth, whose third entry is
    `stretch`.
    """

    index: np.ndarray | slice
    column: np.ndarray
    row: np.ndarray
    x: np.ndarray
    y: np.ndarray
    rho: np.ndarray
    stretch: np.ndarray
    rays: np.ndarray
    homography: np.ndarray
    translation: np.ndarray
    depth: float

    def carried(self, gradient_x: np.ndarray, gradient_y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Carry the reference's gradient into the current image, by the inverse of the warp's derivative."""
        x, y, a = self.x, self.y, self.homography
        scale = 1.0 / self.stretch
        a11, a12 = (a[0, 0] - x * a[2, 0]) * scale, (a[0, 1] - x * a[2, 1]) * scale
        a21, a22 = (a[1, 0] - y * a[2, 0]) * scale, (a[1, 1] - y * a[2, 1]) * scale
        determinant = a11 * a22 - a12 * a21
        inverse = 1.0 / np.where(np.abs(determinant) < 1e-3, np.float32(1e-3), determinant)
        return (gradient_x * a22 - gradient_y * a21) * inverse, (gradient_y * a11 - gradient_x * a12) * inverse

    def jacobian(self, gradient_x: np.ndarray, gradient_y: np.ndarray) -> np.ndarray:
        """Derivative (8, M) of the image by the motion and by the plane's slope, from its gradients (M,)."""
        result = np.empty((8, len(self.x)), np.float32)
        interaction(self.x, self.y, self.rho / self.stretch, gradient_x, gradient_y, out=result[:6])
        tx, ty, tz = self.translation
        parallax = gradient_x * (tx - self.x * tz) + gradient_y * (ty - self.y * tz)
        parallax /= self.stretch * np.float32(self.depth)
        np.multiply(parallax, self.rays[0], out=result[6])
        np.multiply(parallax, self.rays[1], out=result[7])
        return result


def interaction(
    x: np.ndarray,
    y: np.ndarray,
    inverse_depth: np.ndarray,
    gradient_x: np.ndarray,
    gradient_y: np.ndarray,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Derivative (6, M) of the image by the motion: its gradient times the interaction matrix of a point.

    `x`, `y` (M,) are normalised image coordinates, the gradients (M,) are by these, `inverse_depth` (M,) is in
    1/m. Written to `out` if it is given.
    """
    radial = gradient_x * x + gradient_y * y
    result = np.empty((6, len(x)), np.result_type(radial, inverse_depth)) if out is None else out
    np.multiply(gradient_x, inverse_depth, out=result[0])
    np.multiply(gradient_y, inverse_depth, out=result[1])
    np.multiply(-radial, inverse_depth, out=result[2])
    np.subtract(-gradient_y, radial * y, out=result[3])
    np.add(gradient_x, radial * x, out=result[4])
    np.subtract(gradient_y * x, gradient_x * y, out=result[5])
    return result


def project(samples: Samples, camera: PinholeCamera, pose: Array, plane: ScenePlane) -> ProjectedSamples | None:
    """Project the samples for ``current_T_desired`` (4, 4); None when too few of them are in the image."""
    if not samples.count:
        return None
    over_depth = plane.normal / plane.depth
    homography = (pose[:3, :3] + np.outer(pose[:3, 3], over_depth)).astype(np.float32)
    moved = homography @ samples.rays
    rho = over_depth.astype(np.float32) @ samples.rays
    stretch = np.maximum(moved[2], np.float32(_BEHIND))
    x, y = moved[0] / stretch, moved[1] / stretch
    column = x * np.float32(camera.fx) + np.float32(camera.cx)
    row = y * np.float32(camera.fy) + np.float32(camera.cy)
    inside = (column >= 1) & (row >= 1) & (column <= camera.width - 2) & (row <= camera.height - 2)
    inside &= (moved[2] > _BEHIND) & (rho * np.float32(plane.depth) > _BEHIND)
    translation = pose[:3, 3].astype(np.float32)
    if inside.all():  # nothing to pick out, and nothing to copy
        index: np.ndarray | slice = slice(None)
        rays = samples.rays
    else:
        index = np.flatnonzero(inside)
        if len(index) < max(_MIN_VISIBLE * samples.count, _FEWEST):
            return None
        column, row, x, y, rho, stretch = (each[index] for each in (column, row, x, y, rho, stretch))
        rays = samples.rays[:2, index]
    return ProjectedSamples(index, column, row, x, y, rho, stretch, rays, homography, translation, plane.depth)


def at_nearest(image: np.ndarray, column: np.ndarray, row: np.ndarray) -> np.ndarray:
    """Values (N,) of an image (H, W) at the pixels nearest to the positions (N,) inside it."""
    index = (row + 0.5).astype(np.intp) * image.shape[1] + (column + 0.5).astype(np.intp)
    return image.ravel().take(index, mode='clip')


def sample(image: np.ndarray, column: np.ndarray, row: np.ndarray) -> np.ndarray:
    """Bilinear samples (N, C) of an image (H, W, C) at pixel positions (N,) inside it.

    OpenCV's remap rounds positions to 1/32 pixel, which is 0.1 mm of a camera at 25 cm where translation and
    rotation look alike.
    """
    width = image.shape[1]
    flat = image.reshape(-1, image.shape[2])
    left, top = column.astype(np.intp), row.astype(np.intp)
    right_share = (column - left.astype(np.float32))[:, None]
    lower_share = (row - top.astype(np.float32))[:, None]
    corner = top * width + left
    upper = flat.take(corner, axis=0, mode='clip')
    upper += right_share * (flat.take(corner + 1, axis=0, mode='clip') - upper)
    corner += width
    lower = flat.take(corner, axis=0, mode='clip')
    lower += right_share * (flat.take(corner + 1, axis=0, mode='clip') - lower)
    lower -= upper
    lower *= lower_share
    upper += lower
    return upper
