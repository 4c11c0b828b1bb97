"""The video of a run: what the wrist camera saw, beside its difference to the reference."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np

from cnn_vs_ros.errors import VisualServoingError
from cnn_vs_ros.report.figure import difference
from cnn_vs_ros.run.recorder import FinishedRun

IMAGE_RATE = 30


class VideoError(VisualServoingError):
    """A video that cannot be encoded."""


def ffmpeg() -> str:
    """Return the path of ffmpeg: that of imageio-ffmpeg, else the system's. Raises VideoError if there is none."""
    try:
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError):
        found = shutil.which('ffmpeg')
    if found is None:
        raise VideoError('expected ffmpeg for the video, found none; install the package imageio-ffmpeg or ffmpeg')
    return found


def write_video(path: str | os.PathLike[str], finished: FinishedRun, reference: np.ndarray | None) -> None:
    """Write H.264 at 30 images a second, at the pace of the run.

    Side by side: the overview, where there is one, the camera's image and its difference to the reference.
    Raises VideoError, also when the run has no images.
    """
    images = finished.images
    if not images:
        raise VideoError('a video should have images but the run has none')
    times = [*np.arange(images.times[0], images.times[-1], 1 / IMAGE_RATE), images.times[-1]]
    pictures = (_compose(finished, reference, float(time)) for time in times)
    first = next(pictures)
    with _Encoder(Path(path), first.shape[1], first.shape[0]) as encoder:
        encoder.write(first.tobytes())
        last = first
        for last in pictures:
            encoder.write(last.tobytes())
        for _ in range(IMAGE_RATE // 2):
            encoder.write(last.tobytes())


def _compose(finished: FinishedRun, reference: np.ndarray | None, time: float) -> np.ndarray:
    image = finished.images.at(time)
    beside = difference(image, reference)  # before the label is drawn
    panels = [_labelled(image, f'camera, {time:.1f} s')]
    if beside is not None:
        panels.append(_labelled(beside, 'difference to the reference'))
    if finished.overview:
        overview = finished.overview.at(time)
        width = round(overview.shape[1] * image.shape[0] / overview.shape[0])
        panels.insert(0, cv2.resize(overview, (width, image.shape[0]), interpolation=cv2.INTER_AREA))
    picture = np.hstack(panels)
    return picture[: picture.shape[0] // 2 * 2, : picture.shape[1] // 2 * 2]  # H.264 wants even sizes


def _labelled(image: np.ndarray, text: str) -> np.ndarray:
    for colour, thickness in (((0, 0, 0), 4), ((255, 255, 255), 1)):
        cv2.putText(image, text, (10, 26), cv2.FONT_HERSHEY_SIMPLEX, 0.7, colour, thickness, cv2.LINE_AA)
    return image


class _Encoder:
    """ffmpeg, fed with raw BGR images."""

    def __init__(self, path: Path, width: int, height: int) -> None:
        self._path = path
        source = [
            '-f',
            'rawvideo',
            '-pix_fmt',
            'bgr24',
            '-s',
            f'{width}x{height}',
            '-r',
            str(IMAGE_RATE),
            '-i',
            '-',
        ]
        codec = [
            '-c:v',
            'libx264',
            '-preset',
            'veryfast',
            '-crf',
            '23',
            '-pix_fmt',
            'yuv420p',
            '-movflags',
            '+faststart',
        ]
        self._process = subprocess.Popen(
            [ffmpeg(), '-loglevel', 'error', '-y', *source, *codec, str(path)],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def __enter__(self) -> _Encoder:
        return self

    def write(self, image: bytes) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(image)
        except BrokenPipeError as error:
            raise VideoError(self._complaint()) from error

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            self._process.kill()
            self._process.communicate()
            self._path.unlink(missing_ok=True)
        elif (complaint := self._complaint()) or self._process.returncode:
            raise VideoError(complaint or f'ffmpeg ended with status {self._process.returncode}')

    def _complaint(self) -> str:
        _, errors = self._process.communicate()
        text = errors.decode(errors='replace').strip()
        return f'ffmpeg could not write {self._path}: {text}' if text else ''
