"""The contact sheet of a dataset, as the paper's figure 3."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from training.errors import TrainingError
from training.snapshot.generator import SnapshotGenerator

_CELL = 160  # longer side of an image, px
_MARGIN = 6
_TITLE = 22


def contact_sheet(generator: SnapshotGenerator, *, columns: int = 8) -> np.ndarray:
    """Return a sheet (H, W, 3) BGR: the snapshot, then a row each of nominal, lit, occluded and final images.

    A column shows one viewpoint; the first three rows show a perturbation in every image, the last one the
    dataset as it is. The last two columns are of the fine draw, if there is one.
    """
    settings = generator.settings
    changes = settings.perturbations
    nominal = replace(changes, global_light=0.0, local_lights=0.0, occlusion=0.0)
    rows = {
        'viewpoints': nominal,
        '(a) light': replace(nominal, global_light=1.0, local_lights=1.0),
        '(b) occlusion': replace(nominal, occlusion=1.0),
        '(c) the dataset': changes,
    }
    wide = min(columns - min(2, settings.fine), settings.count)
    fine = min(columns - wide, settings.fine)
    indices = [*range(wide), *range(settings.count, settings.count + fine)]
    scale = _CELL / max(settings.width, settings.height)
    size = (round(scale * settings.width), round(scale * settings.height))
    strips = [_strip('snapshot', [_cell(generator.drawn.source, size)], columns, size)]
    for title, change in rows.items():
        cells = [_cell(generator.sample(i, change).image, size) for i in indices]
        strips.append(_strip(title, cells, columns, size))
    return np.concatenate(strips)


def write(path: Path, sheet: np.ndarray) -> None:
    """Write a sheet as PNG. Raises TrainingError when it cannot be written."""
    encoded, data = cv2.imencode('.png', sheet)
    try:
        if not encoded:
            raise OSError('it cannot be encoded')
        path.write_bytes(data.tobytes())
    except OSError as error:
        raise TrainingError(f'cannot write the preview {path}: {error}') from error


def _cell(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    shrinks = image.shape[1] > size[0]
    resized = cv2.resize(image, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_NEAREST)
    return cv2.cvtColor(resized, cv2.COLOR_GRAY2BGR) if resized.ndim == 2 else resized


def _strip(title: str, cells: list[np.ndarray], columns: int, size: tuple[int, int]) -> np.ndarray:
    width = columns * (size[0] + _MARGIN) + _MARGIN
    strip = np.full((_TITLE + size[1] + _MARGIN, width, 3), 255, np.uint8)
    cv2.putText(strip, title, (_MARGIN, _TITLE - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
    for column, cell in enumerate(cells):
        left = _MARGIN + column * (size[0] + _MARGIN)
        strip[_TITLE : _TITLE + size[1], left : left + size[0]] = cell
    return strip
