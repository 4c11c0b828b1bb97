"""The desired image: what the user stores at the pose to come back to."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import yaml

from cnn_vs_ros.errors import ReferenceFolderError, VisualServoingError
from cnn_vs_ros.estimation.plane import ScenePlane
from cnn_vs_ros.estimation.pyramid import to_grey
from cnn_vs_ros.geometry import PinholeCamera

IMAGE_FILE = 'image.png'
CALIBRATION_FILE = 'reference.yaml'
FORMAT_VERSION = 1

_MAX_CALIBRATION_BYTES = 65536
_MAX_PIXELS = 1 << 26


@dataclass(frozen=True, eq=False)
class Reference:
    """The desired image with the calibration of its camera and the depth of the scene.

    `image` is uint8 (H, W) grey or (H, W, 3) BGR, as the camera delivered it (distorted if it distorts);
    `camera` its calibration; `depth` the distance in metres, along the optical axis, to the scene's plane, and
    `depth_sigma` its standard deviation where it was measured (depth_calibration).
    Raises ImageError, CalibrationError or ReferenceFolderError for what cannot be a reference.
    """

    image: np.ndarray
    camera: PinholeCamera
    depth: float
    depth_sigma: float | None = None
    normal: tuple[float, float, float] | None = None
    normal_sigma: float | None = None
    mask: np.ndarray | None = None

    def __post_init__(self) -> None:
        to_grey(self.image)
        self.camera.check_image(self.image)
        if self.mask is not None:
            self.camera.check_image(self.mask)
        if not (np.isfinite(self.depth) and self.depth > 0):
            raise ReferenceFolderError(f'reference depth should be positive metres but is {self.depth}')

    @cached_property
    def plane(self) -> ScenePlane:
        """The scene's plane as far as it is known. Raises ReferenceFolderError for an impossible normal."""
        if self.normal is None:
            return ScenePlane(self.depth)
        return ScenePlane.with_normal(self.depth, self.normal, self.normal_sigma or 0.0)

    @cached_property
    def sha256(self) -> str:
        """Hash of the pixels, by which a scene-specific model knows its reference."""
        digest = hashlib.sha256(repr(self.image.shape).encode())
        digest.update(np.ascontiguousarray(self.image).tobytes())
        return digest.hexdigest()

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write the reference to `folder` as plain files, atomically: readers see the old or the new one whole.

        An existing folder is replaced only if it is a reference; anything else raises ReferenceFolderError.
        """
        folder = Path(folder)
        if folder.exists() and not self._is_replaceable(folder):
            raise ReferenceFolderError(
                f'{folder} should be a reference folder or not exist, but it holds other files; choose another'
            )
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f'.{folder.name}-', dir=folder.parent))
        try:
            if not cv2.imwrite(str(scratch / IMAGE_FILE), self.image):
                raise ReferenceFolderError(f'cannot write the reference image below {folder.parent}')
            (scratch / CALIBRATION_FILE).write_text(yaml.safe_dump(self._calibration(), sort_keys=False))
            scratch.chmod(0o755)
            if folder.exists():
                retired = scratch.with_name(scratch.name + '-old')
                folder.rename(retired)
                scratch.rename(folder)
                shutil.rmtree(retired)
            else:
                scratch.rename(folder)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        return folder

    @staticmethod
    def _is_replaceable(folder: Path) -> bool:
        return folder.is_dir() and {path.name for path in folder.iterdir()} <= {IMAGE_FILE, CALIBRATION_FILE}

    def _calibration(self) -> dict[str, object]:
        camera = self.camera
        return {
            'format_version': FORMAT_VERSION,
            'image_sha256': self.sha256,
            'depth': float(self.depth),
            **({} if self.depth_sigma is None else {'depth_standard_deviation': float(self.depth_sigma)}),
            'image_width': camera.width,
            'image_height': camera.height,
            'camera_matrix': [float(value) for value in camera.matrix.ravel()],
            'distortion_model': camera.distortion_model,
            'distortion_coefficients': [float(value) for value in camera.distortion],
        }

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Reference:
        """Read a reference that `save` wrote. Raises ReferenceFolderError when it is missing or inconsistent."""
        folder = Path(folder)
        for name in (IMAGE_FILE, CALIBRATION_FILE):
            if not (folder / name).is_file():
                raise ReferenceFolderError(f'reference folder {folder} should hold {name} but does not')
        values = _read_calibration(folder / CALIBRATION_FILE)
        width, height = _png_size(folder / IMAGE_FILE)
        if width * height > _MAX_PIXELS:
            raise ReferenceFolderError(
                f'{folder / IMAGE_FILE} should have at most {_MAX_PIXELS} pixels but is {width}x{height}'
            )
        image = cv2.imread(str(folder / IMAGE_FILE), cv2.IMREAD_UNCHANGED)
        if image is None:
            raise ReferenceFolderError(f'{folder / IMAGE_FILE} should be a PNG image but cannot be decoded')
        try:
            camera = PinholeCamera.from_calibration(
                int(values['image_width']),
                int(values['image_height']),
                values['camera_matrix'],
                values['distortion_coefficients'],
                str(values['distortion_model']),
            )
            sigma = values.get('depth_standard_deviation')
            reference = cls(image, camera, float(values['depth']), None if sigma is None else float(sigma))
        except KeyError as error:
            raise ReferenceFolderError(f'{folder / CALIBRATION_FILE} lacks the entry {error}') from error
        except (TypeError, ValueError) as error:
            reason = f'{error}' if isinstance(error, VisualServoingError) else f'an entry is malformed ({error})'
            raise ReferenceFolderError(f'reference folder {folder} is inconsistent: {reason}') from error
        if values.get('image_sha256') != reference.sha256:
            raise ReferenceFolderError(f'{folder / IMAGE_FILE} is not the image that {CALIBRATION_FILE} describes')
        return reference


def _png_size(path: Path) -> tuple[int, int]:
    """Width and height that a PNG file states at its beginning (its IHDR chunk), before anything is decoded."""
    with path.open('rb') as file:
        head = file.read(24)
    if not (head.startswith(b'\x89PNG\r\n\x1a\n') and head[12:16] == b'IHDR' and len(head) == 24):
        raise ReferenceFolderError(f'{path} should be a PNG image but cannot be decoded')
    return int.from_bytes(head[16:20], 'big'), int.from_bytes(head[20:24], 'big')


def _read_calibration(path: Path) -> dict:
    if path.stat().st_size > _MAX_CALIBRATION_BYTES:
        raise ReferenceFolderError(f'{path} should be a short YAML file but has {path.stat().st_size} bytes')
    try:
        values = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ReferenceFolderError(f'{path} should be a YAML file but cannot be parsed') from error
    if not isinstance(values, dict) or values.get('format_version') != FORMAT_VERSION:
        raise ReferenceFolderError(f'{path} should have format_version {FORMAT_VERSION}')
    return values
