"""The rival: a ChArUco board in the same cell, 25 poses, OpenCV's detector and calibrateHandEye."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.benchmark import CAMERA
from cnn_vs_ros.calibration.boards import Board, hand_eye
from cnn_vs_ros.calibration.motion import MotionLimits
from cnn_vs_ros.geometry import se3
from training.benchmark.calibration.cell import POSTURE, Cell

Array = NDArray[np.float64]

POSES = 25
_SQUARES = 7, 5
_SQUARE = 200
"""Texels of a square."""
_FILLS = 0.55
"""Part of the image's height that the board takes."""


def calibrate_by_board(cell: Cell, limits: MotionLimits) -> Array:
    """Mount ``flange_T_camera`` (4, 4) by views of a board from random places, as far off as ours are.

    Raises HandEyeError where the board is not seen often enough.
    """
    rng = np.random.default_rng([cell.seed, 20])
    board = Board(*_SQUARES, _FILLS * cell.depth * CAMERA.height / CAMERA.fy / _SQUARES[1])
    picture = board.drawn(_SQUARE)
    paper = np.full((picture.shape[0] + 4 * _SQUARE, picture.shape[1] + 4 * _SQUARE), 235, np.uint8)
    paper[2 * _SQUARE : -2 * _SQUARE, 2 * _SQUARE : -2 * _SQUARE] = picture
    seen = replace(
        cell, world=replace(cell.world, texture=paper, texels_per_metre=_SQUARE / board.square, endless=True)
    )
    start, kinematics = POSTURE, cell.kinematics
    images, flanges = [], []
    pivot = np.array([0.0, 0.0, min(cell.depth, limits.distance / np.sin(limits.angle))])
    for _ in range(POSES):
        turn = se3.rotation_exp(rng.uniform(-1, 1, 3) * np.array([1.0, 1.0, 1.5]) * limits.angle)
        place = se3.transform(turn, pivot - turn @ pivot + rng.uniform(-0.05, 0.05, 3) * cell.depth)
        flange = kinematics.pose(start) @ cell.mount @ place @ se3.inverse(cell.mount)
        images.append(seen.image(flange))
        flanges.append(_felt(cell, flange, rng))
    return hand_eye(board, images, np.array(flanges), CAMERA)


def _felt(cell: Cell, flange: Array, rng: np.random.Generator) -> Array:
    """What joint states with noise say of a flange pose (4, 4)."""
    if not cell.trouble.joint_noise:
        return flange
    joints = cell.kinematics.jacobian(POSTURE) @ (cell.trouble.joint_noise * rng.standard_normal(len(POSTURE)))
    return flange @ se3.exp(joints)
