"""From image and camera_info messages to an estimate, or to the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from geometry_msgs.msg import TwistStamped
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from cnn_vs_ros.control.motion_history import MotionHistory
from cnn_vs_ros.errors import CalibrationError, ImageError, PoseError, VisualServoingError
from cnn_vs_ros.estimation import Estimator, Reference
from cnn_vs_ros.geometry import PinholeCamera, RelativePose
from cnn_vs_ros.nodes import messages
from cnn_vs_ros.nodes.frozen_picture import FrozenPicture

_SAME_CAMERA = 0.05
"""Pixels by which two calibrations may differ: that of rounding, or of a zero more among the coefficients."""

_TWIST_TIMEOUT = 0.1
"""Seconds after which a twist says nothing about the camera's motion any more."""


@dataclass(frozen=True)
class Sighting:
    """What is known after an image.

    `word` is no_reference or a PoseStatus; `pose` is there unless the image could not be used at all, `reason`
    then says why; `details` are figures of the estimator.
    """

    word: str = messages.NO_REFERENCE
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


def looks_rectified(topic: str) -> bool:
    """Whether a topic of images is one that image_proc undistorts, by its name: image_rect, image_rect_color."""
    return 'rect' in topic.removesuffix(messages.COMPRESSED).rpartition('/')[2]


class ImageEstimation:
    """An estimator, the calibration of the camera that it listens to, and the checks of both."""

    def __init__(self, estimator: Estimator) -> None:
        self.estimator = estimator
        self.camera: PinholeCamera | None = None
        self._info: CameraInfo | None = None
        self._rectified = False
        self._problem = 'no camera_info has come yet'
        self._twists = MotionHistory()
        self._frozen = FrozenPicture()
        self._twist_time = self._image_time = -np.inf

    @property
    def reference(self) -> Reference | None:
        """The reference servoed to, if one is set."""
        return self.estimator.reference

    @property
    def has_camera_info(self) -> bool:
        """Whether a calibration has come, valid or not."""
        return self._info is not None

    def set_rectified(self, rectified: bool) -> None:
        """Say whether the images are undistorted already, so that P of camera_info is theirs."""
        if rectified != self._rectified:
            self._rectified, self._info, self.camera = rectified, None, None

    def take_camera_info(self, info: CameraInfo) -> None:
        """Take the calibration, if it is another than the one known."""
        names = ('width', 'height', 'distortion_model', 'd', 'k', 'p', 'binning_x', 'binning_y', 'roi')
        known = self._info
        if known is not None and all(np.array_equal(getattr(known, name), getattr(info, name)) for name in names):
            return
        self._info, self.camera = info, None
        try:
            self.camera = messages.camera_from_message(info, self._rectified)
        except CalibrationError as error:
            self._problem = str(error)

    def take_twist(self, message: TwistStamped) -> None:
        """Take the motion that the camera is sent on, by which the track is carried to the next image."""
        try:
            self._twists.add(messages.seconds(message.header.stamp), messages.twist_from_message(message.twist))
        except PoseError:  # not finite: the arm does not follow it either
            self._twists.clear()
        self._twist_time = messages.seconds(message.header.stamp)

    def _motion_to(self, stamp: float) -> np.ndarray | None:
        """Commanded motion (4, 4) since the last image; None when no twists come, so that nothing is known."""
        before, self._image_time = self._image_time, stamp
        commanded = abs(stamp - self._twist_time) < _TWIST_TIMEOUT
        return self._twists.motion(before, stamp) if commanded and before < stamp else None

    def capture(self, message: Image | CompressedImage, depth: float, mask: np.ndarray | None = None) -> Reference:
        """Reference of an image. Raises VisualServoingError when the image or its calibration cannot be one."""
        if self.camera is None:
            raise CalibrationError(self._problem)
        return Reference(messages.image_from_message(message).copy(), self.camera, depth, mask=mask)

    def estimate(self, message: Image | CompressedImage) -> Sighting:
        """Estimate the pose of an image; never raises for what a camera may send."""
        reference = self.reference
        motion = self._motion_to(messages.seconds(message.header.stamp))
        frozen = self._frozen.problem(message, motion)
        if reference is None:
            return Sighting(reason='' if self.camera is not None else self._problem)
        try:
            if self.camera is None:
                raise CalibrationError(self._problem)
            check_same_camera(self.camera, reference.camera)
            if frozen:
                raise ImageError(frozen)
            pose = self.estimator.estimate(messages.image_from_message(message), motion)
        except VisualServoingError as error:
            self.estimator.reset()
            return Sighting('lost', reason=str(error))
        if not (pose.is_lost or (np.isfinite(pose.transform).all() and np.isfinite(pose.covariance).all())):
            self.estimator.reset()
            return Sighting('lost', reason='the estimate should be finite but is not')
        return Sighting(pose.status.value, pose, details=dict(self.estimator.details))


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
