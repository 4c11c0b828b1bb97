"""The references of one robot: a folder that holds one reference folder a name."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cnn_vs_ros.environment import ros_home, user_path
from cnn_vs_ros.errors import ReferenceFolderError, VisualServoingError
from cnn_vs_ros.estimation.reference import CALIBRATION_FILE, IMAGE_FILE, Reference

DEFAULT_NAME = 'reference'
"""Name of the reference of whoever has only one."""

_NAME = re.compile(r'[A-Za-z0-9][A-Za-z0-9_-]{0,63}')


@dataclass(frozen=True)
class ReferenceEntry:
    """What a library says of one of its references; `reference` is None where `problem` says why it has none."""

    name: str
    folder: Path
    captured: datetime | None
    reference: Reference | None
    problem: str = ''

    @property
    def sentence(self) -> str:
        """What it is, in a few words."""
        if self.reference is None:
            return self.problem
        camera = self.reference.camera
        return f'{camera.width}x{camera.height} at depth {self.reference.depth:g} m'

    def as_values(self) -> dict[str, object]:
        """Return it for JSON: lengths in metres and pixels, the time as ISO 8601 has it."""
        values: dict[str, object] = {'name': self.name, 'folder': str(self.folder)}
        if self.captured is not None:
            values['captured'] = self.captured.isoformat(timespec='seconds')
        if self.reference is None:
            return {**values, 'problem': self.problem}
        camera = self.reference.camera
        return {**values, 'width': camera.width, 'height': camera.height, 'depth': self.reference.depth}


class ReferenceLibrary:
    """The references below `folder`, which need not exist yet, by name."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = user_path(folder)

    @classmethod
    def of_robot(cls, folder: str = '', namespace: str = '/') -> ReferenceLibrary:
        """Return the library in `folder`; where that is empty, the one of the robot in a ROS namespace.

        Each namespace has its own: ``cnn_vs_ros/<namespace>`` in $ROS_HOME (``~/.ros``).
        """
        if folder:
            return cls(folder)
        return cls(ros_home().joinpath('cnn_vs_ros', *namespace.split('/')))

    def path(self, name: str) -> Path:
        """Folder of a reference, there or not. Raises ReferenceFolderError for what cannot be a name."""
        if not _NAME.fullmatch(name):
            raise ReferenceFolderError(
                f'the name of a reference should be 1 to 64 letters, digits, - and _, no path, but is {name!r}'
            )
        return self.folder / name

    def find(self, name: str) -> Path:
        """Folder of a reference that is there. Raises ReferenceFolderError, with the names that there are."""
        path, names = self.path(name), self.names()
        if name not in names:
            raise ReferenceFolderError(
                f'reference {name!r} should be one of {self.folder} but that has {", ".join(names) or "none"}'
            )
        return path

    def names(self) -> list[str]:
        """Names of the references, sorted; none where the folder is not there or cannot be read."""
        try:
            names = sorted(path.name for path in self.folder.iterdir())
        except OSError:
            return []
        files = IMAGE_FILE, CALIBRATION_FILE
        return [
            name
            for name in names
            if _NAME.fullmatch(name) and all(os.path.lexists(self.folder / name / file) for file in files)
        ]

    def entries(self) -> list[ReferenceEntry]:
        """Return what there is, sorted by name."""
        return [self._entry(name) for name in self.names()]

    def _entry(self, name: str) -> ReferenceEntry:
        folder = self.folder / name
        try:
            captured = datetime.fromtimestamp((folder / IMAGE_FILE).stat().st_mtime).astimezone()
            return ReferenceEntry(name, folder, captured, Reference.load(folder))
        except (VisualServoingError, OSError) as error:
            return ReferenceEntry(name, folder, None, None, str(error))
