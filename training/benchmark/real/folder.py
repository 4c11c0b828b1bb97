"""A folder of real images: `truth.json` names its sets and what is known of each (docs/benchmark.md)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2

from training.benchmark.real.kinds import KINDS
from training.benchmark.real.pairs import Choice, RealSet
from training.errors import TrainingError

TRUTH_FILE = 'truth.json'


def names(folder: Path) -> list[str]:
    """Names of the folder's sets. Raises TrainingError where there is no such folder."""
    return list(_entries(folder))


def read(folder: Path, chosen: list[str], choice: Choice) -> Iterator[RealSet]:
    """The chosen sets, one after the other. Raises TrainingError for one that cannot be read."""
    entries = _entries(folder)
    for name in chosen:
        entry = entries[name]
        kind = next((kind for kind in KINDS if kind.fits(entry, folder, name)), None)
        if kind is None:
            raise TrainingError(
                f'{name} of {folder / TRUTH_FILE} should have H1to, camera_T_board, a kind with '
                '"CxR inner corners", or a video of its name beside it, '
                f'but has only {", ".join(entry) or "nothing"}'
            )
        try:
            yield kind.read(entry, folder, name, choice)
        except (LookupError, TypeError, ValueError, AttributeError, cv2.error) as error:
            if isinstance(error, TrainingError):
                raise
            raise TrainingError(f'{name} of {folder / TRUTH_FILE} is malformed: {error!r}') from error


def _entries(folder: Path) -> dict[str, dict[str, Any]]:
    path = folder / TRUTH_FILE
    if not path.is_file():
        raise TrainingError(f'{folder} should be a folder of real images with a {TRUTH_FILE} but has none')
    try:
        entries = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise TrainingError(f'{path} should be JSON but cannot be parsed: {error}') from error
    if not isinstance(entries, dict) or not all(isinstance(entry, dict) for entry in entries.values()):
        raise TrainingError(f'{path} should map names of sets to what is known of them')
    return entries
