"""Calibrations in the YAML format of ROS (camera_calibration writes it, camera_info_manager reads it)."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote

from cnn_vs_ros.errors import CalibrationError
from cnn_vs_ros.foreign.images import MAX_PIXELS
from cnn_vs_ros.foreign.yaml_text import read_yaml
from cnn_vs_ros.geometry.camera import MAX_COEFFICIENTS, PinholeCamera


def load_calibration(path: str | os.PathLike[str]) -> PinholeCamera:
    """Camera of a calibration file; a `file://` URL, with escapes such as %20, is allowed.

    Rectification and projection matrices, which a monocular camera does not need, are not read.

    Raises CalibrationError when the file is missing, is no such YAML or its numbers describe no camera.
    """
    name = os.fspath(path)
    if name.startswith('file://'):
        name = unquote(name.removeprefix('file://'))
    entries = read_yaml(Path(name).expanduser(), CalibrationError)
    return PinholeCamera.from_calibration(
        entries.whole('image_width', 1, MAX_PIXELS),
        entries.whole('image_height', 1, MAX_PIXELS),
        entries.numbers('camera_matrix', 9),
        entries.numbers('distortion_coefficients', MAX_COEFFICIENTS),
        entries.text('distortion_model', 'plumb_bob'),
    )
