"""From image and camera_info messages to an estimate, or to the reason why there is none."""

from __future__ import annotations

import numpy as np
from geometry_msgs.msg import TwistStamped
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from cnn_vs_ros.capture.frozen_picture import FrozenPicture
from cnn_vs_ros.control.motion_history import STANDSTILL, MotionHistory
from cnn_vs_ros.errors import CalibrationError, ImageError, PoseError
from cnn_vs_ros.estimation import Estimator, Reference
from cnn_vs_ros.estimation.sighting import Sighting, sight
from cnn_vs_ros.geometry import PinholeCamera
from cnn_vs_ros.nodes import messages


def looks_rectified(topic: str) -> bool:
    """Whether a topic of images is one that image_proc undistorts, by its name: image_rect, image_rect_color."""
    return 'rect' in topic.removesuffix(messages.COMPRESSED).rpartition('/')[2]


class ImageEstimation:
    """Adapter of an estimator: its camera by camera_info, the motion by twists, the images by messages."""

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
        stamp = messages.seconds(message.header.stamp)
        try:
            self._twists.add(stamp, messages.twist_from_message(message.twist))
        except PoseError:  # not finite: the arm does not follow it either
            self._twists.clear()
        self._twist_time = stamp

    def _motion_to(self, stamp: float) -> np.ndarray | None:
        """Motion (4, 4) sent since the last image; None when no twists come, so that nothing is known."""
        before, self._image_time = self._image_time, stamp
        sent = abs(stamp - self._twist_time) < STANDSTILL
        return self._twists.motion(before, stamp) if sent and before < stamp else None

    def capture(self, message: Image | CompressedImage, depth: float, mask: np.ndarray | None = None) -> Reference:
        """Reference of an image. Raises VisualServoingError when the image or its calibration cannot be one."""
        if self.camera is None:
            raise CalibrationError(self._problem)
        return Reference(messages.image_from_message(message).copy(), self.camera, depth, mask=mask)

    def estimate(self, message: Image | CompressedImage) -> Sighting:
        """Estimate the pose of an image; never raises for what a camera may send."""
        stamp = messages.seconds(message.header.stamp)
        motion = self._motion_to(stamp)
        frozen = self._frozen.problem(np.frombuffer(message.data, np.uint8), stamp, motion)

        def image() -> np.ndarray:
            if frozen:
                raise ImageError(frozen)
            return messages.image_from_message(message)

        if self.reference is None:
            return Sighting(reason='' if self.camera is not None else self._problem)
        if self.camera is None:
            self.estimator.reset()
            return Sighting('lost', reason=self._problem)
        return sight(self.estimator, self.camera, image, motion)
