"""Files of others: bounded plain ones to read, and folders that may not be written to."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from cnn_vs_ros.errors import VisualServoingError


def read_bytes(path: str | os.PathLike[str], most: int, error: type[VisualServoingError]) -> bytes:
    """Content of a file of at most `most` bytes.

    Raises:
        error: it is not there, no plain file (a pipe would wait for ever), too large, or cannot be read.
    """
    path = Path(path)
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise error(f'{path} should be a plain file but is none')
        with path.open('rb') as file:
            data = file.read(most + 1)
    except OSError as problem:
        raise error(f'{path} should be a file that can be read but: {problem.strerror or problem}') from problem
    except ValueError as problem:  # a zero byte in the name; our own errors among them
        if isinstance(problem, VisualServoingError):
            raise
        raise error(f'{path!r} should be the path of a file but: {problem}') from problem
    if len(data) > most:
        raise error(f'{path} should have at most {most} bytes but has {status.st_size}')
    return data


def unwritable(folder: Path) -> str:
    """Make a folder, if it is not there; return why nothing can be written to it, empty where something can."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return ''
    except OSError as error:
        return error.strerror or str(error)
