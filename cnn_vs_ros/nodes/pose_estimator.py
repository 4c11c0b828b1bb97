"""Node: images in, relative pose out. Its contract is in docs/nodes.md."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence

import cv2
import numpy as np
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import PoseWithCovarianceStamped, TwistStamped
from rcl_interfaces.msg import SetParametersResult
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import String
from std_srvs.srv import Trigger

from cnn_vs_ros import frames
from cnn_vs_ros.calibration.mount import Mount
from cnn_vs_ros.capture.stamps import ImageStamps
from cnn_vs_ros.capture.statistics import ImageStatistics
from cnn_vs_ros.environment import user_path
from cnn_vs_ros.errors import ImageError, VisualServoingError
from cnn_vs_ros.estimation import load_estimator
from cnn_vs_ros.estimation.kept_reference import KeptReference
from cnn_vs_ros.estimation.reference import Reference, read_mask
from cnn_vs_ros.estimation.reference_library import DEFAULT_NAME, ReferenceLibrary
from cnn_vs_ros.estimation.sighting import Sighting
from cnn_vs_ros.nodes import messages
from cnn_vs_ros.nodes.common import LATCHED, NEWEST, seconds_now, stamp_now, steady_clock
from cnn_vs_ros.nodes.image_estimation import ImageEstimation, looks_rectified
from cnn_vs_ros.nodes.latched_camera_info import subscribe_to_latched
from cnn_vs_ros.nodes.managed_node import ManagedNode
from cnn_vs_ros.nodes.parameters import declare
from cnn_vs_ros.nodes.process_usage import ProcessUsage, keep_heap_small
from cnn_vs_ros.nodes.quality_of_service import overridable
from cnn_vs_ros.nodes.running import run_node, stop_requested
from cnn_vs_ros.nodes.throttled_warnings import ThrottledWarnings
from cnn_vs_ros.nodes.waiting import take
from cnn_vs_ros.resources import SHIPPED_MODEL

CAPTURE_TIMEOUT = 2.0
"""Seconds of wall time that capture_reference waits for an image taken after the request."""

_TWISTS = QoSProfile(depth=20, reliability=ReliabilityPolicy.BEST_EFFORT)
_POLL_PERIOD = 0.002


def comparison(current: np.ndarray, desired: np.ndarray) -> np.ndarray:
    """Current, desired and absolute difference side by side: two images (H, W[, 3]) to (H, 3 W, 3)."""
    images = [cv2.cvtColor(item, cv2.COLOR_GRAY2BGR) if item.ndim == 2 else item for item in (current, desired)]
    if images[0].shape != images[1].shape:
        images[0] = cv2.resize(images[0], images[1].shape[1::-1])
    return np.hstack([*images, cv2.absdiff(*images)])


class PoseEstimatorNode(ManagedNode):
    """Adapter from image_raw and camera_info to relative_pose and pose_status."""

    def __init__(self) -> None:
        super().__init__('pose_estimator')
        model = "A shipped model's name or the path of a .onnx file."
        declare(self, 'model', SHIPPED_MODEL, model, read_on='configuration')
        self._in_use = ''  # the name of the reference that the estimator has
        # The first callback is asked last: what it loads nobody refuses any more.
        self.add_on_set_parameters_callback(self._on_set_parameters)
        declare(self, 'library', '', 'Folder of references; empty: cnn_vs_ros/<namespace> in $ROS_HOME (~/.ros).')
        declare(
            self, 'reference', DEFAULT_NAME, 'Name of the reference, a folder in the library; set, it is used.'
        )
        declare(self, 'capture_as', '', 'Name that the next captured reference gets; empty: that of reference.')
        declare(self, 'depth', 0.25, 'Depth of the scene at the next captured reference, m.', bounds=(0.01, 100.0))
        declare(self, 'mask', '', 'Image file, 0 where what moves with the camera hides the scene; empty: none.')
        declare(
            self,
            'image_transport',
            'raw',
            'raw: the topic image_raw; compressed: JPEG or PNG on image_raw/compressed.',
            choices=('raw', 'compressed'),
            read_on='activation',
        )
        declare(
            self,
            'rectified',
            'auto',
            'Whether the images are undistorted already, so that P of camera_info is theirs; auto: by the name of '
            'their topic.',
            choices=('auto', 'true', 'false'),
            read_on='activation',
        )
        threads = 'Threads of the network inference.'
        declare(
            self,
            'stamp_delay',
            0.0,
            'Seconds by which the stamps of the images are late (see calibrate); taken off the estimates.',
            bounds=(-1.0, 1.0),
        )
        declare(
            self,
            'arm_calibration',
            '',
            'calibration.yaml of calibrate, whose stamp_delay is taken where that here is 0; empty: none.',
            read_on='configuration',
        )
        declare(self, 'threads', 1, threads, bounds=(1, 64), read_on='configuration')
        rate = (
            'Images a second that the camera should send; under half of them there is a warning; 0: not watched.'
        )
        declare(self, 'image_rate', 0.0, rate, bounds=(0.0, 1000.0))
        declare(self, 'desired_frame', frames.DESIRED_CAMERA, 'Frame of the camera at the reference.')
        self._statistics = ImageStatistics()
        self._stamps = ImageStamps()
        self._usage = ProcessUsage()
        self._warn = ThrottledWarnings(self.get_logger())
        self._sighting = Sighting()

    # Transitions

    def configure(self) -> None:
        """Load the model, and the reference if there is one."""
        mask = self._mask()
        calibration = self.get_parameter('arm_calibration').value
        self._calibrated_delay = Mount.load(user_path(calibration)).stamp_delay if calibration else 0.0
        estimator = load_estimator(self.get_parameter('model').value, self.get_parameter('threads').value)
        self._estimation = ImageEstimation(estimator)
        self._reference = KeptReference(estimator)
        self._pose_publisher = self.create_lifecycle_publisher(PoseWithCovarianceStamped, 'relative_pose', 10)
        self._status_publisher = self.create_lifecycle_publisher(DiagnosticArray, 'pose_status', 10)
        self._debug_publisher = self.create_lifecycle_publisher(Image, '~/debug_image', 1)
        self._diagnostics_publisher = self.create_lifecycle_publisher(DiagnosticArray, '/diagnostics', 10)
        self._folder_publisher = self.create_publisher(String, '~/reference_folder', LATCHED)
        self._capture_service = self.create_service(Trigger, '~/capture_reference', self._on_capture)
        self._load_service = self.create_service(Trigger, '~/load_reference', self._on_load)
        self._list_service = self.create_service(Trigger, '~/list_references', self._on_list)
        self._load_first(mask)

    def _load_first(self, mask: np.ndarray | None) -> None:
        name, library = self.get_parameter('reference').value, self._library()
        if name not in library.names():
            self.get_logger().info(f'no reference in {library.path(name)} yet: capture one by ~/capture_reference')
            return
        try:
            self._reference.load(library.path(name), mask)
        except (VisualServoingError, OSError) as error:
            self.get_logger().warning(f'no reference loaded: {error}; capture another')
            return
        self._set_in_use(name)

    def activate(self) -> None:
        """Begin to listen to the camera."""
        topic = self.resolve_topic_name('image_raw')
        kind: type = Image
        if self.get_parameter('image_transport').value == 'compressed':
            kind, topic = CompressedImage, f'{topic}{messages.COMPRESSED}'
        self._choose_calibration(topic)
        self._info_subscription = self.create_subscription(
            CameraInfo, 'camera_info', self._estimation.take_camera_info, **overridable(NEWEST)
        )
        self._latched_subscription = subscribe_to_latched(self, self._estimation.take_camera_info)
        self._twist_subscription = self.create_subscription(
            TwistStamped, 'twist', self._estimation.take_twist, _TWISTS
        )
        # The last one: what fails here is not to leave images coming.
        self._image_subscription = self.create_subscription(kind, topic, self._on_image, **overridable(NEWEST))
        steady = steady_clock()
        self._diagnostics_timer = self.create_timer(1.0, self._publish_diagnostics, clock=steady)
        self._statistics.reset(time.monotonic())
        self._stamps.reset()

    def _choose_calibration(self, topic: str) -> None:
        said = self.get_parameter('rectified').value
        rectified = looks_rectified(topic) if said == 'auto' else said == 'true'
        self._estimation.set_rectified(rectified)
        if rectified:
            self.get_logger().info(f'images of {topic} are taken to be rectified: P of camera_info, no distortion')

    def deactivate(self) -> None:
        """Cease to listen; what was tracked is out of date by the next activation."""
        self._keep_plane()
        self.destroy_subscription(self._image_subscription)
        self.destroy_subscription(self._info_subscription)
        self.destroy_subscription(self._latched_subscription)
        self.destroy_subscription(self._twist_subscription)
        self.destroy_timer(self._diagnostics_timer)
        self._estimation.estimator.reset()

    def cleanup(self) -> None:
        """Drop the model, the publishers and the services."""
        del self._estimation, self._reference
        self._in_use = ''
        self.destroy_publisher(self._folder_publisher)
        self.destroy_lifecycle_publisher(self._pose_publisher)
        self.destroy_lifecycle_publisher(self._status_publisher)
        self.destroy_lifecycle_publisher(self._debug_publisher)
        self.destroy_lifecycle_publisher(self._diagnostics_publisher)
        self.destroy_service(self._capture_service)
        self.destroy_service(self._load_service)
        self.destroy_service(self._list_service)

    # Images

    def _on_image(self, message: Image | CompressedImage) -> None:
        # In place: from here on the image has the stamp that it should have.
        stamp = message.header.stamp = messages.earlier(
            message.header.stamp, self.get_parameter('stamp_delay').value or self._calibrated_delay
        )
        usable, remark = self._stamps.take(messages.seconds(stamp), seconds_now(self))
        if remark:
            self._warn(remark)
        if not usable:
            return
        self._sighting = self._estimation.estimate(message)
        if self._sighting.reason:
            self._warn(self._sighting.reason)
        self._publish(self._sighting, stamp)
        self._statistics.add(messages.seconds(stamp), seconds_now(self))
        if self._debug_publisher.get_subscription_count():
            self._publish_debug_image(message)

    def _publish(self, sighting: Sighting, stamp: Time) -> None:
        values: dict[str, object] = {
            **sighting.details,
            'confidence': messages.confidence_to_text(sighting.confidence),
        }
        if self._in_use:
            values['reference'] = self._in_use
        if sighting.reason:
            values['reason'] = sighting.reason
        status = DiagnosticStatus(
            level=DiagnosticStatus.OK if sighting.found else DiagnosticStatus.WARN,
            name=f'{self.get_name()}: pose',
            message=sighting.word,
            values=messages.key_values(values),
        )
        array = messages.diagnostics(status, stamp, self.get_parameter('desired_frame').value)
        self._status_publisher.publish(array)
        if sighting.found and sighting.pose is not None:
            pose = PoseWithCovarianceStamped(header=array.header)
            pose.pose = messages.relative_pose_to_message(sighting.pose)
            self._pose_publisher.publish(pose)

    def _publish_debug_image(self, message: Image | CompressedImage) -> None:
        reference = self._estimation.reference
        if reference is None:
            return
        try:
            picture = comparison(messages.image_from_message(message), reference.image)
        except ImageError:
            return
        header = message.header
        self._debug_publisher.publish(messages.image_to_message(picture, header.stamp, header.frame_id))

    def _publish_diagnostics(self) -> None:
        figures, sighting = self._statistics.report(time.monotonic()), self._sighting
        status = DiagnosticStatus(name=f'{self.get_fully_qualified_name().lstrip("/")}: estimation')
        if figures['images']:
            status.level = DiagnosticStatus.OK if sighting.found else DiagnosticStatus.WARN
            status.message = sighting.reason or sighting.word
        else:
            status.level = DiagnosticStatus.STALE
            status.message = f'no image on {self._image_subscription.topic_name}'
        declared, measured = (
            self.get_parameter('image_rate').value,
            figures.get('image_rate_hz', figures['estimate_rate_hz']),
        )
        if figures['images'] and 2 * measured < declared:
            status.level = max(status.level, DiagnosticStatus.WARN)
            status.message = f'images should come at {declared:g} Hz but are estimated at {measured:.1f} Hz'
            self._warn(status.message)
        status.values = messages.key_values(
            {
                'status': sighting.word,
                'confidence': messages.confidence_to_text(sighting.confidence),
                **figures,
                'images_dropped': self._stamps.dropped,
                'stamp_jumps': self._stamps.jumps,
                'estimator': self._estimation.estimator.name,
                **self._usage.report(),
            }
        )
        self._diagnostics_publisher.publish(messages.diagnostics(status, stamp_now(self)))

    # References

    def _on_set_parameters(self, parameters: list[Parameter]) -> SetParametersResult:
        """Use the reference of another name, or refuse the name."""
        values = {parameter.name: parameter.value for parameter in parameters}
        try:
            for name in filter(None, (values.get('capture_as'), values.get('reference'))):
                ReferenceLibrary('').path(name)
            name = values.get('reference', self._in_use)
            if self.configured and name != self._in_use:
                self._use(name, self._library(values.get('library')))
        except (VisualServoingError, OSError) as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _on_capture(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        name = self.get_parameter('capture_as').value or self.get_parameter('reference').value
        try:
            message = self._image_taken_from_now()
            reference = self._estimation.capture(message, self.get_parameter('depth').value, self._mask())
            self._keep_plane()
            folder = self._reference.save(reference, self._library().path(name))
        except (VisualServoingError, OSError) as error:
            return self._answer(response, False, f'no reference captured: {error}')
        self._set_in_use(name)
        self.set_parameters([Parameter('reference', value=name), Parameter('capture_as', value='')])
        size = f'{reference.camera.width}x{reference.camera.height}'
        return self._answer(response, True, f'captured {size} at depth {reference.depth:g} m to {folder}')

    def _on_load(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        try:
            reference = self._use(self.get_parameter('reference').value, self._library())
        except (VisualServoingError, OSError) as error:
            return self._answer(response, False, f'no reference loaded: {error}')
        return self._answer(response, True, f'loaded {self._reference.folder}, depth {reference.depth:g} m')

    def _on_list(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        entries = self._library().entries()
        said = [{**entry.as_values(), 'in_use': entry.name == self._in_use} for entry in entries]
        response.success, response.message = True, json.dumps(said)
        return response

    def _use(self, name: str, library: ReferenceLibrary) -> Reference:
        """Have the estimator begin anew with a reference, or raise and leave it the one that it has."""
        folder = library.find(name)
        self._keep_plane()
        reference = self._reference.load(folder, self._mask())
        self._set_in_use(name)
        return reference

    def _set_in_use(self, name: str) -> None:
        self._in_use = name
        self._folder_publisher.publish(String(data=str(self._reference.folder)))

    def _library(self, folder: str | None = None) -> ReferenceLibrary:
        value = self.get_parameter('library').value if folder is None else folder
        return ReferenceLibrary.of_robot(value, self.get_namespace())

    def _mask(self) -> np.ndarray | None:
        """Mask of the parameter. Raises ImageError where the file is none."""
        path = self.get_parameter('mask').value
        return read_mask(user_path(path), ImageError) if path else None

    def _keep_plane(self) -> None:
        """Write what was learned of the plane into the folder of the reference in use."""
        try:
            kept = self._reference.keep_plane()
        except (VisualServoingError, OSError) as error:
            self.get_logger().warning(f'what was learned of the plane is not kept: {error}')
            return
        if kept is not None:
            self.get_logger().info(f'kept with the reference: {kept.plane.sentence}')

    def _answer(self, response: Trigger.Response, success: bool, sentence: str) -> Trigger.Response:
        if success:
            self.get_logger().info(sentence)
        else:
            self.get_logger().error(sentence)
        response.success, response.message = success, sentence
        return response

    def _image_taken_from_now(self) -> Image | CompressedImage:
        """Wait for an image taken after this moment: the newest one may still show the arm in motion.

        While no calibration has come, wait for that as well; without it, return the image for `capture` to refuse.
        Images that come meanwhile are estimated and answered for as always, so that nobody waits for them.
        """
        if not self.active:
            raise ImageError('the node should be active to capture an image but is not')
        requested, deadline = seconds_now(self), time.monotonic() + CAPTURE_TIMEOUT
        found: Image | CompressedImage | None = None
        while time.monotonic() < deadline and not stop_requested():
            for subscription in (self._info_subscription, self._latched_subscription):
                info = take(subscription)
                if info is not None:
                    self._estimation.take_camera_info(info)
            message = take(self._image_subscription)
            if message is None:
                time.sleep(_POLL_PERIOD)
                continue
            self._on_image(message)
            if messages.seconds(message.header.stamp) > requested:
                found = message
                if self._estimation.has_camera_info:
                    break
        if found is not None:
            return found
        if stop_requested():
            raise ImageError('the node should go on to capture an image but was told to end')
        raise ImageError(
            f'no image stamped after the request came on {self._image_subscription.topic_name} within '
            f'{CAPTURE_TIMEOUT:g} s: is the camera running, and is its clock that of this node?'
        )


def make_node() -> PoseEstimatorNode:
    """Return the node, brought up if autostart is set."""
    node = PoseEstimatorNode()
    node.start_up()
    return node


def main(args: Sequence[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM."""
    # The images are small: more threads of OpenCV would only disturb the control loop beside them.
    cv2.setNumThreads(1)
    keep_heap_small()
    return run_node(make_node, args)
