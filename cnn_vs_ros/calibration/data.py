"""A recording as a folder of plain files, and folders of images with flange poses that others recorded."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from cnn_vs_ros.calibration.recording import ArmTrack, Recording
from cnn_vs_ros.errors import HandEyeError, PoseError
from cnn_vs_ros.estimation import Reference
from cnn_vs_ros.foreign.files import read_bytes
from cnn_vs_ros.foreign.images import SUFFIXES, read_image, write_image
from cnn_vs_ros.foreign.yaml_text import read_yaml
from cnn_vs_ros.geometry import PinholeCamera, se3

Array = NDArray[np.float64]

SETTINGS_FILE, STAMPS_FILE, ARM_FILE = 'recording.yaml', 'images.csv', 'flange_poses.csv'
REFERENCE_FOLDER, IMAGE_FOLDER = 'reference', 'images'
POSES_FILE, TRUTH_FILE = 'poses.json', 'truth.json'

_MAX_BYTES = 1 << 27


def save(recording: Recording, folder: Path) -> None:
    """Write a recording to a folder, which is made. Raises OSError where it cannot be written."""
    (folder / IMAGE_FOLDER).mkdir(parents=True, exist_ok=True)
    recording.reference.save(folder / REFERENCE_FOLDER)
    settings = {
        'flange_frame': recording.flange,
        'camera_frame': recording.camera_frame,
        'still': recording.still,
        **({} if recording.mount is None else {'mount': [float(value) for value in recording.mount.ravel()]}),
    }
    (folder / SETTINGS_FILE).write_text(yaml.safe_dump(settings, sort_keys=False))
    with (folder / STAMPS_FILE).open('w', newline='') as file:
        writer = csv.writer(file)
        writer.writerow(('image', 'stamp'))
        for index, (image, stamp) in enumerate(zip(recording.images, recording.stamps, strict=True)):
            name = f'{index:05d}.png'
            write_image(folder / IMAGE_FOLDER / name, image)
            writer.writerow((name, repr(float(stamp))))
    with (folder / ARM_FILE).open('w', newline='') as file:
        writer = csv.writer(file)
        writer.writerow(('time', 'x', 'y', 'z', 'qx', 'qy', 'qz', 'qw'))
        for time, pose in zip(recording.arm.times, recording.arm.poses, strict=True):
            numbers = (time, *pose[:3, 3], *se3.quaternion_xyzw(pose[:3, :3]))
            writer.writerow([repr(float(number)) for number in numbers])


def load(folder: Path) -> Recording:
    """Read a recording that `save` wrote. Raises HandEyeError or ReferenceFolderError for another folder."""
    settings = read_yaml(folder / SETTINGS_FILE, HandEyeError)
    rows = _rows(folder / STAMPS_FILE, 2)
    arm = _rows(folder / ARM_FILE, 8)
    numbers = _numbers(arm, folder / ARM_FILE)
    try:
        poses = [se3.transform(se3.rotation_from_quaternion_xyzw(row[4:]), row[1:4]) for row in numbers]
        mount = np.reshape(settings.numbers('mount', 16), (4, 4)) if 'mount' in settings else None
        mount = None if mount is None else se3.as_transform(mount, 'mount')
    except (PoseError, ValueError) as error:
        raise HandEyeError(f'{folder} should hold poses but: {error}') from error
    images = [read_image(folder / IMAGE_FOLDER / Path(row[0]).name, error=HandEyeError) for row in rows]
    stamps = _numbers([row[1:] for row in rows], folder / STAMPS_FILE).ravel()
    return Recording(
        Reference.load(folder / REFERENCE_FOLDER),
        images,
        stamps,
        ArmTrack(numbers[:, 0], poses),
        mount,
        settings.text('flange_frame'),
        settings.text('camera_frame'),
        bool(settings['still']) if 'still' in settings else False,
    )


def read_recorded(folder: Path, depth: float) -> tuple[Recording, str]:
    """Images of a folder with the flange poses that came with them; also the name of the image that is reference.

    The poses are in ``poses.json`` in it (``K``, ``D`` and ``base_T_flange`` by the images' names), or under the
    folder's name in ``truth.json`` beside it. `depth` in metres is what the reference's is taken to be; the
    reference is the image from which the others are turned least.

    Raises HandEyeError for a folder without these.
    """
    entry = _poses_entry(folder)
    files = {path.stem: path for path in sorted(folder.glob('*')) if path.suffix.lower() in SUFFIXES}
    try:
        flanges = {name: se3.as_transform(_rigid(pose), name) for name, pose in entry['base_T_flange'].items()}
        names = [name for name in flanges if name in files]
        if len(names) < 3:
            raise HandEyeError(f'{folder} should hold 3 images or more with poses but holds {len(names)}')
        images = [read_image(files[name], error=HandEyeError) for name in names]
        height, width = images[0].shape[:2]
        camera = PinholeCamera.from_calibration(width, height, np.ravel(entry['K']), entry.get('D', ()))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, HandEyeError):
            raise
        raise HandEyeError(f'poses of {folder} should be K, D and base_T_flange but: {error!r}') from error
    poses = np.array([flanges[name] for name in names])
    turns = [np.median([se3.pose_error(se3.inverse(pose) @ other)[1] for other in poses]) for pose in poses]
    middle = int(np.argmin(turns))
    stamps = np.arange(len(names), dtype=np.float64)
    reference = Reference(images[middle], camera, depth)
    return Recording(reference, images, stamps, ArmTrack(stamps, poses), still=True), names[middle]


def _rigid(pose: Any) -> Array:
    """A pose (4, 4) that was written with few digits."""
    return se3.normalised(np.asarray(pose, np.float64))


def _poses_entry(folder: Path) -> Mapping[str, Any]:
    path = folder / POSES_FILE
    inside = path.is_file()
    if not inside:
        path = folder.resolve().parent / TRUTH_FILE
    if not path.is_file():
        raise HandEyeError(
            f'{folder} should hold {POSES_FILE}, or {TRUTH_FILE} lie beside it, but neither is there'
        )
    try:
        entries = json.loads(read_bytes(path, _MAX_BYTES, HandEyeError))
        entry = entries if inside else entries[folder.resolve().name]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        if isinstance(error, HandEyeError):
            raise
        raise HandEyeError(f'{path} should be JSON with the poses of {folder.name} but: {error!r}') from error
    if not isinstance(entry, Mapping):
        raise HandEyeError(f'{path} should map names to poses but does not')
    return entry


def _rows(path: Path, columns: int) -> list[list[str]]:
    text = read_bytes(path, _MAX_BYTES, HandEyeError).decode(errors='replace')
    rows = list(csv.reader(text.splitlines()))[1:]
    if not rows or any(len(row) != columns for row in rows):
        raise HandEyeError(f'{path} should have rows of {columns} columns but has not')
    return rows


def _numbers(rows: list[list[str]], path: Path) -> Array:
    try:
        return np.array(rows, np.float64)
    except ValueError as error:
        raise HandEyeError(f'{path} should hold numbers but: {error}') from error
