"""Node: a web page that shows what the graph does. Its contract is in docs/tools.md."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
from geometry_msgs.msg import PoseWithCovarianceStamped
from numpy.typing import NDArray
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import String

from cnn_vs_ros.errors import VisualServoingError
from cnn_vs_ros.geometry import PinholeCamera, se3
from cnn_vs_ros.geometry.drawing import Trail
from cnn_vs_ros.nodes import messages
from cnn_vs_ros.nodes.arm_listener import ArmListener
from cnn_vs_ros.nodes.common import LATCHED, NEWEST, steady_clock
from cnn_vs_ros.nodes.latched_camera_info import subscribe_to_latched
from cnn_vs_ros.nodes.parameters import declare
from cnn_vs_ros.nodes.quality_of_service import subscribe
from cnn_vs_ros.nodes.running import run_node
from cnn_vs_ros.nodes.throttled_warnings import ThrottledWarnings
from cnn_vs_ros.view import ViewPage
from cnn_vs_ros.view.history import ErrorHistory

Array = NDArray[np.float64]


class ViewNode(Node):
    """Remembers the newest of everything, and brings the page up to date at `rate`."""

    def __init__(self) -> None:
        super().__init__('view')
        port, rate, history = self._declare_parameters()
        self._warn = ThrottledWarnings(self.get_logger())
        self._page = ViewPage(port)
        self._arm = ArmListener(self)
        self._camera: PinholeCamera | None = None
        self._debug_image: Image | None = None
        self._base_T_desired: Array | None = None
        self._errors, self._trail = ErrorHistory(history), Trail()
        self._status, self._reason, self._urdf = 'no controller', '', ''
        subscribe(self, String, 'robot_description', self._on_description, LATCHED)
        self.create_subscription(CameraInfo, 'camera_info', self._on_camera_info, NEWEST)
        subscribe_to_latched(self, self._on_camera_info)
        self.create_subscription(Image, 'pose_estimator/debug_image', self._on_debug_image, NEWEST)
        self.create_subscription(PoseWithCovarianceStamped, 'relative_pose', self._on_pose, 10)
        self.create_subscription(String, 'servo_status', self._on_status, LATCHED)
        self.create_subscription(String, 'servo_status_reason', self._on_reason, LATCHED)
        self.create_timer(1.0 / rate, self._show, clock=steady_clock())
        print(f'view: {self._page.address}', flush=True)

    def _declare_parameters(self) -> tuple[int, float, float]:
        port = declare(
            self, 'port', 8080, 'Of the page, on this computer; 0: any.', bounds=(0, 65535), read_only=True
        )
        rate = declare(self, 'rate', 10.0, 'Of the page, Hz.', bounds=(0.5, 60.0), read_only=True)
        history = declare(self, 'history', 30.0, 'Length of the curves, s.', bounds=(1.0, 3600.0), read_only=True)
        return port, rate, history

    def shut_down(self) -> None:
        """End the page."""
        self._page.close()

    def _on_description(self, message: String) -> None:
        if message.data == self._urdf:
            return
        self._urdf = message.data
        try:
            self._page.set_robot(self._urdf)
        except VisualServoingError as error:
            self._warn(f'robot not shown: {error}')

    def _on_camera_info(self, message: CameraInfo) -> None:
        if self._camera is None:
            try:
                self._camera = messages.camera_from_message(message)
            except VisualServoingError as error:
                self._warn(f'no frusta: {error}')

    def _on_debug_image(self, message: Image) -> None:
        self._debug_image = message

    def _on_pose(self, message: PoseWithCovarianceStamped) -> None:
        try:
            desired_T_current = messages.pose_from_message(message.pose.pose)
            self._errors.add(messages.seconds(message.header.stamp), desired_T_current)
            kinematics, positions = self._arm.state()
        except VisualServoingError:
            return  # said elsewhere; the page goes on without
        self._base_T_desired = kinematics.pose(positions) @ se3.inverse(desired_T_current)

    def _on_status(self, message: String) -> None:
        self._status = message.data

    def _on_reason(self, message: String) -> None:
        self._reason = message.data

    def _show(self) -> None:
        try:
            self._show_arm()
            self._show_images()
        except VisualServoingError as error:
            self._warn(str(error))
        recent = self._errors.recent()
        if len(recent):
            self._page.set_errors(*recent.T)
        text = f'**{self._status}**: {self._reason}' if self._reason else f'**{self._status}**'
        if len(recent):
            text += f'\n\n{1e3 * recent[-1, 1]:.2f} mm, {np.degrees(recent[-1, 2]):.3f} degrees to go'
        self._page.set_status(text)

    def _show_arm(self) -> None:
        kinematics, positions = self._arm.kinematics, self._arm.last_positions
        if kinematics is None or positions is None:
            return
        self._page.set_links(kinematics.link_poses(positions))
        base_T_current = kinematics.pose(positions)
        self._trail.add(base_T_current[:3, 3])
        if self._camera is not None:
            self._page.set_cameras(self._camera, base_T_current, self._base_T_desired, self._trail.points)

    def _show_images(self) -> None:
        message, self._debug_image = self._debug_image, None
        if message is not None:
            self._page.set_images(np.array_split(messages.image_from_message(message), 3, axis=1))


def main(args: Sequence[str] | None = None) -> int:
    """Serve the page until SIGINT or SIGTERM."""
    return run_node(ViewNode, args)


if __name__ == '__main__':
    sys.exit(main())
