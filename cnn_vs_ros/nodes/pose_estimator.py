"""Node: images in, relative pose out. Its contract is in docs/nodes.md."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import PoseWithCovarianceStamped
from rclpy.clock import Clock, ClockType
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo, Image
from std_srvs.srv import Trigger

from cnn_vs_ros.errors import CalibrationError, ImageError, VisualServoingError
from cnn_vs_ros.estimation import PoseEstimator, Reference
from cnn_vs_ros.geometry import PinholeCamera, PoseStatus, RelativePose
from cnn_vs_ros.nodes import messages
from cnn_vs_ros.nodes.frame_statistics import FrameStatistics
from cnn_vs_ros.nodes.managed_node import ManagedNode
from cnn_vs_ros.nodes.parameters import declare
from cnn_vs_ros.nodes.running import run_node

CAPTURE_TIMEOUT = 3.0
"""Seconds of wall time that capture_reference waits for an image taken after the request."""

_NEWEST = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
_POLL_PERIOD = 0.002


def default_reference_folder() -> Path:
    """Folder used when the parameter reference_folder is empty."""
    return Path(os.environ.get('ROS_HOME', '~/.ros')).expanduser() / 'cnn_vs_ros' / 'reference'


def comparison(current: np.ndarray, desired: np.ndarray) -> np.ndarray:
    """Current, desired and absolute difference side by side: two images (H, W[, 3]) to (H, 3 W, 3)."""
    colour = [cv2.cvtColor(item, cv2.COLOR_GRAY2BGR) if item.ndim == 2 else item for item in (current, desired)]
    if colour[0].shape != colour[1].shape:
        colour[0] = cv2.resize(colour[0], colour[1].shape[1::-1])
    return np.hstack([*colour, cv2.absdiff(*colour)])


@dataclass(frozen=True)
class _Outcome:
    """What is known after an image: `word` is no_reference or a PoseStatus, `reason` why there is no pose."""

    word: str
    pose: RelativePose | None = None
    reason: str = ''

    @property
    def confidence(self) -> float:
        return self.pose.confidence if self.pose is not None else 0.0


class PoseEstimatorNode(ManagedNode):
    """Adapter from image_raw and camera_info to relative_pose and pose_status."""

    def __init__(self) -> None:
        super().__init__('pose_estimator')
        declare(self, 'model', 'scene_agnostic', "A shipped model's name or the path of a .onnx file.")
        declare(self, 'reference_folder', '', 'Folder; empty: cnn_vs_ros/reference in $ROS_HOME (~/.ros).')
        declare(self, 'depth', 0.25, 'Depth of the scene at the next captured reference, m.', bounds=(0.01, 100.0))
        declare(self, 'threads', 1, 'Threads of the network inference.', bounds=(1, 64))
        declare(self, 'desired_frame', 'desired_camera_optical_frame', 'Frame of the camera at the reference.')
        self._estimator: PoseEstimator | None = None
        self._camera: PinholeCamera | None = None
        self._camera_info: CameraInfo | None = None
        self._camera_problem = ''
        self._image: Image | None = None
        self._outcome = _Outcome(messages.NO_REFERENCE)
        self._statistics = FrameStatistics()

    # Transitions

    def configure(self) -> None:
        """Load the model, and the reference if there is one."""
        model = self.get_parameter('model').value
        self._estimator = PoseEstimator.load(model, self.get_parameter('threads').value)
        self._pose_publisher = self.create_lifecycle_publisher(PoseWithCovarianceStamped, 'relative_pose', 10)
        self._status_publisher = self.create_lifecycle_publisher(DiagnosticArray, 'pose_status', 10)
        self._debug_publisher = self.create_lifecycle_publisher(Image, '~/debug_image', 1)
        self._diagnostics_publisher = self.create_lifecycle_publisher(DiagnosticArray, '/diagnostics', 10)
        self._capture_service = self.create_service(Trigger, '~/capture_reference', self._on_capture)
        self._load_service = self.create_service(Trigger, '~/load_reference', self._on_load)
        folder = self._reference_folder()
        try:
            if folder.exists():
                self._set_reference(Reference.load(folder))
        except VisualServoingError as error:
            self.get_logger().warning(f'{error}; capture another')
        if self._estimator.reference is None:
            self.get_logger().info(f'no reference in {folder} yet: capture one by the service ~/capture_reference')

    def activate(self) -> None:
        """Begin to listen to the camera."""
        options = {'qos_overriding_options': QoSOverridingOptions.with_default_policies()}
        self._image_subscription = self.create_subscription(Image, 'image_raw', self._on_image, _NEWEST, **options)
        self._info_subscription = self.create_subscription(
            CameraInfo, 'camera_info', self._on_camera_info, _NEWEST, **options
        )
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._diagnostics_timer = self.create_timer(1.0, self._publish_diagnostics, clock=steady)
        self._statistics.reset(time.monotonic())

    def deactivate(self) -> None:
        """Cease to listen; what was tracked is out of date by the next activation."""
        self.destroy_subscription(self._image_subscription)
        self.destroy_subscription(self._info_subscription)
        self.destroy_timer(self._diagnostics_timer)
        self._image = self._camera = self._camera_info = None
        if self._estimator is not None:
            self._estimator.reset()

    def cleanup(self) -> None:
        """Drop the model, the publishers and the services."""
        self._estimator = None
        for publisher in (
            self._pose_publisher, self._status_publisher, self._debug_publisher, self._diagnostics_publisher
        ):  # fmt: skip
            self.destroy_lifecycle_publisher(publisher)
        self.destroy_service(self._capture_service)
        self.destroy_service(self._load_service)

    # Images

    def _on_camera_info(self, message: CameraInfo) -> None:
        known = self._camera_info
        if known is not None and all(
            np.array_equal(getattr(known, name), getattr(message, name))
            for name in ('width', 'height', 'distortion_model', 'd', 'k')
        ):
            return
        self._camera_info, self._camera, self._camera_problem = message, None, ''
        try:
            self._camera = messages.camera_from_message(message)
        except CalibrationError as error:
            self._camera_problem = str(error)

    def _on_image(self, message: Image) -> None:
        self._image = message
        self._outcome = outcome = self._estimate(message)
        if outcome.reason:
            self.get_logger().warning(outcome.reason, throttle_duration_sec=5.0)
        self._publish(outcome, message.header.stamp)
        latency = 1e-9 * self.get_clock().now().nanoseconds - messages.seconds(message.header.stamp)
        self._statistics.add(latency)
        if self._debug_publisher.get_subscription_count():
            self._publish_debug_image(message)

    def _estimate(self, message: Image) -> _Outcome:
        estimator = self._estimator
        if estimator is None or estimator.reference is None:
            return _Outcome(messages.NO_REFERENCE, reason=self._camera_problem)
        if self._camera is None:
            return _Outcome('lost', reason=self._camera_problem or 'no camera_info has come yet')
        try:
            self._check_camera(self._camera, estimator.reference.camera)
            pose = estimator.estimate(messages.image_from_message(message))
        except VisualServoingError as error:
            estimator.reset()
            return _Outcome('lost', reason=str(error))
        if pose.is_lost:
            return _Outcome('lost', pose)
        if not (np.isfinite(pose.transform).all() and np.isfinite(pose.covariance).all()):
            estimator.reset()
            return _Outcome('lost', reason='the estimate is not finite')
        return _Outcome(pose.status.value, pose)

    @staticmethod
    def _check_camera(camera: PinholeCamera, expected: PinholeCamera) -> None:
        if camera.size != expected.size:
            raise ImageError(
                f'camera_info should be of the {expected.width}x{expected.height} camera of the reference '
                f'but is of a {camera.width}x{camera.height} one'
            )
        if camera != expected:
            raise CalibrationError(
                'camera_info should be the calibration that the reference was captured with but differs from it: '
                'capture the reference again'
            )

    def _publish(self, outcome: _Outcome, stamp: Time) -> None:
        found = outcome.word in (PoseStatus.ACQUIRED.value, PoseStatus.TRACKED.value)
        status = DiagnosticStatus(
            level=DiagnosticStatus.OK if found else DiagnosticStatus.WARN,
            name=f'{self.get_name()}: pose',
            message=outcome.word,
        )
        values: dict[str, object] = {'confidence': outcome.confidence}
        if outcome.pose is not None and self._estimator is not None:
            values |= {key: value for key, value in self._estimator.details.items() if key != 'confidence'}
        if outcome.reason:
            values['reason'] = outcome.reason
        status.values = messages.key_values(values)
        array = DiagnosticArray(status=[status])
        array.header.stamp = stamp
        array.header.frame_id = self.get_parameter('desired_frame').value
        self._status_publisher.publish(array)
        if found and outcome.pose is not None:
            pose = PoseWithCovarianceStamped(header=array.header)
            pose.pose = messages.relative_pose_to_message(outcome.pose)
            self._pose_publisher.publish(pose)

    def _publish_debug_image(self, message: Image) -> None:
        reference = self._estimator.reference if self._estimator is not None else None
        if reference is None:
            return
        try:
            picture = comparison(messages.image_from_message(message), reference.image)
        except ImageError:
            return
        self._debug_publisher.publish(
            messages.image_to_message(picture, message.header.stamp, message.header.frame_id)
        )

    def _publish_diagnostics(self) -> None:
        figures = self._statistics.report(time.monotonic())
        outcome = self._outcome
        status = DiagnosticStatus(name=f'{self.get_fully_qualified_name().lstrip("/")}: estimation')
        if not figures['images']:
            status.level = DiagnosticStatus.STALE
            status.message = f'no image on {self._image_subscription.topic_name}'
        else:
            found = outcome.pose is not None and not outcome.pose.is_lost
            status.level = DiagnosticStatus.OK if found else DiagnosticStatus.WARN
            status.message = outcome.reason or outcome.word
        values: dict[str, object] = {'status': outcome.word, 'confidence': outcome.confidence, **figures}
        if self._estimator is not None:
            values['estimator'] = self._estimator.name
        status.values = messages.key_values(values)
        array = DiagnosticArray(status=[status])
        array.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics_publisher.publish(array)

    # Services

    def _on_capture(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        try:
            message = self._image_taken_from_now()
            if self._camera is None:
                raise CalibrationError(self._camera_problem or 'no camera_info has come yet')
            image = messages.image_from_message(message).copy()
            reference = Reference(image, self._camera, self.get_parameter('depth').value)
            folder = reference.save(self._reference_folder())
            self._set_reference(reference)
        except (VisualServoingError, OSError) as error:
            return self._answer(response, False, f'no reference captured: {error}')
        size = f'{reference.camera.width}x{reference.camera.height}'
        return self._answer(response, True, f'captured {size} at depth {reference.depth:g} m to {folder}')

    def _on_load(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        folder = self._reference_folder()
        try:
            reference = Reference.load(folder)
            self._set_reference(reference)
        except (VisualServoingError, OSError) as error:
            return self._answer(response, False, f'no reference loaded: {error}')
        return self._answer(response, True, f'loaded {folder}, depth {reference.depth:g} m')

    def _answer(self, response: Trigger.Response, success: bool, sentence: str) -> Trigger.Response:
        (self.get_logger().info if success else self.get_logger().error)(sentence)
        response.success, response.message = success, sentence
        return response

    def _set_reference(self, reference: Reference) -> None:
        assert self._estimator is not None, 'services exist only while configured'
        self._estimator.set_reference(reference)

    def _reference_folder(self) -> Path:
        value = self.get_parameter('reference_folder').value
        return Path(value).expanduser() if value else default_reference_folder()

    def _image_taken_from_now(self) -> Image:
        """Wait for an image taken after this moment: the newest one may still show the arm in motion.

        Images that come meanwhile are estimated and answered for as always, so that nobody waits for them.
        """
        if not self.active:
            raise ImageError('the node should be active to capture an image but is not')
        requested = 1e-9 * self.get_clock().now().nanoseconds
        deadline = time.monotonic() + CAPTURE_TIMEOUT
        while time.monotonic() < deadline:
            info = self._take(self._info_subscription)
            if info is not None:
                self._on_camera_info(info)
            message = self._take(self._image_subscription)
            if message is None:
                time.sleep(_POLL_PERIOD)
                continue
            self._on_image(message)
            if messages.seconds(message.header.stamp) > requested:
                return message
        raise ImageError(
            f'no image stamped after the request came on {self._image_subscription.topic_name} within '
            f'{CAPTURE_TIMEOUT:g} s: is the camera running, and is its clock that of this node?'
        )

    @staticmethod
    def _take(subscription: Subscription) -> Image | CameraInfo | None:
        with subscription.handle:
            taken = subscription.handle.take_message(subscription.msg_type, subscription.raw)
        return None if taken is None else taken[0]


def make_node() -> PoseEstimatorNode:
    """Return the node, brought up if autostart is set."""
    node = PoseEstimatorNode()
    node.start_up()
    return node


def main(args: Sequence[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM."""
    # The images are small: OpenCV's and the network's threads would only disturb the control loop beside them.
    cv2.setNumThreads(1)
    return run_node(make_node, args)


if __name__ == '__main__':
    sys.exit(main())
