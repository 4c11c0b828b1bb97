"""Labels of the coarse matcher: where each grid cell of one view lies on the grid of another."""

from __future__ import annotations

import numpy as np

from training.networks.cells import CELL_OFFSET, STRIDE


def view_pairs(views: int) -> list[tuple[int, int]]:
    """Return the unordered pairs (i, j), i < j, of `views` views."""
    return [(i, j) for i in range(views) for j in range(i + 1, views)]


def cell_centres(width: int, height: int) -> np.ndarray:
    """Return the pixels (N, 2) of the cells' centres of a width x height image, row by row."""
    x = STRIDE * np.arange(width // STRIDE) + CELL_OFFSET
    y = STRIDE * np.arange(height // STRIDE) + CELL_OFFSET
    return np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)


def correspondences(
    from_homography: np.ndarray, to_homography: np.ndarray, from_visible: np.ndarray, to_visible: np.ndarray
) -> np.ndarray:
    """Return for each cell of one view its place on the grid of another and whether both show it.

    Args:
        from_homography: (3, 3), from texel coordinates to pixels of the view whose cells are labelled.
        to_homography: (3, 3), the same of the other view.
        from_visible: (H, W) bool, pixels of the first view that show the texture.
        to_visible: the same of the other view.

    Returns:
        (N, 3) float32: cell coordinates (column, row) in the other view, clipped to its grid, and 1 where the
        point is seen in both views: at least half of the cell in the first, the point itself in the second.
    """
    height, width = from_visible.shape
    columns, rows = width // STRIDE, height // STRIDE
    centres = cell_centres(width, height)
    homogeneous = np.c_[centres, np.ones(len(centres))] @ (to_homography @ np.linalg.inv(from_homography)).T
    ahead = homogeneous[:, 2] > 1e-9
    point = homogeneous[:, :2] / np.where(ahead, homogeneous[:, 2], 1.0)[:, None]
    cell = (point - CELL_OFFSET) / STRIDE
    inside = ahead & np.all((cell > -0.5) & (cell < (columns - 0.5, rows - 0.5)), axis=1)
    pixel = np.clip(np.rint(point), 0, (width - 1, height - 1)).astype(int)
    blocks = from_visible[: rows * STRIDE, : columns * STRIDE].reshape(rows, STRIDE, columns, STRIDE)
    seen_here = blocks.mean(axis=(1, 3)).ravel() >= 0.5
    seen_there = to_visible[pixel[:, 1], pixel[:, 0]]
    clipped = np.clip(cell, 0, (columns - 1, rows - 1))
    return np.c_[clipped, inside & seen_here & seen_there].astype(np.float32)


def group_targets(homographies: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """Return the labels (2, P, N, 3) of all pairs of a group of views: [0] from i to j, [1] from j to i.

    Args:
        homographies: (V, 3, 3), from texel coordinates to pixels of each view, positive in front.
        visible: (V, H, W) bool.
    """
    pairs = view_pairs(len(homographies))
    directions = (pairs, [(j, i) for i, j in pairs])
    return np.stack(
        [
            np.stack(
                [correspondences(homographies[a], homographies[b], visible[a], visible[b]) for a, b in direction]
            )
            for direction in directions
        ]
    )
