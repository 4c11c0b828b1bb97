"""Photographs of a calibrated camera whose poses are known: ``K``, ``D`` and ``camera_T_board: {image: (4, 4)}``.

The scene is the plane z = 0 of the board's frame, metres.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from cnn_vs_ros.geometry import PinholeCamera, se3
from training.benchmark.real.pairs import Choice, Pair, RealSet, chosen_pairs, loader, truth_of_poses
from training.errors import TrainingError

_GREAT_TURN = 60.0
"""Degrees between two views from which they are a row of their own."""


def fits(entry: dict[str, Any], folder: Path, name: str) -> bool:
    """Whether the entry gives a calibration and poses."""
    return 'camera_T_board' in entry


def read(entry: dict[str, Any], folder: Path, name: str, choice: Choice) -> RealSet:
    """The set, pairs that are turned by more than 60 degrees in a row of their own.

    Raises TrainingError where there are fewer than two poses.
    """
    board = {image: np.asarray(pose, np.float64) for image, pose in entry['camera_T_board'].items()}
    if len(board) < 2:
        raise TrainingError(f'{name} should have camera_T_board of at least 2 images but has {len(board)}')
    load = loader(folder / name)
    height, width = load(next(iter(board))).shape[:2]
    camera = PinholeCamera.from_calibration(width, height, entry['K'], entry.get('D', ()))
    return RealSet(name, pairs_of_poses(name, board, camera, choice), load)


def pairs_of_poses(name: str, board: dict[str, np.ndarray], camera: PinholeCamera, choice: Choice) -> list[Pair]:
    """Pairs of the views whose ``camera_T_board`` are given."""
    pairs = []
    for reference, image in chosen_pairs(list(board), choice.every_pair):
        truth, depth = truth_of_poses(board[reference], board[image], camera)
        assert truth.desired_T_current is not None
        turn = np.rad2deg(se3.pose_error(truth.desired_T_current)[1])
        group = f'{name}, turned by {"over" if turn > _GREAT_TURN else "up to"} {_GREAT_TURN:g} deg'
        pairs.append(Pair(group, reference, image, camera, depth, truth))
    return pairs
