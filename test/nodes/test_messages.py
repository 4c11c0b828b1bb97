from __future__ import annotations

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from sensor_msgs.msg import CameraInfo, Image

from cnn_vs_ros.errors import CalibrationError, ImageError, PoseError
from cnn_vs_ros.geometry import PinholeCamera, PoseStatus, RelativePose, se3
from cnn_vs_ros.nodes import messages

POSE = se3.from_pose_vector([0.03, -0.02, 0.05, 0.4, -0.2, 1.4])
STAMP = Time(sec=12, nanosec=345_000_000)


def random_image(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize('shape', [(48, 64, 3), (48, 64)])
def test_an_image_survives_the_round_trip(shape):
    image = random_image(*shape)
    message = messages.image_to_message(image, STAMP, 'camera')
    assert (message.height, message.width, message.header.frame_id) == (48, 64, 'camera')
    assert message.encoding == ('bgr8' if len(shape) == 3 else 'mono8')
    np.testing.assert_array_equal(messages.image_from_message(message), image)


@pytest.mark.parametrize(
    ('encoding', 'order'), [('rgb8', [2, 1, 0]), ('bgra8', [0, 1, 2, 3]), ('rgba8', [2, 1, 0, 3])]
)
def test_other_colour_orders_become_bgr(encoding, order):
    bgra = random_image(48, 64, 4)
    message = messages.image_to_message(bgra[..., order], STAMP, 'camera')
    message.encoding = encoding
    np.testing.assert_array_equal(messages.image_from_message(message), bgra[..., :3])


def test_rows_may_be_padded():
    image = random_image(48, 64, 3)
    message = messages.image_to_message(np.pad(image, ((0, 0), (0, 5), (0, 0))), STAMP, 'camera')
    message.width = 64
    np.testing.assert_array_equal(messages.image_from_message(message), image)


@pytest.mark.parametrize('fields', [{'step': 5}, {'data': [0] * 11}])
def test_data_of_the_wrong_length_is_refused(fields):
    message = Image(**({'encoding': 'bgr8', 'width': 2, 'height': 2, 'step': 6, 'data': [0] * 12} | fields))
    with pytest.raises(ImageError, match='bytes'):
        messages.image_from_message(message)


@pytest.mark.parametrize('distortion', [(), (0.1, -0.2, 0.001, 0.002, 0.05)])
def test_a_camera_survives_the_round_trip(distortion):
    camera = PinholeCamera(640, 480, 601.0, 599.0, 321.0, 238.0, distortion)
    message = messages.camera_to_message(camera, STAMP, 'camera')
    np.testing.assert_array_equal(message.p.reshape(3, 4)[:, :3], camera.matrix)
    assert messages.camera_from_message(message) == camera


def test_an_uncalibrated_camera_is_refused():
    with pytest.raises(CalibrationError, match='calibrate'):
        messages.camera_from_message(CameraInfo(width=640, height=480))


def test_a_pose_survives_the_round_trip():
    np.testing.assert_allclose(messages.pose_from_message(messages.pose_to_message(POSE)), POSE, atol=1e-12)


def test_a_relative_pose_survives_the_round_trip():
    root = np.random.default_rng(1).normal(size=(6, 6)) * 1e-3
    pose = RelativePose(POSE, root @ root.T, 0.7, PoseStatus.ACQUIRED)
    back = messages.relative_pose_from_message(messages.relative_pose_to_message(pose), 0.7, PoseStatus.ACQUIRED)
    np.testing.assert_allclose(back.transform, pose.transform, atol=1e-12)
    np.testing.assert_allclose(back.covariance, pose.covariance, atol=1e-15)
    assert (back.confidence, back.status) == (0.7, PoseStatus.ACQUIRED)


def test_the_covariance_of_the_message_is_about_the_axes_of_its_frame():
    # Samples of a small motion in the current camera, seen as position and rotation in the desired camera.
    rng = np.random.default_rng(2)
    deviations = np.array([1e-4, 3e-4, 9e-4, 2e-4, 5e-4, 8e-4])
    seen = []
    for motion in rng.normal(size=(20_000, 6)) * deviations:
        disturbed = POSE @ se3.from_pose_vector(motion)
        turn = disturbed[:3, :3] @ POSE[:3, :3].T
        seen.append(np.concatenate([disturbed[:3, 3] - POSE[:3, 3], se3.rotation_log(turn)]))
    pose = RelativePose(POSE, np.diag(deviations**2))
    covariance = messages.relative_pose_to_message(pose).covariance.reshape(6, 6)
    np.testing.assert_allclose(covariance, np.cov(np.array(seen).T), atol=0.03 * deviations.max() ** 2)


@pytest.mark.parametrize('field', ['position', 'orientation'])
def test_a_pose_that_is_not_finite_is_refused(field):
    message = messages.pose_to_message(POSE)
    getattr(message, field).y = np.nan
    with pytest.raises(PoseError, match='finite'):
        messages.pose_from_message(message)


def test_a_twist_survives_the_round_trip_and_must_be_finite():
    twist = np.arange(1.0, 7.0)
    message = messages.twist_to_message(twist)
    np.testing.assert_array_equal(messages.twist_from_message(message), twist)
    message.angular.z = np.inf
    with pytest.raises(PoseError, match='finite'):
        messages.twist_from_message(message)


def test_words_of_pose_status():
    assert messages.pose_status_of('tracked') is PoseStatus.TRACKED
    assert messages.pose_status_of('no_reference') is None
    with pytest.raises(PoseError, match='one of no_reference, acquired, tracked, lost'):
        messages.pose_status_of('found')


def test_key_values_are_text():
    values = messages.key_values({'confidence': 0.123456789, 'images': 3, 'status': 'lost'})
    assert [(item.key, item.value) for item in values] == [
        ('confidence', '0.123457'),
        ('images', '3'),
        ('status', 'lost'),
    ]


def test_seconds():
    assert messages.seconds(STAMP) == pytest.approx(12.345)


@pytest.mark.parametrize('encoding', ['32FC1', 'jpeg', 'nv24', ''])
def test_an_encoding_that_is_not_known_is_said_with_those_that_are(encoding):
    message = Image(encoding=encoding, height=2, width=2, step=8, data=bytes(16))
    with pytest.raises(
        ImageError, match=f'image encoding should be one of bgr8, .*bayer_grbg16 but is .{encoding}'
    ):
        messages.image_from_message(message)


@pytest.mark.parametrize('big_endian', [0, 1])
def test_the_byte_order_of_a_message_counts(big_endian):
    data = np.full((2, 2), 0xC811, '>u2' if big_endian else '<u2').tobytes()
    message = Image(encoding='mono16', height=2, width=2, step=4, data=data, is_bigendian=big_endian)
    np.testing.assert_array_equal(messages.image_from_message(message), np.full((2, 2), 0xC8))


def test_of_a_region_of_interest_binned_the_camera_is_that_of_the_picture():
    camera = PinholeCamera(640, 480, 600.0, 610.0, 315.0, 244.0, (0.1, -0.2, 0.001, 0.002))
    info = messages.camera_to_message(camera, STAMP, 'camera')
    info.binning_x, info.binning_y = 4, 2
    info.roi.x_offset, info.roi.y_offset, info.roi.width, info.roi.height = 100, 60, 322, 240
    shown = messages.camera_from_message(info)
    assert shown.size == (80, 120)
    assert shown.distortion == camera.distortion
    # A pixel of the picture is the mean of a block of 4x2: its centre is that of the block, in the whole image.
    for column, row in ((0, 0), (7, 11), (79, 119)):
        whole = (100 + 4 * column + 1.5, 60 + 2 * row + 0.5)
        np.testing.assert_allclose(shown.rays([column, row]), camera.rays(whole), atol=1e-12)


@pytest.mark.parametrize('binning', [0, 1])
def test_no_binning_and_the_whole_image_leave_the_camera_as_it_is(binning):
    camera = PinholeCamera(640, 480, 600.0, 610.0, 315.0, 244.0)
    info = messages.camera_to_message(camera, STAMP, 'camera')
    info.binning_x = info.binning_y = binning
    assert messages.camera_from_message(info) == camera
    info.roi.width, info.roi.height = 640, 480
    assert messages.camera_from_message(info) == camera


def test_a_region_of_interest_beyond_the_image_or_binned_away_is_refused():
    info = messages.camera_to_message(PinholeCamera(640, 480, 600.0, 610.0, 315.0, 244.0), STAMP, 'camera')
    info.roi.x_offset, info.roi.width = 400, 241
    with pytest.raises(CalibrationError, match='within the image of 640x480 pixels but is 241x480 at 400, 0'):
        messages.camera_from_message(info)
    info.roi.x_offset, info.roi.width, info.binning_x = 0, 0, 1000
    with pytest.raises(CalibrationError, match='size should be positive but is 0x480'):
        messages.camera_from_message(info)


@pytest.mark.parametrize('confidence', [None, 0.0, 0.731])
def test_a_confidence_comes_back_from_its_text(confidence):
    assert messages.confidence_from_text(messages.confidence_to_text(confidence)) == confidence


@pytest.mark.parametrize('text', ['', 'high', 'nan', 'inf'])
def test_a_confidence_that_is_none_and_no_number_is_refused(text):
    with pytest.raises(PoseError, match='confidence should be none or a finite number'):
        messages.confidence_from_text(text)
