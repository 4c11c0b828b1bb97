"""Photographs of a chessboard by one uncalibrated camera: ``kind`` says ``9x6 inner corners``; all images count.

The boards themselves calibrate the camera and give the poses. A board of an odd number of corners one way and an
even number the other is black where it was white when turned by 180 degrees, which tells its ends apart.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from cnn_vs_ros.geometry import PinholeCamera, se3
from training.benchmark.real.kinds.poses import pairs_of_poses
from training.benchmark.real.pairs import UNKNOWN_DEPTH, Choice, Pair, RealSet, image_files, read_image
from training.errors import TrainingError

_SIZE = re.compile(r'(\d+)\s*x\s*(\d+) inner corners')
_LEAST_BOARDS = 4


def fits(entry: dict[str, Any], folder: Path, name: str) -> bool:
    """Whether the entry says how many inner corners the board has."""
    return _SIZE.search(str(entry.get('kind', ''))) is not None


def read(entry: dict[str, Any], folder: Path, name: str, choice: Choice) -> RealSet:
    """The images on which the whole board is found, compared on the board.

    Raises TrainingError where they are fewer than four, or the board looks the same when turned.
    """
    found = _SIZE.search(entry['kind'])
    assert found is not None
    columns, rows = int(found[1]), int(found[2])
    if (columns + rows) % 2 == 0:
        raise TrainingError(
            f'{name} should have an odd and an even number of inner corners but has {columns}x{rows}, '
            'which looks the same when it is turned by 180 degrees'
        )
    images = {path.stem: read_image(path) for path in image_files(folder / name)}
    corners = {key: _corners(image, columns, rows) for key, image in images.items()}
    seen = {key: points for key, points in corners.items() if points is not None}
    if len(seen) < _LEAST_BOARDS:
        raise TrainingError(
            f'{name} should have at least {_LEAST_BOARDS} images that show the whole board but has {len(seen)}'
        )
    height = min(images[key].shape[0] for key in seen)
    width = min(images[key].shape[1] for key in seen)
    camera, board, error = _calibrated(seen, columns, rows, (width, height))
    pairs = [
        _on_board(pair, cv2.convexHull(_undistorted(seen[pair.reference], camera))[:, 0])
        for pair in pairs_of_poses(name, board, camera, choice)
    ]
    note = (
        f'{name}: camera calibrated by the boards themselves (fx {camera.fx:.0f} of {width} pixels, '
        f'{error:.2f} pixels of error), {UNKNOWN_DEPTH} m taken as the mean distance'
    )
    missing = [key for key in images if key not in seen]
    notes = (
        note,
        *([f'{name}: the whole board is not seen on {", ".join(missing)}, left out'] if missing else []),
    )
    # One camera, though single images may have a row or a column more.
    return RealSet(name, pairs, lambda key: images[key][:height, :width], notes)


def _on_board(pair: Pair, region: np.ndarray) -> Pair:
    assert pair.truth is not None
    return replace(pair, truth=replace(pair.truth, region=region))


def _corners(image: np.ndarray, columns: int, rows: int) -> np.ndarray | None:
    """Inner corners (N, 2) row by row, those of the board's dark end first."""
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    found, corners = cv2.findChessboardCornersSB(grey, (columns, rows), flags=cv2.CALIB_CB_ACCURACY)
    if not found:
        return None
    grid = corners.reshape(rows, columns, 2)
    first, last = (_brightness(grey, block) for block in (grid[:2, :2], grid[-2:, -2:]))
    return np.asarray((grid if first < last else grid[::-1, ::-1]).reshape(-1, 2), np.float32)


def _brightness(grey: np.ndarray, square: np.ndarray) -> float:
    mask = np.zeros(grey.shape, np.uint8)
    centre = square.reshape(-1, 2).mean(axis=0)
    outline = centre + 0.6 * (square[[0, 0, 1, 1], [0, 1, 1, 0]] - centre)
    cv2.fillConvexPoly(mask, np.rint(outline).astype(np.int32), 1)
    return float(grey[mask > 0].mean())


def _calibrated(
    corners: dict[str, np.ndarray], columns: int, rows: int, size: tuple[int, int]
) -> tuple[PinholeCamera, dict[str, np.ndarray], float]:
    """Camera, ``camera_T_board`` of each image and the reprojection error in pixels."""
    places = np.zeros((rows * columns, 3), np.float32)
    places[:, :2] = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1).reshape(-1, 2)
    error, matrix, distortion, turns, moves = cv2.calibrateCamera(
        [places] * len(corners), list(corners.values()), size, None, None, flags=cv2.CALIB_FIX_K3
    )
    matrix[0, 1] = 0.0
    camera = PinholeCamera.from_calibration(*size, matrix, distortion.ravel()[:4])
    scale = UNKNOWN_DEPTH / float(np.mean([np.linalg.norm(move) for move in moves]))
    board = {
        key: se3.transform(cv2.Rodrigues(turn)[0], scale * move.ravel())
        for key, turn, move in zip(corners, turns, moves, strict=True)
    }
    return camera, board, float(error)


def _undistorted(points: np.ndarray, camera: PinholeCamera) -> np.ndarray:
    flat = cv2.undistortPoints(points[:, None], camera.matrix, np.asarray(camera.distortion), P=camera.matrix)
    return np.asarray(flat[:, 0], np.float32)
