"""The files of a run, by name."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from cnn_vs_ros.errors import VisualServoingError
from cnn_vs_ros.foreign.files import unwritable
from cnn_vs_ros.foreign.images import write_image
from cnn_vs_ros.run.trajectory import Trajectory

LATEST = 'latest'
_NEW = re.compile(r'\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d(_\d+)?')
"""Names of the folders that `new_folder` makes."""


class RunFolderError(VisualServoingError):
    """A folder that cannot be written or that is not that of a run."""


class RunFolder:
    """A run's folder: summary.json, trajectory.csv, run.mp4, report.html and .png, and three images."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    @property
    def report(self) -> Path:
        """Path of the report picture."""
        return self.path / 'report.png'

    @property
    def page(self) -> Path:
        """Path of the report as a web page."""
        return self.path / 'report.html'

    @property
    def video(self) -> Path:
        """Path of the video."""
        return self.path / 'run.mp4'

    def begin(self) -> None:
        """Point the link `latest` beside a folder that `new_folder` made to it: its run has begun.

        Raises RunFolderError when it cannot.
        """
        if not _NEW.fullmatch(self.path.name):
            return
        scratch = self.path.parent / f'.{LATEST}-{self.path.name}'
        try:
            scratch.symlink_to(self.path.name, target_is_directory=True)
            scratch.replace(self.path.parent / LATEST)
        except OSError as error:
            raise RunFolderError(f'expected to write runs to {self.path.parent} but cannot: {error}') from error

    def write_summary(self, summary: dict[str, Any]) -> None:
        """Write summary.json, whole or not at all."""
        scratch = self.path / '.summary.json'
        scratch.write_text(json.dumps(summary, indent=2, allow_nan=False) + '\n')
        scratch.replace(self.path / 'summary.json')

    def summary(self) -> dict[str, Any]:
        """Read summary.json. Raises RunFolderError when it is missing or malformed."""
        try:
            return dict(json.loads((self.path / 'summary.json').read_text()))
        except (OSError, ValueError) as error:
            raise RunFolderError(
                f'{self.path} should hold the summary.json of a run but does not: {error}'
            ) from error

    def check_writable(self) -> None:
        """Make the folder, if it is not there. Raises RunFolderError when nothing can be written to it."""
        if reason := unwritable(self.path):
            raise RunFolderError(f'results should be written to {self.path} but cannot: {reason}')

    def write_trajectory(self, trajectory: Trajectory) -> None:
        """Write trajectory.csv."""
        trajectory.write(self.path / 'trajectory.csv')

    def trajectory(self) -> Trajectory:
        """Read trajectory.csv."""
        return Trajectory.read(self.path / 'trajectory.csv')

    def write_image(self, name: str, image: np.ndarray | None) -> None:
        """Write the image `name` (initial, final or reference) as PNG; None is left out."""
        if image is not None:
            write_image(self.path / f'{name}.png', image, RunFolderError)

    def image(self, name: str) -> np.ndarray | None:
        """Read the image `name` (H, W, 3) BGR; None when there is none."""
        return cv2.imread(str(self.path / f'{name}.png'), cv2.IMREAD_COLOR)


def new_folder(parent: str | os.PathLike[str]) -> Path:
    """Make a folder of the present time below `parent`; its `begin` makes it the latest.

    Raises:
        RunFolderError: `parent` cannot be written to, or has a `latest` that is not a link.
    """
    parent = Path(parent)
    try:
        parent.mkdir(parents=True, exist_ok=True)
        link = parent / LATEST
        if link.exists() and not link.is_symlink():
            raise RunFolderError(f'{link} should be a link to the latest run but is something else; move it away')
        return _make_unique(parent, time.strftime('%Y-%m-%d_%H-%M-%S'))
    except OSError as error:
        raise RunFolderError(f'expected to write runs to {parent} but cannot: {error}') from error


def _make_unique(parent: Path, name: str) -> Path:
    for suffix in ('', *(f'_{number}' for number in range(2, 1000))):
        try:
            folder = parent / f'{name}{suffix}'
            folder.mkdir()
            return folder
        except FileExistsError:
            continue
    raise RunFolderError(f'{parent} should have room for a folder {name} but has a thousand of them')


def short(path: Path) -> Path:
    """`path` from here, where it lies below."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
