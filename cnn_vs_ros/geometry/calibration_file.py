"""Calibrations in YAML: of ROS (camera_calibration writes it), of Kalibr, and of OpenCV (its FileStorage)."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote

from cnn_vs_ros.environment import user_path
from cnn_vs_ros.errors import CalibrationError
from cnn_vs_ros.foreign.entries import Entries, shortened
from cnn_vs_ros.foreign.images import MAX_PIXELS
from cnn_vs_ros.foreign.yaml_text import read_yaml
from cnn_vs_ros.geometry.camera import MAX_COEFFICIENTS, PinholeCamera
from cnn_vs_ros.resources import share_folders

_KALIBR_MODELS = {'radtan': 'plumb_bob', 'equidistant': 'equidistant', 'none': 'plumb_bob'}
"""Kalibr's distortion models of a pinhole camera, by the names of sensor_msgs/CameraInfo."""


def load_calibration(path: str | os.PathLike[str]) -> PinholeCamera:
    """Camera of a calibration file; a `file://` or `package://` URL, with escapes such as %20, is allowed.

    Rectification and projection matrices, which a monocular camera does not need, are not read.

    Raises CalibrationError when the file is missing, is no such YAML or its numbers describe no camera.
    """
    name = os.fspath(path)
    entries = read_yaml(_located(name), CalibrationError)
    if 'cam0' in entries:
        return _of_kalibr(Entries(entries['cam0'], f'{name}: cam0', CalibrationError))
    if 'camera_matrix' not in entries:
        raise CalibrationError(
            f'{name} should be a calibration of ROS or OpenCV (with the entry camera_matrix) '
            'or of Kalibr (with the entry cam0) but has neither'
        )
    fisheye = 'fisheye_model' in entries and entries.whole('fisheye_model', 0, 1)  # of OpenCV
    return PinholeCamera.from_calibration(
        entries.whole('image_width', 1, MAX_PIXELS),
        entries.whole('image_height', 1, MAX_PIXELS),
        entries.numbers('camera_matrix', 9),
        entries.numbers('distortion_coefficients', MAX_COEFFICIENTS),
        entries.text('distortion_model', 'equidistant' if fisheye else 'plumb_bob'),
    )


def _located(name: str) -> Path:
    """Path of a file or URL. Raises CalibrationError for a package that is not there."""
    if name.startswith('file://'):
        return user_path(unquote(name.removeprefix('file://')))
    if not name.startswith('package://'):
        return user_path(name)
    package, _, relative = unquote(name.removeprefix('package://')).partition('/')
    folders = [folder / package for folder in share_folders()]
    found = next((folder for folder in folders if folder.is_dir()), None)
    if not package or found is None:
        raise CalibrationError(
            f'{name} should be in a package of AMENT_PREFIX_PATH but there is no {package or "package in it"}'
        )
    return found / relative


def _of_kalibr(entries: Entries) -> PinholeCamera:
    """First camera of a camchain file, without what it says of other cameras and of an IMU."""
    model, distortion = entries.text('camera_model'), entries.text('distortion_model')
    if model != 'pinhole' or distortion not in _KALIBR_MODELS:
        raise CalibrationError(
            f'calibration of Kalibr should be of pinhole with {", ".join(_KALIBR_MODELS)} '
            f'but is of {shortened(model)} with {shortened(distortion)}'
        )
    intrinsics, size = entries.numbers('intrinsics', 4), entries.numbers('resolution', 2)
    if len(intrinsics) != 4 or len(size) != 2:
        raise CalibrationError(
            'calibration of Kalibr should have 4 intrinsics and a resolution of 2 numbers '
            f'but has {len(intrinsics)} and {len(size)}'
        )
    fx, fy, cx, cy = intrinsics
    coefficients = entries.numbers('distortion_coeffs', MAX_COEFFICIENTS) if distortion != 'none' else ()
    return PinholeCamera.from_calibration(
        int(size[0]), int(size[1]), (fx, 0, cx, 0, fy, cy, 0, 0, 1), coefficients, _KALIBR_MODELS[distortion]
    )
