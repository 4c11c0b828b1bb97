"""Node: images of a device, a video or a folder, with their calibration. Its contract is in docs/tools.md."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from rclpy.task import Future
from sensor_msgs.msg import CameraInfo, Image

from cnn_vs_ros import frames
from cnn_vs_ros.capture import ImageStream, open_source
from cnn_vs_ros.errors import CalibrationError, ImageError, VisualServoingError
from cnn_vs_ros.geometry import PinholeCamera
from cnn_vs_ros.geometry.calibration_file import load_calibration
from cnn_vs_ros.nodes import messages
from cnn_vs_ros.nodes.common import stamp_now
from cnn_vs_ros.nodes.parameters import declare
from cnn_vs_ros.nodes.quality_of_service import overridable
from cnn_vs_ros.nodes.running import run_node
from cnn_vs_ros.nodes.throttled_warnings import ThrottledWarnings


class CameraNode(Node):
    """Adapter of an ImageStream, in whose thread the images are published."""

    def __init__(self) -> None:
        super().__init__('camera')
        self._declare_parameters()
        self._undistort, self._frame = self._value('undistort'), self._value('frame_id')
        self._warn = ThrottledWarnings(self.get_logger())
        source, calibration = self._value('source'), self._value('calibration')
        width, height = self._value('width'), self._value('height')
        self._camera = load_calibration(calibration) if calibration else None
        if self._undistort and self._camera is None:
            raise CalibrationError(
                'undistort should come with a calibration but the parameter calibration is empty'
            )
        self.done: Future = Future()
        size = (width, height) if width and height else None
        self._stream = ImageStream(
            partial(open_source, source, rate=self._value('rate'), size=size),
            self._on_image,
            self.get_logger().warning,
            loop=self._value('loop'),
            reconnect_period=self._value('reconnect_period'),
        )
        if self._camera is not None:
            self._camera.check_image(self._stream.first)
        sensor = qos_profile_sensor_data
        self._image_publisher = self.create_publisher(Image, 'image_raw', **overridable(sensor))
        self._info_publisher = self.create_publisher(CameraInfo, 'camera_info', **overridable(sensor))
        shape = self._stream.first.shape
        self.get_logger().info(
            f'{source}: {shape[1]}x{shape[0]}, {"calibrated" if self._camera is not None else "not calibrated"}'
        )
        self._stream.start(self._on_end)

    def shut_down(self) -> None:
        """Let the source go."""
        self._stream.stop()

    def _declare_parameters(self) -> None:
        self._fixed('source', '', 'A device (0, /dev/video0), a video, or a folder of images.')
        self._fixed('calibration', '', 'YAML file of camera_calibration; empty: uncalibrated.')
        self._fixed('undistort', False, 'Whether images are undistorted before they are sent.')
        self._fixed('rate', 0.0, 'Of a video or folder, asked of a device, Hz; 0: its own.', bounds=(0.0, 1000.0))
        self._fixed('width', 0, 'Asked of a device, pixels; 0: its own.', bounds=(0, 16384))
        self._fixed('height', 0, 'Asked of a device, pixels; 0: its own.', bounds=(0, 16384))
        self._fixed('loop', True, 'Whether a video or folder begins again at its end.')
        self._fixed(
            'reconnect_period', 1.0, 'Between attempts to open a source that has gone, s.', bounds=(0.05, 60.0)
        )
        self._fixed('frame_id', frames.CAMERA, 'Frame in the headers.')

    def _value(self, parameter: str) -> Any:
        return self.get_parameter(parameter).value

    def _fixed(self, name: str, default: Any, description: str, **rest: Any) -> None:
        declare(self, name, default, description, read_only=True, **rest)

    def _on_image(self, image: np.ndarray) -> None:
        stamp = stamp_now(self)
        camera = self._camera
        if camera is not None:
            try:
                camera.check_image(image)
            except ImageError as error:
                self._warn(f'image not published: {error}')
                return
            if self._undistort:
                image, camera = camera.undistort(image), camera.undistorted
        self._info_publisher.publish(self._info(camera, image, stamp))
        self._image_publisher.publish(messages.image_to_message(image, stamp, self._frame))

    def _info(self, camera: PinholeCamera | None, image: np.ndarray, stamp: Time) -> CameraInfo:
        if camera is not None:
            return messages.camera_to_message(camera, stamp, self._frame)
        info = CameraInfo(width=image.shape[1], height=image.shape[0])  # K[0] is 0: uncalibrated
        info.header.stamp, info.header.frame_id = stamp, self._frame
        return info

    def _on_end(self, error: Exception | None) -> None:
        if error is not None:
            sentence = str(error) if isinstance(error, VisualServoingError) else f'the camera failed: {error!r}'
            self.get_logger().fatal(sentence)
        if not self.done.done():
            self.done.set_result(0 if error is None else 1)


def main(args: Sequence[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM."""
    return run_node(CameraNode, args)
