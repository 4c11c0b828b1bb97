"""Node: what RViz shows of a servo task beside the arm. Its contract is in docs/tools.md."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Sequence

import numpy as np
from builtin_interfaces.msg import Duration, Time
from geometry_msgs.msg import Point, PoseWithCovarianceStamped, TransformStamped
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

from cnn_vs_ros import frames
from cnn_vs_ros.errors import ImageError, VisualServoingError
from cnn_vs_ros.geometry import PinholeCamera, se3
from cnn_vs_ros.geometry.drawing import Trail, frustum
from cnn_vs_ros.nodes import messages
from cnn_vs_ros.nodes.arm_listener import ArmListener
from cnn_vs_ros.nodes.common import NEWEST, stamp_now
from cnn_vs_ros.nodes.frame_broadcaster import frame_sender
from cnn_vs_ros.nodes.latched_camera_info import subscribe_to_latched
from cnn_vs_ros.nodes.parameters import declare
from cnn_vs_ros.nodes.running import run_node
from cnn_vs_ros.nodes.throttled_warnings import ThrottledWarnings

Array = NDArray[np.float64]

_CURRENT, _DESIRED, _PATH = (0.2, 0.5, 1.0), (0.2, 0.8, 0.3), (1.0, 0.6, 0.1)
_PERIOD = 0.05
_REMEMBERED = 2.0
"""Seconds of the camera's poses that are kept for estimates, which come later than their images."""


class VisualizationNode(Node):
    """Adapter from relative_pose, joint_states and camera_info to markers, images and TF."""

    def __init__(self) -> None:
        super().__init__('visualization')
        self._warn = ThrottledWarnings(self.get_logger())
        self._arm = ArmListener(self)
        self._fixed_frame = declare(self, 'fixed_frame', frames.ROOT, 'Root link of the URDF.', read_only=True)
        self._desired_frame = declare(
            self,
            'desired_frame',
            frames.DESIRED_CAMERA,
            'Frame of the desired camera that TF gets.',
            read_only=True,
        )
        self._frustum_depth = declare(
            self, 'frustum_depth', 0.08, 'Length of the drawn frusta, m.', bounds=(0.001, 10.0), read_only=True
        )
        debug_image = declare(
            self,
            'debug_image',
            'pose_estimator/debug_image',
            'Topic of the images current, desired and difference side by side.',
            read_only=True,
        )
        self._camera: PinholeCamera | None = None
        self._poses: deque[tuple[float, Array]] = deque(maxlen=int(_REMEMBERED / _PERIOD))
        self._trail = Trail()
        self._world_T_desired: Array | None = None
        self._send_transform = frame_sender(self, self._desired_frame)
        self._markers = self.create_publisher(MarkerArray, '~/markers', 1)
        self._parts = [self.create_publisher(Image, f'~/{part}_image', 1) for part in ('desired', 'difference')]
        self._debug_topic, self._debug_subscription = debug_image, None
        self.create_subscription(CameraInfo, 'camera_info', self._on_camera_info, NEWEST)
        subscribe_to_latched(self, self._on_camera_info)
        self.create_subscription(PoseWithCovarianceStamped, 'relative_pose', self._on_pose, 10)
        self.create_timer(_PERIOD, self._on_timer)

    def _on_camera_info(self, message: CameraInfo) -> None:
        try:
            self._camera = messages.camera_from_message(message)
        except VisualServoingError as error:
            self._warn(str(error))

    def _on_pose(self, message: PoseWithCovarianceStamped) -> None:
        if not self._poses:
            return
        try:
            desired_T_current = messages.pose_from_message(message.pose.pose)
        except VisualServoingError as error:
            self._warn(f'estimate refused: {error}')
            return
        stamp = messages.seconds(message.header.stamp)
        _, world_T_camera = min(self._poses, key=lambda item: abs(item[0] - stamp))
        self._world_T_desired = world_T_camera @ se3.inverse(desired_T_current)
        self._send_transform(self._transform(self._world_T_desired, message.header.stamp))

    def _on_timer(self) -> None:
        self._watch_images()
        now = stamp_now(self)
        try:
            kinematics, positions = self._arm.state()
        except VisualServoingError:
            return
        world_T_camera = kinematics.pose(positions)
        self._poses.append((messages.seconds(now), world_T_camera))
        self._trail.add(world_T_camera[:3, 3])
        self._markers.publish(MarkerArray(markers=self._drawn(world_T_camera, now)))

    def _drawn(self, world_T_camera: Array, stamp: Time) -> list[Marker]:
        markers = []
        if self._camera is not None:
            edges = frustum(self._camera, self._frustum_depth)
            markers.append(self._lines('current', Marker.LINE_LIST, edges, world_T_camera, _CURRENT, stamp))
            if self._world_T_desired is not None:
                desired = self._lines('desired', Marker.LINE_LIST, edges, self._world_T_desired, _DESIRED, stamp)
                markers.append(desired)
        if len(path := self._trail.points) > 1:
            markers.append(self._lines('path', Marker.LINE_STRIP, path, np.eye(4), _PATH, stamp))
        return markers

    def _lines(
        self, name: str, kind: int, points: Array, world_T_points: Array, colour: Sequence[float], stamp: Time
    ) -> Marker:
        r, g, b = colour
        marker = Marker(ns=name, type=kind, action=Marker.ADD, color=ColorRGBA(r=r, g=g, b=b, a=1.0))
        marker.header.frame_id, marker.header.stamp = self._fixed_frame, stamp
        marker.pose = messages.pose_to_message(world_T_points)
        marker.scale.x = 0.0015
        marker.lifetime = Duration(sec=1)
        marker.points = [Point(x=float(x), y=float(y), z=float(z)) for x, y, z in points]
        return marker

    def _transform(self, world_T_desired: Array, stamp: Time) -> TransformStamped:
        transform = TransformStamped(child_frame_id=self._desired_frame)
        transform.header.frame_id, transform.header.stamp = self._fixed_frame, stamp
        transform.transform = messages.pose_to_transform(messages.pose_to_message(world_T_desired))
        return transform

    def _watch_images(self) -> None:
        """Listen to the debug image only while someone looks at its parts: drawing it costs the estimator time."""
        wanted = any(publisher.get_subscription_count() for publisher in self._parts)
        if wanted and self._debug_subscription is None:
            self._debug_subscription = self._listen()
        elif not wanted and self._debug_subscription is not None:
            self.destroy_subscription(self._debug_subscription)
            self._debug_subscription = None

    def _listen(self) -> Subscription:
        return self.create_subscription(Image, self._debug_topic, self._on_debug_image, 1)

    def _on_debug_image(self, message: Image) -> None:
        try:
            image = messages.image_from_message(message)
        except ImageError as error:
            self._warn(str(error))
            return
        header, width = message.header, image.shape[1] // 3
        for part, publisher in enumerate(self._parts, start=1):
            picture = image[:, part * width : (part + 1) * width]
            publisher.publish(messages.image_to_message(picture, header.stamp, header.frame_id))


def main(args: Sequence[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM."""
    return run_node(VisualizationNode, args)


if __name__ == '__main__':
    sys.exit(main())
