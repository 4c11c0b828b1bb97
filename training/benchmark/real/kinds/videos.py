"""Videos without truth: the first frame is the reference, others are acquired anew, one in so many.

What they are compared with is a SIFT homography, where so many features agree that it is no chance, and only
inside the hull of those features. ``camera`` may say ``fx = fy = 839, cx = 325.7, cy = 243.7``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from cnn_vs_ros.geometry import PinholeCamera
from training.benchmark.real.pairs import UNKNOWN_DEPTH, Choice, Pair, RealSet, Truth, guessed_camera
from training.benchmark.rivals import RIVALS
from training.benchmark.rivals.matching import robust_homography
from training.errors import TrainingError

_SUFFIXES = ('.mp4', '.avi', '.mkv', '.mov', '.webm')
_CALIBRATION = re.compile(r'fx = (?:fy = )?([\d.]+)(?:, fy = ([\d.]+))?, cx = ([\d.]+), cy = ([\d.]+)')
_LEAST_INLIERS = 50
_PIXELS = 2.0
"""Deviation of a feature from the homography that it still agrees with."""


def fits(entry: dict[str, Any], folder: Path, name: str) -> bool:
    """Whether a video has the entry's name."""
    return _file(folder, name) is not None


def read(entry: dict[str, Any], folder: Path, name: str, choice: Choice) -> RealSet:
    """The set, at each focal length where the camera is unknown."""
    path = _file(folder, name)
    assert path is not None
    frames = _frames(path, choice.every)
    reference = next(iter(frames))
    height, width = frames[reference].shape[:2]
    cameras = _cameras(entry, name, width, height, choice)
    truths = _truths(frames, reference, next(iter(cameras.values())))
    pairs = [
        Pair(group, reference, key, camera, UNKNOWN_DEPTH, truth)
        for group, camera in cameras.items()
        for key, truth in truths.items()
    ]
    bare = sum(truth is None for truth in truths.values())
    note = (
        f'{name}: 1 frame in {choice.every}, compared with SIFT homographies of at least {_LEAST_INLIERS} '
        f'features inside their hull; {bare} of {len(truths)} frames have none'
    )
    lengths = ', '.join(f'{camera.fx / width:.2f}' for camera in cameras.values())
    return RealSet(name, pairs, frames.__getitem__, (note, f'{name}: focal length {lengths} widths'))


def _truths(frames: dict[str, np.ndarray], reference: str, camera: PinholeCamera) -> dict[str, Truth | None]:
    """The truth of each frame but the reference, in undistorted pixels; guessed cameras do not distort."""
    rival = RIVALS['sift']()
    rival.set_reference(camera.undistort(frames[reference]))
    return {
        key: _verified(rival.match(camera.undistort(image))) for key, image in frames.items() if key != reference
    }


def _file(folder: Path, name: str) -> Path | None:
    return next((path for s in _SUFFIXES if (path := folder / f'{name}{s}').is_file()), None)


def _frames(path: Path, every: int) -> dict[str, np.ndarray]:
    video = cv2.VideoCapture(str(path))
    frames: dict[str, np.ndarray] = {}
    index = 0
    while (answer := video.read())[0]:
        if index % every == 0:
            frames[f'{index:04d}'] = answer[1]
        index += 1
    video.release()
    if len(frames) < 2:
        raise TrainingError(f'{path} should be a video of more than {every} frames but has {index}')
    return frames


def _cameras(
    entry: dict[str, Any], name: str, width: int, height: int, choice: Choice
) -> dict[str, PinholeCamera]:
    found = _CALIBRATION.search(str(entry.get('camera', '')))
    if 'K' in entry:
        return {name: PinholeCamera.from_calibration(width, height, entry['K'], entry.get('D', ()))}
    if found:
        fx, fy, cx, cy = found[1], found[2] or found[1], found[3], found[4]
        return {name: PinholeCamera(width, height, float(fx), float(fy), float(cx), float(cy))}
    lengths = choice.focal_lengths_of(name)
    return {
        name if len(lengths) == 1 else f'{name}, f = {length:g} widths': guessed_camera(width, height, length)
        for length in lengths
    }


def _verified(matched: tuple[np.ndarray, np.ndarray] | None) -> Truth | None:
    found = None if matched is None else robust_homography(*matched, _PIXELS)
    if found is None or matched is None or found[1].sum() < _LEAST_INLIERS:
        return None
    homography, inliers = found
    hull = cv2.convexHull(matched[0][inliers].astype(np.float32))[:, 0]
    return Truth(homography, hull)
