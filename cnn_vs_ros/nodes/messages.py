"""Between ROS messages and the core's types."""

from __future__ import annotations

import array
import math
from typing import Any

import cv2
import numpy as np
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from geometry_msgs.msg import Pose, PoseWithCovariance, Transform, Twist, TwistStamped, Vector3
from numpy.typing import ArrayLike, NDArray
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from cnn_vs_ros.errors import ImageError, PoseError
from cnn_vs_ros.foreign.entries import shortened
from cnn_vs_ros.foreign.images import decode_image
from cnn_vs_ros.foreign.pixels import image_of_pixels
from cnn_vs_ros.geometry import PinholeCamera, PoseStatus, RelativePose, se3
from cnn_vs_ros.geometry.relative_pose import NO_REFERENCE

Array = NDArray[np.float64]

COMPRESSED = '/compressed'
"""What image_transport puts behind the name of a topic for its compressed images."""

NO_CONFIDENCE = 'none'
"""The `confidence` of pose_status where the estimator cannot tell."""


def seconds(stamp: Time) -> float:
    """Seconds of a builtin_interfaces/Time."""
    return stamp.sec + 1e-9 * stamp.nanosec


def earlier(stamp: Time, by: float) -> Time:
    """A stamp `by` seconds before another one, or after it where they are negative; none before 0."""
    whole, nanoseconds = divmod(max(0, stamp.sec * 10**9 + stamp.nanosec - round(1e9 * by)), 10**9)
    return Time(sec=whole, nanosec=nanoseconds)


def image_from_message(message: Image | CompressedImage) -> np.ndarray:
    """Image uint8 (H, W, 3) BGR or (H, W) grey of a message; shares the memory of a sensor_msgs/Image if it can.

    Raises ImageError for an encoding that is not one of `foreign.pixels.ENCODINGS`, sizes that contradict it, or a
    compressed image (JPEG or PNG) that cannot be decoded to 8 bits a channel.
    """
    if isinstance(message, CompressedImage):
        return _decoded(message)
    data = np.frombuffer(message.data, np.uint8)
    return image_of_pixels(
        message.encoding, message.width, message.height, message.step, data, bool(message.is_bigendian)
    )


def _decoded(message: CompressedImage) -> np.ndarray:
    data = np.frombuffer(message.data, np.uint8)
    image = decode_image(data, source=f'compressed image of {data.size} bytes')
    if image.dtype != np.uint8:
        raise ImageError(
            f'compressed image should have 8 bits a channel but has {8 * image.dtype.itemsize} '
            f'({shortened(message.format)})'
        )
    return cv2.cvtColor(image, cv2.COLOR_BGRA2BGR) if image.ndim == 3 and image.shape[2] == 4 else image


def image_to_message(image: np.ndarray, stamp: Time, frame_id: str) -> Image:
    """Message sensor_msgs/Image, bgr8 or mono8, of an image uint8 (H, W, 3) BGR or (H, W) grey."""
    message = Image()
    message.header.stamp = stamp
    message.header.frame_id = frame_id
    message.height, message.width = image.shape[:2]
    message.encoding = 'mono8' if image.ndim == 2 else 'bgr8'
    message.step = image[0].nbytes
    data = array.array('B')
    data.frombytes(np.ascontiguousarray(image).data)
    message.data = data
    return message


def camera_from_message(message: CameraInfo, rectified: bool = False) -> PinholeCamera:
    """Camera of a sensor_msgs/CameraInfo: K and D, or of its `rectified` images P and no distortion.

    Where K is zero and P is not, the images are rectified ones. The message is of the whole image at full
    resolution: of that, the camera has the region of interest, binned. Raises CalibrationError, also when
    uncalibrated.
    """
    projection = np.asarray(message.p, dtype=np.float64).reshape(3, 4)
    if (rectified or message.k[0] == 0.0) and projection[0, 0] != 0.0:
        camera = PinholeCamera.from_calibration(message.width, message.height, projection[:, :3])
    else:
        camera = PinholeCamera.from_calibration(
            message.width, message.height, message.k, message.d, message.distortion_model
        )
    return _binned_window(camera, message)


def _binned_window(camera: PinholeCamera, message: CameraInfo) -> PinholeCamera:
    """What region of interest and binning leave of a camera; zeros stand for all of it, and for none."""
    region, binning = message.roi, (max(1, message.binning_x), max(1, message.binning_y))
    x, y = region.x_offset, region.y_offset
    width = (region.width or camera.width - x) // binning[0]
    height = (region.height or camera.height - y) // binning[1]
    if (x, y, width, height) != (0, 0, *camera.size):
        camera = camera.windowed(x, y, width * binning[0], height * binning[1]).resized(width, height)
    return camera


def camera_to_message(camera: PinholeCamera, stamp: Time, frame_id: str) -> CameraInfo:
    """Message sensor_msgs/CameraInfo of a monocular camera: R is the identity and P = [K 0]."""
    message = CameraInfo()
    message.header.stamp = stamp
    message.header.frame_id = frame_id
    message.width, message.height = camera.size
    message.distortion_model = camera.distortion_model
    message.d = list(camera.distortion) or [0.0] * 5
    message.k = camera.matrix.ravel()
    message.r = np.eye(3).ravel()
    message.p = np.hstack([camera.matrix, np.zeros((3, 1))]).ravel()
    return message


def pose_to_message(a_T_b: Array) -> Pose:
    """Message geometry_msgs/Pose of frame b in frame a, from a pose (4, 4)."""
    message = Pose()
    position, orientation = message.position, message.orientation
    position.x, position.y, position.z = (float(value) for value in a_T_b[:3, 3])
    quaternion = se3.quaternion_xyzw(a_T_b[:3, :3])
    orientation.x, orientation.y, orientation.z, orientation.w = (float(value) for value in quaternion)
    return message


def pose_to_transform(pose: Pose) -> Transform:
    """Message geometry_msgs/Transform of the same pose."""
    position = pose.position
    return Transform(translation=Vector3(x=position.x, y=position.y, z=position.z), rotation=pose.orientation)


def pose_from_message(message: Pose) -> Array:
    """Pose (4, 4) of frame b in frame a. Raises PoseError when it is not finite or its quaternion is zero."""
    position, orientation = message.position, message.orientation
    rotation = se3.rotation_from_quaternion_xyzw((orientation.x, orientation.y, orientation.z, orientation.w))
    return se3.transform(rotation, se3.as_vector((position.x, position.y, position.z), 3, 'position'))


def relative_pose_to_message(pose: RelativePose) -> PoseWithCovariance:
    """Message of the current camera in the desired camera frame.

    As ROS reads covariances, that of the message is of the position and of the rotation about the fixed axes
    of the header's frame, the desired camera; that of `pose` is about the axes of the current camera.
    """
    message = PoseWithCovariance(pose=pose_to_message(pose.transform))
    message.covariance = _turned(pose.covariance, pose.transform[:3, :3]).ravel()
    return message


def confidence_to_text(confidence: float | None) -> str:
    """The value of `confidence` in a pose_status; none where the estimator cannot tell."""
    return NO_CONFIDENCE if confidence is None else f'{confidence:.6g}'


def confidence_from_text(text: str) -> float | None:
    """Inverse of `confidence_to_text`. Raises PoseError for what is neither none nor a finite number."""
    if text == NO_CONFIDENCE:
        return None
    try:
        confidence = float(text)
    except ValueError:
        confidence = math.nan
    if not math.isfinite(confidence):
        raise PoseError(f'confidence should be {NO_CONFIDENCE} or a finite number but is {shortened(text)!r}')
    return confidence


def relative_pose_from_message(
    message: PoseWithCovariance, confidence: float | None, status: PoseStatus
) -> RelativePose:
    """Inverse of `relative_pose_to_message`. Raises PoseError for a pose that is not finite."""
    transform = pose_from_message(message.pose)
    covariance = np.asarray(message.covariance, dtype=np.float64).reshape(6, 6)
    return RelativePose(transform, _turned(covariance, transform[:3, :3].T), confidence, status)


def _turned(covariance: Array, rotation: Array) -> Array:
    turn = np.kron(np.eye(2), rotation)
    return turn @ covariance @ turn.T


def twist_to_message(twist: ArrayLike) -> Twist:
    """Message geometry_msgs/Twist of ``[v; omega]`` (6,)."""
    message = Twist()
    values = [float(value) for value in np.asarray(twist)]
    message.linear.x, message.linear.y, message.linear.z = values[:3]
    message.angular.x, message.angular.y, message.angular.z = values[3:]
    return message


def twist_stamped(twist: ArrayLike, stamp: Time, frame_id: str) -> TwistStamped:
    """Message geometry_msgs/TwistStamped of ``[v; omega]`` (6,) in a frame."""
    message = TwistStamped(twist=twist_to_message(twist))
    message.header.stamp, message.header.frame_id = stamp, frame_id
    return message


def twist_from_message(message: Twist) -> Array:
    """Twist ``[v; omega]`` (6,). Raises PoseError when it is not finite."""
    linear, angular = message.linear, message.angular
    return se3.as_vector((linear.x, linear.y, linear.z, angular.x, angular.y, angular.z), 6, 'twist')


def pose_status_of(word: str) -> PoseStatus | None:
    """Status of a pose_status message by its word; None for no_reference. Raises PoseError for another word."""
    if word == NO_REFERENCE:
        return None
    try:
        return PoseStatus(word)
    except ValueError as error:
        words = ', '.join((NO_REFERENCE, *(status.value for status in PoseStatus)))
        raise PoseError(f'pose status should be one of {words} but is {word!r}') from error


def pose_status_from_message(message: DiagnosticArray) -> tuple[PoseStatus | None, float | None, dict[str, str]]:
    """Status (None: no reference) and confidence of a pose_status, and all its values by name.

    Raises PoseError when it is malformed.
    """
    if len(message.status) != 1:
        raise PoseError(f'pose_status should hold one status but holds {len(message.status)}')
    status = message.status[0]
    values = {item.key: item.value for item in status.values}
    confidence = confidence_from_text(values.get('confidence', ''))
    return pose_status_of(status.message), confidence, values


def stamp_of(message: Any) -> int:
    """Stamp of a message in nanoseconds, by which messages are matched."""
    stamp = message.header.stamp
    return int(stamp.sec) * 10**9 + int(stamp.nanosec)


def diagnostics(status: DiagnosticStatus, stamp: Time, frame_id: str = '') -> DiagnosticArray:
    """Message diagnostic_msgs/DiagnosticArray of one status."""
    array = DiagnosticArray(status=[status])
    array.header.stamp, array.header.frame_id = stamp, frame_id
    return array


def key_values(values: dict[str, Any]) -> list[KeyValue]:
    """List of diagnostic_msgs/KeyValue; floats in six significant digits."""
    texts = ((key, f'{value:.6g}' if isinstance(value, float) else str(value)) for key, value in values.items())
    return [KeyValue(key=key, value=text) for key, text in texts]
