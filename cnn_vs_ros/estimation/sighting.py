"""What an image showed: an estimate, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.errors import CalibrationError, ImageError, VisualServoingError
from cnn_vs_ros.estimation.estimator import Estimator
from cnn_vs_ros.geometry import PinholeCamera, RelativePose
from cnn_vs_ros.geometry.relative_pose import NO_REFERENCE

_SAME_CAMERA = 0.05
"""Pixels by which two calibrations may differ: that of rounding, or of a zero more among the coefficients."""


@dataclass(frozen=True)
class Sighting:
    """What is known after an image.

    `word` is NO_REFERENCE or the value of a PoseStatus; `pose` is there unless the image could not be used at all,
    `reason` then says why; `details` are figures of the estimator.
    """

    word: str = NO_REFERENCE
    pose: RelativePose | None = None
    reason: str = ''
    details: dict[str, float] = field(default_factory=dict)

    @property
    def found(self) -> bool:
        """Whether there is a pose to servo on."""
        return self.pose is not None and not self.pose.is_lost

    @property
    def confidence(self) -> float | None:
        """Confidence of the pose, None where the estimator cannot tell; 0 without a pose."""
        return self.pose.confidence if self.pose is not None else 0.0


def sight(
    estimator: Estimator,
    camera: PinholeCamera,
    image: Callable[[], NDArray[np.uint8]],
    motion: NDArray[np.float64] | None,
) -> Sighting:
    """Estimate an image, which `image` returns, of a camera; what that raises of our errors is the reason.

    `motion` (4, 4) is that of the camera since the image before, as for Estimator.estimate. The estimator must
    have a reference; it begins anew after an image that could not be used.
    """
    assert estimator.reference is not None
    try:
        check_same_camera(camera, estimator.reference.camera)
        pose = estimator.estimate(image(), motion)
    except VisualServoingError as error:
        estimator.reset()
        return Sighting('lost', reason=str(error))
    if not (pose.is_lost or (np.isfinite(pose.transform).all() and np.isfinite(pose.covariance).all())):
        estimator.reset()
        return Sighting('lost', reason='the estimate should be finite but is not')
    return Sighting(pose.status.value, pose, details=dict(estimator.details))


def check_same_camera(camera: PinholeCamera, expected: PinholeCamera) -> None:
    """Raise ImageError or CalibrationError where a camera is another one than that of a reference."""
    if camera.size != expected.size:
        raise ImageError(
            f'camera_info should be of the {expected.width}x{expected.height} camera of the reference '
            f'but is of a {camera.width}x{camera.height} one'
        )
    difference = 0.0 if camera == expected else _pixel_difference(camera, expected)
    if difference > _SAME_CAMERA:
        raise CalibrationError(
            'camera_info should be the calibration that the reference was captured with but differs from it by up '
            f'to {difference:.2g} pixels: capture the reference again'
        )


@lru_cache(maxsize=4)
def _pixel_difference(camera: PinholeCamera, expected: PinholeCamera) -> float:
    return camera.pixel_difference(expected)
