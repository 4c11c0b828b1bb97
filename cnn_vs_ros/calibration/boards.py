"""Hand-eye calibration by a board, OpenCV's way, to compare with: ChArUco, or a chessboard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.errors import HandEyeError
from cnn_vs_ros.estimation.pyramid import to_grey
from cnn_vs_ros.geometry import PinholeCamera, se3

Array = NDArray[np.float64]

_DICTIONARY = 'DICT_5X5_100'
_MARKER = 0.75
"""Side of a marker in squares."""
_LEAST_CORNERS = 8
_LEAST_VIEWS = 3


@dataclass(frozen=True)
class Board:
    """A board of `columns` x `rows` squares with sides of `square` metres, with ChArUco's markers or without."""

    columns: int
    rows: int
    square: float
    markers: bool = True

    def __post_init__(self) -> None:
        if min(self.columns, self.rows) < 3 or not self.square > 0:
            raise HandEyeError(
                f'board should have 3 x 3 squares or more of positive metres but has {self.columns}x{self.rows} '
                f'of {self.square}'
            )

    @classmethod
    def parse(cls, text: str, *, markers: bool) -> Board:
        """Board of a text such as ``7x5x0.03``: squares across and down, metres of one. Raises HandEyeError."""
        try:
            columns, rows, square = text.lower().split('x')
            return cls(int(columns), int(rows), float(square), markers)
        except ValueError as error:
            if isinstance(error, HandEyeError):
                raise
            raise HandEyeError(f'board should be COLUMNSxROWSxMETRES, as 7x5x0.03, but is {text!r}') from None

    def drawn(self, pixels: int) -> np.ndarray:
        """Picture uint8 of the board with squares of so many pixels."""
        return np.asarray(self._charuco().generateImage((self.columns * pixels, self.rows * pixels)))

    def pose(self, image: np.ndarray, camera: PinholeCamera) -> Array | None:
        """``camera_T_board`` (4, 4) from an image (H, W[, 3]) uint8; None where the board is not seen."""
        grey = camera.undistort(to_grey(image))
        places, corners = self._charuco_corners(grey) if self.markers else self._chess_corners(grey)
        if len(corners) < _LEAST_CORNERS:
            return None
        found, turn, move = cv2.solvePnP(places, corners, camera.matrix, None)
        if not found:
            return None
        turn, move = cv2.solvePnPRefineLM(places, corners, camera.matrix, None, turn, move)
        return se3.transform(cv2.Rodrigues(turn)[0], move.ravel())

    def _charuco(self) -> cv2.aruco.CharucoBoard:
        if not hasattr(getattr(cv2, 'aruco', None), 'CharucoDetector'):
            raise HandEyeError(f'a ChArUco board needs OpenCV 4.8 or later but this is {cv2.__version__}')
        dictionary = cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, _DICTIONARY))
        return cv2.aruco.CharucoBoard((self.columns, self.rows), self.square, _MARKER * self.square, dictionary)

    def _charuco_corners(self, grey: np.ndarray) -> tuple[Array, Array]:
        board = self._charuco()
        corners, names, _, _ = cv2.aruco.CharucoDetector(board).detectBoard(grey)
        if names is None:
            return np.empty((0, 3)), np.empty((0, 2))
        return board.getChessboardCorners()[names.ravel()].astype(np.float64), corners.reshape(-1, 2).astype(
            np.float64
        )

    def _chess_corners(self, grey: np.ndarray) -> tuple[Array, Array]:
        size = self.columns - 1, self.rows - 1
        found, corners = cv2.findChessboardCornersSB(grey, size, flags=cv2.CALIB_CB_ACCURACY)
        if not found:
            return np.empty((0, 3)), np.empty((0, 2))
        across, down = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
        places = np.stack([across, down, np.zeros_like(across)], -1).reshape(-1, 3) * self.square
        return places.astype(np.float64), corners.reshape(-1, 2).astype(np.float64)


def hand_eye(board: Board, images: Sequence[np.ndarray], flanges: Array, camera: PinholeCamera) -> Array:
    """Mount ``flange_T_camera`` (4, 4) by ``cv2.calibrateHandEye`` from images and ``base_T_flange`` (n, 4, 4).

    Raises HandEyeError where the board is seen in fewer than three.
    """
    poses = [board.pose(image, camera) for image in images]
    seen = [index for index, pose in enumerate(poses) if pose is not None]
    if len(seen) < _LEAST_VIEWS:
        raise HandEyeError(
            f'the board should be seen in {_LEAST_VIEWS} images or more but is in {len(seen)} of {len(poses)}'
        )
    arm, views = flanges[seen], np.array([poses[index] for index in seen])
    turn, move = cv2.calibrateHandEye(
        list(arm[:, :3, :3]),
        list(arm[:, :3, 3]),
        list(views[:, :3, :3]),
        list(views[:, :3, 3]),
        method=cv2.CALIB_HAND_EYE_PARK,
    )
    return se3.transform(turn, move.ravel())
