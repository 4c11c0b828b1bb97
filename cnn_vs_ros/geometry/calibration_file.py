"""Calibrations in the YAML format of ROS (camera_calibration writes it, camera_info_manager reads it)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml

from cnn_vs_ros.errors import CalibrationError, VisualServoingError
from cnn_vs_ros.geometry.camera import PinholeCamera

_MAX_BYTES = 65536


def load_calibration(path: str | os.PathLike[str]) -> PinholeCamera:
    """Camera of a calibration file; a `file://` before its path is allowed.

    Rectification and projection matrices, which a monocular camera does not need, are not read.

    Raises CalibrationError when the file is missing, is no such YAML or its numbers describe no camera.
    """
    file = Path(str(path).removeprefix('file://')).expanduser()
    if not file.is_file():
        raise CalibrationError(f'camera calibration should be a YAML file but there is none at {file}')
    if file.stat().st_size > _MAX_BYTES:
        raise CalibrationError(f'{file} should be a short YAML file but has {file.stat().st_size} bytes')
    try:
        values = yaml.safe_load(file.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CalibrationError(f'{file} should be a YAML file but cannot be parsed') from error
    if not isinstance(values, dict):
        raise CalibrationError(f'{file} should hold image_width, camera_matrix and so on but does not')
    try:
        return PinholeCamera.from_calibration(
            int(values['image_width']),
            int(values['image_height']),
            _data(values['camera_matrix']),
            _data(values['distortion_coefficients']),
            str(values.get('distortion_model', 'plumb_bob')),
        )
    except KeyError as error:
        raise CalibrationError(f'{file} lacks the entry {error}') from error
    except (TypeError, ValueError) as error:
        reason = f'{error}' if isinstance(error, VisualServoingError) else f'an entry is malformed ({error})'
        raise CalibrationError(f'{file} does not describe a camera: {reason}') from error


def _data(matrix: Any) -> list[float]:
    """Entries of a {rows, cols, data} matrix, or of a plain list."""
    entries = matrix['data'] if isinstance(matrix, dict) else matrix
    return [float(value) for value in entries]
