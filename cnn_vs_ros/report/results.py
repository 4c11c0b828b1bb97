"""Writes what a run leaves behind into its folder."""

from __future__ import annotations

import numpy as np

from cnn_vs_ros.report.figure import draw_report
from cnn_vs_ros.report.folder import RunFolder, RunFolderError
from cnn_vs_ros.report.page import write_page
from cnn_vs_ros.report.video import write_video
from cnn_vs_ros.run.outcome import Outcome, versions
from cnn_vs_ros.run.recorder import FinishedRun


def write_run(
    folder: RunFolder, outcome: Outcome, finished: FinishedRun, reference: np.ndarray | None, *, video: bool = True
) -> None:
    """Write summary, trajectory, images, report and, if there are images and `video` is set, the video.

    Raises:
        VisualServoingError: a file cannot be written, or there is no ffmpeg.
    """
    try:
        _write(folder, outcome, finished, reference, video)
    except OSError as error:
        raise RunFolderError(f'results should be written to {folder.path} but cannot: {error}') from error


def _write(
    folder: RunFolder, outcome: Outcome, finished: FinishedRun, reference: np.ndarray | None, video: bool
) -> None:
    folder.path.mkdir(parents=True, exist_ok=True)
    folder.write_summary({**outcome.summary(), 'versions': versions()})
    folder.write_trajectory(finished.trajectory)
    images = {'initial': finished.initial, 'final': finished.final, 'reference': reference}
    for name, image in images.items():
        folder.write_image(name, image)
    draw_report(folder)
    if video and finished.images:
        write_video(folder.video, finished, reference)
    write_page(folder)
