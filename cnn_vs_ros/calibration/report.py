"""What came out of a calibration, for people: sentences, numbers, lines to paste, a picture of what remains."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.calibration.recording import Recording
from cnn_vs_ros.calibration.result import (
    RESULT_FILE,
    calibrated_camera,
    camera_info_yaml,
    save_result,
    to_paste,
)
from cnn_vs_ros.calibration.solver import Solution
from cnn_vs_ros.calibration.tracks import Tracks
from cnn_vs_ros.calibration.verdict import sentences

Array = NDArray[np.float64]

REPORT_FILE, CAMERA_FILE, PICTURE_FILE = 'report.txt', 'camera_info.yaml', 'residuals.png'


def text(solution: Solution, recording: Recording, believed_delay: float = 0.0) -> str:
    """Sentences, numbers with standard deviations, and lines to paste.

    The stamps were believed to be late by `believed_delay`, seconds.
    """
    step = np.sqrt(np.diag(solution.mount_covariance))
    numbers = [
        f'{recording.flange}_T_{recording.camera_frame}: '
        f'x y z = {_triple(1e3 * solution.mount[:3, 3])} mm, each +- {_triple(1e3 * step[:3])} mm, '
        f'turned by +- {_triple(np.degrees(step[3:]), 4)} degrees, about the axes of the camera',
        f'depth of the reference = {solution.depth:.5f} +- {solution.depth_sigma:.5f} m',
        f'normal of its plane = {_triple(solution.normal, 4)} +- {np.degrees(solution.normal_sigma):.3f} degrees',
    ]
    if solution.delay is not None and solution.delay_sigma is not None:
        numbers.append(f'stamps are late by {1e3 * solution.delay:.2f} +- {1e3 * solution.delay_sigma:.2f} ms')
    numbers += [f'{name} = {value:.4f} +- {sigma:.4f}' for name, (value, sigma) in solution.lens.items()]
    noise = solution.noise
    numbers.append(
        f'what remains: {noise.pixel:.3f} pixels; of the arm {1e3 * noise.position:.3f} mm and '
        f'{np.degrees(noise.rotation):.4f} degrees; of the plane {noise.relief:.2%} of the depth'
    )
    said = sentences(solution, recording.mount, believed_delay)
    return '\n'.join([*said, '', *numbers, '', to_paste(solution, recording.flange, recording.camera_frame), ''])


def write(
    solution: Solution, recording: Recording, tracks: Tracks, folder: Path, believed_delay: float = 0.0
) -> str:
    """Write report, result, camera calibration and, where matplotlib is there, the picture; return the report."""
    folder.mkdir(parents=True, exist_ok=True)
    said = text(solution, recording, believed_delay)
    (folder / REPORT_FILE).write_text(said)
    save_result(solution, recording.flange, recording.camera_frame, folder / RESULT_FILE)
    camera = calibrated_camera(recording.reference.camera, solution)
    (folder / CAMERA_FILE).write_text(camera_info_yaml(camera, recording.camera_frame))
    try:
        _draw(solution, tracks, folder / PICTURE_FILE)
    except ModuleNotFoundError:
        return said
    return said


def _draw(solution: Solution, tracks: Tracks, path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4))
    FigureCanvasAgg(figure)
    places, images, arm = figure.subplots(1, 3)
    seen = tracks.seen
    weights = np.where(seen, solution.weights, 0.0)[..., None]
    mean = (weights * solution.residuals).sum(axis=0) / np.maximum(weights.sum(axis=0), 1e-9)
    places.quiver(*tracks.points.T, *mean.T, angles='xy')
    places.set(title='mean residual of each point', xlabel='x, pixels', ylabel='y, pixels', aspect='equal')
    places.invert_yaxis()
    size = np.sqrt((weights * solution.residuals**2).sum(axis=(1, 2)) / np.maximum(weights.sum(axis=(1, 2)), 1e-9))
    images.plot(tracks.image, size, '.')
    images.set(title='residual of each image', xlabel='image', ylabel='pixels', ylim=(0, None))
    arm.plot(tracks.image, 1e3 * np.linalg.norm(solution.arm_errors[:, :3], axis=1), '.', label='mm')
    arm.plot(tracks.image, np.degrees(np.linalg.norm(solution.arm_errors[:, 3:], axis=1)), '.', label='degrees')
    arm.set(title='what is left to the arm', xlabel='image', ylim=(0, None))
    arm.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def _triple(values: Array, digits: int = 3) -> str:
    return ' '.join(f'{value:.{digits}f}' for value in values)
