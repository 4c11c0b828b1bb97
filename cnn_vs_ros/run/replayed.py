"""What a replay leaves behind: the estimates of recorded images, beside those of the recording."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.errors import BagError
from cnn_vs_ros.foreign.files import unwritable
from cnn_vs_ros.geometry import se3

Array = NDArray[np.float64]

_AXES = ('x', 'y', 'z', 'rx', 'ry', 'rz')


@dataclass(frozen=True)
class ReplayedImage:
    """One image: its stamp in nanoseconds, and what was estimated of it now and when it was recorded.

    Poses are [t; theta u] (6,) of the current camera in the desired camera frame, metres and radians, or None.
    """

    stamp: int
    status: str
    confidence: float | None
    pose: Array | None
    recorded_status: str
    recorded_pose: Array | None
    milliseconds: float

    @property
    def difference(self) -> tuple[float, float] | None:
        """Distance between both poses, metres and radians."""
        if self.pose is None or self.recorded_pose is None:
            return None
        poses = [se3.from_pose_vector(vector) for vector in (self.recorded_pose, self.pose)]
        return se3.pose_error(se3.inverse(poses[0]) @ poses[1])


def summary(images: list[ReplayedImage]) -> dict[str, Any]:
    """Figures of a replay: counts, differences to the recorded estimates in mm and degrees, times."""
    differences = np.array([image.difference for image in images if image.difference is not None]).reshape(-1, 2)
    figures: dict[str, Any] = {
        'images': len(images),
        'found': sum(image.pose is not None for image in images),
        'recorded_found': sum(image.recorded_pose is not None for image in images),
        'compared': len(differences),
        'milliseconds_median': float(np.median([image.milliseconds for image in images])) if images else None,
    }
    for index, (name, unit) in enumerate((('mm', 1e3), ('deg', np.degrees(1.0)))):
        column = unit * differences[:, index]
        figures[f'difference_{name}_median'] = float(np.median(column)) if len(column) else None
        figures[f'difference_{name}_max'] = float(column.max()) if len(column) else None
    return figures


def write_replay(folder: Path, images: list[ReplayedImage]) -> tuple[Path, Path]:
    """Write replay.csv, a line an image, and replay.json, the summary, to a folder; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    table, figures = folder / 'replay.csv', folder / 'replay.json'
    with table.open('w', newline='') as file:
        writer = csv.writer(file)
        scalars = [field.name for field in fields(ReplayedImage) if not field.name.endswith('pose')]
        differences = ('difference_m', 'difference_rad')
        writer.writerow([*scalars, *_AXES, *(f'recorded_{axis}' for axis in _AXES), *differences])
        for image in images:
            poses = [*_cells(image.pose, 6), *_cells(image.recorded_pose, 6), *_cells(image.difference, 2)]
            writer.writerow([*(getattr(image, name) for name in scalars), *poses])
    figures.write_text(json.dumps(summary(images), indent=2) + '\n')
    return table, figures


def sentence(images: list[ReplayedImage]) -> str:
    """What a replay came to."""
    figures = summary(images)
    said = f'replay: found in {figures["found"]} of {figures["images"]} images'
    if figures['compared']:
        said += (
            f', differs from the recorded estimates by {figures["difference_mm_median"]:.2g} mm, '
            f'{figures["difference_deg_median"]:.2g} deg in the median, '
            f'{figures["difference_mm_max"]:.2g} mm, {figures["difference_deg_max"]:.2g} deg at most'
        )
    return said


def check_writable(folder: Path) -> None:
    """Make a folder, if it is not there. Raises BagError when nothing can be written to it."""
    if reason := unwritable(folder):
        raise BagError(f'replay should be able to write to {folder} but cannot: {reason}; --output names another')


def _cells(values: Any, count: int) -> list[Any]:
    return [''] * count if values is None else [repr(float(value)) for value in values]
