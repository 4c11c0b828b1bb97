"""Where images come from: a camera device, a video file or a folder of images."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from cnn_vs_ros.environment import user_path
from cnn_vs_ros.errors import VisualServoingError
from cnn_vs_ros.foreign.images import SUFFIXES, read_image

DEFAULT_RATE = 30.0


class SourceError(VisualServoingError):
    """A source of images that is not there, or has ceased to deliver."""


class Source(Protocol):
    """One opened source."""

    @property
    def rate(self) -> float:
        """Images a second at which to read it; 0 where reading waits for the next image itself."""

    def read(self) -> np.ndarray | None:
        """Next image uint8 (H, W, 3) BGR or (H, W) grey; None at the end.

        Raises SourceError when the source has gone, ImageError for one image that cannot be decoded.
        """

    def close(self) -> None:
        """Let it go."""


def open_source(name: str, *, rate: float = 0.0, size: tuple[int, int] | None = None) -> Source:
    """Open a source by name: a number or /dev/video* (a device), a folder, or the path or URL of a video.

    `rate` in Hz overrides that of a video or folder, and is asked of a device, as is `size` (width, height).

    Raises SourceError with what is missing.
    """
    path = user_path(name)
    if not name:
        raise SourceError('source should be a device, a video or a folder of images but is empty')
    if name.isdecimal() or name.startswith('/dev/'):
        return _Device(name, rate, size)
    if path.is_dir():
        try:
            return _Folder(path, rate or DEFAULT_RATE)
        except OSError as error:
            raise SourceError(f'folder {name} should be readable but is not: {error}') from error
    if not path.exists() and '://' not in name:
        raise SourceError(f'source should be a device, a video or a folder of images but there is no {name}')
    return _Video(str(path) if path.exists() else name, rate)


class _Device:
    """A camera by its number or its /dev path, through Video4Linux."""

    def __init__(self, name: str, rate: float, size: tuple[int, int] | None) -> None:
        self._name = name
        if not name.isdecimal() and not os.path.exists(name):
            raise SourceError(f'camera {name} should be there but is not: is it plugged in?')
        self._capture = cv2.VideoCapture(int(name) if name.isdecimal() else name, cv2.CAP_V4L2)
        if not self._capture.isOpened():
            raise SourceError(
                f'camera {name} should open but does not: does another program use it, and may this user '
                '(group video)?'
            )
        if size is not None:
            self._capture.set(cv2.CAP_PROP_FRAME_WIDTH, size[0])
            self._capture.set(cv2.CAP_PROP_FRAME_HEIGHT, size[1])
        if rate > 0:
            self._capture.set(cv2.CAP_PROP_FPS, rate)
        # The newest image counts, not those that have waited.
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)

    rate = 0.0

    def read(self) -> np.ndarray | None:
        good, image = self._capture.read()
        if not good:
            raise SourceError(f'camera {self._name} has ceased to deliver images')
        return image

    def close(self) -> None:
        self._capture.release()


class _Video:
    """A video file or stream."""

    def __init__(self, name: str, rate: float) -> None:
        self._capture = cv2.VideoCapture(name)
        if not self._capture.isOpened():
            raise SourceError(f'{name} should be a video but cannot be opened as one')
        own = float(self._capture.get(cv2.CAP_PROP_FPS))
        self.rate = rate or (own if np.isfinite(own) and 0 < own <= 1000 else DEFAULT_RATE)

    def read(self) -> np.ndarray | None:
        good, image = self._capture.read()
        return image if good else None

    def close(self) -> None:
        self._capture.release()


class _Folder:
    """The images of a folder in the order of their names, as they were when it was opened."""

    def __init__(self, path: Path, rate: float) -> None:
        self._path, self.rate = path, rate
        self._files = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES)
        if not self._files:
            raise SourceError(f'folder {path} should hold images but has none')
        self._next = 0

    def read(self) -> np.ndarray | None:
        if self._next == len(self._files):
            return None
        file = self._files[self._next]
        self._next += 1
        if not file.exists():
            raise SourceError(f'{file} should be there still but has gone')
        return read_image(file, cv2.IMREAD_COLOR)

    def close(self) -> None:
        pass
