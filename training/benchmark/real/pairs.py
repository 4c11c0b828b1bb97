"""A set of real images: which pairs of them are shown to a method, and what is known of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.foreign.images import SUFFIXES
from cnn_vs_ros.geometry import PinholeCamera, plane_homography, se3
from training.errors import TrainingError

Array = NDArray[np.float64]

UNKNOWN_DEPTH = 0.25
"""Metres that a scene of unknown scale is said to be away, and that its translations are in."""


@dataclass(frozen=True)
class Truth:
    """What is known of a pair.

    `homography` (3, 3) takes undistorted pixels of the reference to undistorted pixels of the image; it holds in
    the `region`, a convex polygon (N, 2) of the reference, or everywhere. `desired_T_current` (4, 4) is the pose,
    where it is known, metres.
    """

    homography: Array
    region: Array | None = None
    desired_T_current: Array | None = None


@dataclass(frozen=True)
class Pair:
    """A reference and an image of the same camera, by their names in the set; `group` is its row of the table.

    `depth` is that of the reference along its optical axis, metres. Without `truth` only what is answered counts.
    """

    group: str
    reference: str
    image: str
    camera: PinholeCamera
    depth: float
    truth: Truth | None


@dataclass(frozen=True)
class RealSet:
    """Pairs, the images (H, W[, 3]) uint8 that they name, and `notes` on what was taken for granted."""

    name: str
    pairs: Sequence[Pair]
    load: Callable[[str], np.ndarray]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Choice:
    """What to show of a folder.

    `every_pair`: all ordered pairs of a set and not only those from its first image. `focal_lengths`: of unknown
    cameras, in widths of the image, by set. `every`: of the frames of a video one in so many is shown.
    """

    every_pair: bool = False
    focal_lengths: Mapping[str, Sequence[float]] = field(default_factory=dict)
    every: int = 5

    def focal_lengths_of(self, name: str) -> Sequence[float]:
        """Focal lengths, in widths, to guess for the set: those asked for, or one width."""
        return self.focal_lengths.get(name, (1.0,))


def guessed_camera(width: int, height: int, focal_length: float) -> PinholeCamera:
    """Camera without distortion, centred, with a focal length in widths."""
    focal = focal_length * width
    return PinholeCamera(width, height, focal, focal, (width - 1) / 2, (height - 1) / 2)


def chosen_pairs(names: Sequence[str], every_pair: bool) -> list[tuple[str, str]]:
    """All ordered pairs, or those from the first."""
    return [(a, b) for a in (names if every_pair else names[:1]) for b in names if a != b]


def truth_of_poses(desired_T_board: Array, current_T_board: Array, camera: PinholeCamera) -> tuple[Truth, float]:
    """Truth of a pair whose plane is z = 0 of a board, and the reference's depth along its optical axis."""
    current_T_desired = current_T_board @ se3.inverse(desired_T_board)
    normal = desired_T_board[:3, 2]
    distance = float(normal @ desired_T_board[:3, 3])
    homography = plane_homography(
        current_T_desired, abs(distance), camera, normal=normal if distance > 0 else -normal
    )
    return Truth(homography, None, se3.inverse(current_T_desired)), distance / float(normal[2])


def image_file(folder: Path, name: str) -> Path:
    """The image `name` of a folder, whatever its format. Raises TrainingError where it is missing."""
    for path in sorted(folder.glob(f'{name}.*')):
        if path.suffix.lower() in SUFFIXES:
            return path
    raise TrainingError(f'{folder} should hold an image named {name} but does not')


def image_files(folder: Path) -> list[Path]:
    """The image files of a folder by name; whatever else lies there is no image. Raises TrainingError for none."""
    if not folder.is_dir():
        raise TrainingError(f'{folder} should be a folder of images but is none')
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())


def read_image(path: Path) -> np.ndarray:
    """The image uint8 (H, W, 3) in a file. Raises TrainingError for a file that cannot be decoded."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise TrainingError(f'{path} should be an image but cannot be decoded')
    return image


def loader(folder: Path) -> Callable[[str], np.ndarray]:
    """Function that reads the images of a folder by name, each once."""

    @cache
    def load(name: str) -> np.ndarray:
        return read_image(image_file(folder, name))

    return load
