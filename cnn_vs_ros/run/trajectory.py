"""What happened in a run, a row for each image that was processed."""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.errors import VisualServoingError

Array = NDArray[np.float64]

_POSE = ('x_m', 'y_m', 'z_m', 'rx_rad', 'ry_rad', 'rz_rad')
_TWIST = ('vx_m_s', 'vy_m_s', 'vz_m_s', 'wx_rad_s', 'wy_rad_s', 'wz_rad_s')
COLUMNS = (
    'time_s',
    *(f'estimate_{name}' for name in _POSE),
    *(f'truth_{name}' for name in _POSE),
    *(f'twist_{name}' for name in _TWIST),
    'ssd',
    'confidence',
    'status',
)


class TrajectoryError(VisualServoingError):
    """A file that is not a trajectory."""


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Columns of N processed images; NaN where something is not known.

    `time` (N,) seconds since the servo was started; `estimate` and `truth` (N, 6) desired_T_current as
    [t; theta u] in metres and radians; `twist` (N, 6) of the camera in its frame, m/s and rad/s; `ssd` (N,) sum of
    squared differences to the reference image, grey levels squared; `confidence` (N,); `status` N words of
    pose_status.
    """

    time: Array
    estimate: Array
    truth: Array
    twist: Array
    ssd: Array
    confidence: Array
    status: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.time)

    @property
    def error(self) -> Array:
        """The truth where it is known at all, else the estimate, (N, 6)."""
        return self.truth if np.isfinite(self.truth).any() else self.estimate

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write as CSV with a header."""
        numbers = np.column_stack([self.time, self.estimate, self.truth, self.twist, self.ssd, self.confidence])
        with Path(path).open('w', newline='') as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            for row, status in zip(numbers, self.status, strict=True):
                writer.writerow([*('' if np.isnan(value) else f'{value:.9g}' for value in row), status])

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Trajectory:
        """Read what `write` wrote. Raises TrajectoryError when it is something else."""
        with Path(path).open(newline='') as file:
            rows = list(csv.reader(file))
        if not rows or tuple(rows[0]) != COLUMNS:
            raise TrajectoryError(f'{path} should begin with the columns of a trajectory but does not')
        try:
            numbers = np.array([[float(value or 'nan') for value in row[:-1]] for row in rows[1:]])
        except ValueError as error:
            raise TrajectoryError(f'{path} should hold numbers but does not: {error}') from error
        numbers = numbers.reshape(len(rows) - 1, len(COLUMNS) - 1)
        time, estimate, truth, twist, ssd, confidence = np.split(numbers, (1, 7, 13, 19, 20), axis=1)
        status = tuple(row[-1] for row in rows[1:])
        return cls(time[:, 0], estimate, truth, twist, ssd[:, 0], confidence[:, 0], status)
