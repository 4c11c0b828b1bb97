"""The desired image: what the user stores at the pose to come back to."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import yaml

from cnn_vs_ros.atomic_folder import replace_folder
from cnn_vs_ros.errors import CalibrationError, ImageError, ReferenceFolderError, VisualServoingError
from cnn_vs_ros.estimation.plane import STEEPEST, ScenePlane
from cnn_vs_ros.estimation.pyramid import to_grey
from cnn_vs_ros.foreign.entries import Entries
from cnn_vs_ros.foreign.images import MAX_PIXELS, read_image, write_image
from cnn_vs_ros.foreign.yaml_text import read_yaml
from cnn_vs_ros.geometry import PinholeCamera
from cnn_vs_ros.geometry.camera import MAX_COEFFICIENTS

IMAGE_FILE = 'image.png'
CALIBRATION_FILE = 'reference.yaml'
MASK_FILE = 'mask.png'
FORMAT_VERSION = 1

SMALLEST_SIDE, MOST_OBLONG = 32, 8
"""Pixels of the shorter side of an image that something can be found in, and how often the longer one is that."""

_UTMOST = 0.999 * STEEPEST
_LOOKS = 20


@dataclass(frozen=True, eq=False)
class Reference:
    """The desired image with the calibration of its camera and what is known of the scene's plane.

    `image` is uint8 (H, W) grey or (H, W, 3) BGR, as the camera delivered it (distorted if it distorts);
    `camera` its calibration; `depth` the distance in metres, along the optical axis, to the scene's plane, and
    `depth_sigma` its standard deviation where it was measured.

    `normal` (3,), of any length, is that of the plane in the desired camera's frame, and `normal_sigma` the
    standard deviation of its direction in radians (none: as sure as can be); without it the plane is about
    fronto-parallel. `mask` (H, W), uint8 or bool, is of the camera's distorted images: 0 where something that
    moves with the camera, such as a gripper, hides the scene, in this image and in every later one.
    `taught` is where the camera that took the image was in the arm's root link, ``[t; theta u]``, metres and
    radians, where that has been told (part_finder).

    Raises ImageError, CalibrationError or ReferenceFolderError for what cannot be a reference.
    """

    image: np.ndarray
    camera: PinholeCamera
    depth: float
    depth_sigma: float | None = None
    normal: tuple[float, float, float] | None = None
    normal_sigma: float | None = None
    mask: np.ndarray | None = None
    taught: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        to_grey(self.image)
        if self.image.ndim == 3 and self.image.shape[2] == 1:
            object.__setattr__(self, 'image', self.image[..., 0])
        self.camera.check_image(self.image)
        if min(self.image.shape[:2]) < SMALLEST_SIDE:
            raise ImageError(
                f'reference image should have sides of at least {SMALLEST_SIDE} pixels but is '
                f'{self.camera.width}x{self.camera.height}'
            )
        if max(self.image.shape[:2]) > MOST_OBLONG * min(self.image.shape[:2]):
            raise ImageError(
                f'reference image should be at most {MOST_OBLONG} times as long as wide but is '
                f'{self.camera.width}x{self.camera.height}'
            )
        if not (np.isfinite(self.depth) and self.depth > 0):
            raise ReferenceFolderError(f'reference depth should be positive metres but is {self.depth}')
        if self.normal_sigma is not None and self.normal is None:
            raise ReferenceFolderError(
                'the standard deviation of a normal should come with the normal but is alone'
            )
        if self.mask is not None:
            self._check_mask(self.mask)
        _ = self.plane

    def _check_mask(self, mask: np.ndarray) -> None:
        if mask.shape != self.image.shape[:2]:
            raise ImageError(
                f'mask should be {self.camera.width}x{self.camera.height} as the reference image, in one channel, '
                f'but has shape {mask.shape}'
            )
        if mask.dtype not in (np.uint8, np.bool_):
            raise ImageError(f'mask should hold uint8 or bool values but holds {mask.dtype}')
        if not mask.any():
            raise ImageError('mask should leave something of the scene but is 0 everywhere')

    @cached_property
    def plane(self) -> ScenePlane:
        """The scene's plane as far as it is known."""
        if self.normal is None:
            return ScenePlane(self.depth)
        return ScenePlane.with_normal(self.depth, self.normal, self.normal_sigma or 0.0)

    def of_plane(self, plane: ScenePlane) -> Reference:
        """Return the reference with the orientation of another `plane`, and how well that is known.

        One that is steeper than a reference can be is taken to be the steepest.
        """
        first, second, third = (float(value) for value in plane.no_steeper_than(_UTMOST).unit_normal)
        return replace(self, normal=(first, second, third), normal_sigma=plane.sigma)

    @cached_property
    def sha256(self) -> str:
        """Hash of the pixels, by which a scene-specific model knows its reference."""
        digest = hashlib.sha256(repr(self.image.shape).encode())
        digest.update(np.ascontiguousarray(self.image).tobytes())
        return digest.hexdigest()

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write the reference to `folder` as plain files, atomically: readers see the old or the new one whole.

        An existing folder is replaced only if it is a reference; anything else raises ReferenceFolderError. Raises
        OSError where it cannot be written; what was there before is there still.
        """
        folder = Path(folder).resolve()  # what a link leads to is replaced, not the link
        if folder.exists() and not self._is_replaceable(folder):
            raise ReferenceFolderError(
                f'{folder} should be a reference folder or not exist, but it holds other files; choose another'
            )
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f'.{folder.name}-', dir=folder.parent))
        try:
            write_image(scratch / IMAGE_FILE, self.image)
            if self.mask is not None:
                write_image(scratch / MASK_FILE, _drawn(self.mask))
            (scratch / CALIBRATION_FILE).write_text(yaml.safe_dump(self._calibration(), sort_keys=False))
            scratch.chmod(0o755)
            replace_folder(scratch, folder)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        return folder

    @staticmethod
    def _is_replaceable(folder: Path) -> bool:
        ours = {IMAGE_FILE, CALIBRATION_FILE, MASK_FILE}
        return folder.is_dir() and {path.name for path in folder.iterdir()} <= ours

    def _calibration(self) -> dict[str, object]:
        camera = self.camera
        return {
            'format_version': FORMAT_VERSION,
            'image_sha256': self.sha256,
            'depth': float(self.depth),
            **({} if self.depth_sigma is None else {'depth_standard_deviation': float(self.depth_sigma)}),
            **({} if self.normal is None else {'normal': [float(value) for value in self.normal]}),
            **({} if self.normal_sigma is None else {'normal_standard_deviation': float(self.normal_sigma)}),
            **({} if self.taught is None else {'taught': [float(value) for value in self.taught]}),
            'image_width': camera.width,
            'image_height': camera.height,
            'camera_matrix': [float(value) for value in camera.matrix.ravel()],
            'distortion_model': camera.distortion_model,
            'distortion_coefficients': [float(value) for value in camera.distortion],
        }

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Reference:
        """Read a reference that `save` wrote, the old or the new one while it is replaced.

        Raises ReferenceFolderError when it is missing or inconsistent.
        """
        folder = Path(folder)
        for _ in range(_LOOKS):
            before = _identity(folder)
            try:
                reference = cls._read(folder)
            except ReferenceFolderError:
                if _identity(folder) == before:
                    raise
                continue
            if _identity(folder) == before:
                return reference
        raise ReferenceFolderError(
            f'reference folder {folder} should stay while it is read but is replaced each time'
        )

    @classmethod
    def _read(cls, folder: Path) -> Reference:
        for name in (IMAGE_FILE, CALIBRATION_FILE):
            if not os.path.lexists(folder / name):
                raise ReferenceFolderError(f'reference folder {folder} should hold {name} but does not')
        entries = read_yaml(folder / CALIBRATION_FILE, ReferenceFolderError)
        if entries['format_version'] != FORMAT_VERSION:
            raise ReferenceFolderError(f'{folder / CALIBRATION_FILE} should have format_version {FORMAT_VERSION}')
        image = read_image(folder / IMAGE_FILE, error=ReferenceFolderError)
        mask_file = folder / MASK_FILE
        mask = read_mask(mask_file, ReferenceFolderError) if os.path.lexists(mask_file) else None
        try:
            reference = cls(
                image,
                _camera(entries),
                entries.number('depth'),
                _deviation(entries, 'depth_standard_deviation', np.inf),
                _normal(entries),
                _deviation(entries, 'normal_standard_deviation', np.pi),
                mask,
                _vector(entries, 'taught', 6) if 'taught' in entries else None,
            )
        except (CalibrationError, ImageError) as error:
            raise ReferenceFolderError(f'reference folder {folder} is inconsistent: {error}') from error
        if entries.text('image_sha256') != reference.sha256:
            raise ReferenceFolderError(f'{folder / IMAGE_FILE} is not the image that {CALIBRATION_FILE} describes')
        return reference


def _identity(folder: Path) -> tuple[int, int, int] | None:
    """What tells a folder from another one of its name; None where there is none."""
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns


def read_mask(path: str | os.PathLike[str], error: type[VisualServoingError] = ReferenceFolderError) -> np.ndarray:
    """Mask (H, W) uint8 of an image file, 255 wherever a colour of it is not 0. Raises `error` as `read_image`."""
    image = read_image(path, error=error)
    return _drawn(image if image.ndim == 2 else np.asarray(image[..., :3].any(axis=2)))


def _drawn(mask: np.ndarray) -> np.ndarray:
    return np.where(mask != 0, 255, 0).astype(np.uint8)


def _deviation(entries: Entries, name: str, most: float) -> float | None:
    return entries.number(name, 0.0, most) if name in entries else None


def _normal(entries: Entries) -> tuple[float, float, float] | None:
    if 'normal' not in entries:
        return None
    first, second, third = _vector(entries, 'normal', 3)
    return first, second, third


def _vector(entries: Entries, name: str, size: int) -> tuple[float, ...]:
    values = entries.numbers(name, size)
    if len(values) != size:
        raise ReferenceFolderError(f'{name} should be {size} numbers but is {values}')
    return tuple(values)


def _camera(entries: Entries) -> PinholeCamera:
    return PinholeCamera.from_calibration(
        entries.whole('image_width', 1, MAX_PIXELS),
        entries.whole('image_height', 1, MAX_PIXELS),
        entries.numbers('camera_matrix', 9),
        entries.numbers('distortion_coefficients', MAX_COEFFICIENTS),
        entries.text('distortion_model'),
    )
