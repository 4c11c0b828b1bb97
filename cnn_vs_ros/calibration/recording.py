"""What a calibration is computed from: images with stamps, and where the arm says that its flange was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cnn_vs_ros import frames
from cnn_vs_ros.errors import HandEyeError
from cnn_vs_ros.estimation import Reference
from cnn_vs_ros.geometry import se3

Array = NDArray[np.float64]

IMAGE_PERIOD = 0.2
"""Seconds between the images that are taken of an arm in motion."""

ASSUMED_DEPTH = 0.5
"""Metres that the depth of a view is taken to be before it is found; any will do."""

_STEP = 0.01
"""Seconds before and after over which a velocity is taken."""


class ArmTrack:
    """Poses ``base_T_flange`` (m, 4, 4) of an arm at `times` (m,), seconds, ascending, and between them."""

    def __init__(self, times: ArrayLike, poses: ArrayLike) -> None:
        self.times, self.poses = np.asarray(times, np.float64), np.asarray(poses, np.float64)
        if self.times.ndim != 1 or self.poses.shape != (len(self.times), 4, 4) or not len(self.times):
            raise HandEyeError(
                'flange poses should be (m, 4, 4) with m times '
                f'but have shapes {self.poses.shape} and {self.times.shape}'
            )
        if not (np.isfinite(self.times).all() and np.isfinite(self.poses).all()):
            raise HandEyeError('flange poses and their times should be finite but are not')
        if (np.diff(self.times) <= 0).any():
            raise HandEyeError('times of flange poses should ascend but do not')

    def at(self, times: ArrayLike) -> Array:
        """Poses (n, 4, 4) at `times` (n,); the first or the last one beyond the ends."""
        times = np.clip(np.asarray(times, np.float64), self.times[0], self.times[-1])
        after = np.clip(np.searchsorted(self.times, times), 1, max(1, len(self.times) - 1))
        poses = np.empty((len(times), 4, 4))
        for index, (time, end) in enumerate(zip(times, after, strict=True)):
            begin = end - 1
            if len(self.times) == 1:
                poses[index] = self.poses[0]
                continue
            share = (time - self.times[begin]) / (self.times[end] - self.times[begin])
            step = se3.pose_vector(se3.inverse(self.poses[begin]) @ self.poses[end])
            poses[index] = self.poses[begin] @ se3.from_pose_vector(share * step)
        return poses

    def twists(self, times: ArrayLike) -> Array:
        """Twists (n, 6) of the flange in its own frame at `times` (n,), m/s and rad/s."""
        times = np.asarray(times, np.float64)
        before, after = self.at(times - _STEP), self.at(times + _STEP)
        steps = [se3.log(se3.inverse(first) @ last) for first, last in zip(before, after, strict=True)]
        return np.array(steps).reshape(-1, 6) / (2 * _STEP)


@dataclass(frozen=True)
class Recording:
    """Images (n of (H, W[, 3]) uint8) with their stamps (n,), seconds, and the arm meanwhile.

    `reference` is the view that all images are compared with, with the camera and the depth taken for granted;
    `mount` the ``flange_T_camera`` (4, 4) that the robot description has, if it has one. `still`: images and poses
    were taken together at rest, so that there is no delay to be found.
    """

    reference: Reference
    images: Sequence[np.ndarray]
    stamps: Array
    arm: ArmTrack
    mount: Array | None = None
    flange: str = frames.FLANGE
    camera_frame: str = frames.CAMERA
    still: bool = False

    def __post_init__(self) -> None:
        if len(self.images) != len(self.stamps):
            raise HandEyeError(
                f'each image should have a stamp but there are {len(self.images)} and {len(self.stamps)}'
            )
