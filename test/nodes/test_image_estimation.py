"""What the estimator is told of the camera's motion."""

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Twist, TwistStamped

from cnn_vs_ros.estimation import Reference
from cnn_vs_ros.geometry import RelativePose, se3
from cnn_vs_ros.nodes import messages
from cnn_vs_ros.nodes.image_estimation import ImageEstimation, looks_rectified
from test.scenes import CAMERA, DEPTH

IMAGE = np.zeros((CAMERA.height, CAMERA.width), np.uint8)
SPEED = 0.1


class Listener:
    """Stands for the estimator and keeps the motions that it is told."""

    def __init__(self):
        self.reference = Reference(np.full_like(IMAGE, 3), CAMERA, DEPTH)
        self.motions = []
        self.details = {}

    def estimate(self, image, motion):
        self.motions.append(motion)
        return RelativePose(np.eye(4))

    def reset(self):
        pass


def stamp(seconds):
    return Time(sec=int(seconds), nanosec=round(1e9 * (seconds % 1)))


@pytest.fixture
def estimation():
    result = ImageEstimation(Listener())
    result.take_camera_info(messages.camera_to_message(CAMERA, stamp(1.0), 'camera'))
    return result


def show(estimation, seconds):
    estimation.estimate(messages.image_to_message(IMAGE, stamp(seconds), 'camera'))
    return estimation.estimator.motions[-1]


def send(estimation, seconds, speed=SPEED):
    twist = TwistStamped(twist=Twist())
    twist.header.stamp = stamp(seconds)
    twist.twist.linear.x = speed
    estimation.take_twist(twist)


def test_without_twists_nothing_is_known(estimation):
    assert show(estimation, 10.0) is None
    assert show(estimation, 10.03) is None


def test_the_commanded_motion_since_the_last_image_is_told(estimation):
    for time in np.arange(9.9, 10.04, 0.02):
        send(estimation, float(time))
    show(estimation, 10.0)
    motion = show(estimation, 10.04)
    np.testing.assert_allclose(se3.pose_vector(motion), [0.04 * SPEED, 0, 0, 0, 0, 0], atol=1e-9)


def test_twists_that_have_ceased_say_nothing(estimation):
    send(estimation, 10.0)
    show(estimation, 10.01)
    assert show(estimation, 10.3) is None


def test_while_twists_had_ceased_the_arm_stood(estimation):
    send(estimation, 10.0)
    show(estimation, 10.01)
    send(estimation, 10.5)
    motion = show(estimation, 10.52)
    np.testing.assert_allclose(se3.pose_vector(motion), [(0.09 + 0.02) * SPEED, 0, 0, 0, 0, 0], atol=1e-9)


def test_a_twist_that_is_not_finite_is_no_motion(estimation):
    send(estimation, 10.0)
    show(estimation, 10.01)
    send(estimation, 10.02, float('nan'))
    np.testing.assert_allclose(show(estimation, 10.04), np.eye(4))


def test_a_clock_that_goes_backwards_is_no_motion(estimation):
    send(estimation, 10.0)
    show(estimation, 10.01)
    assert show(estimation, 9.98) is None


def sightings(estimation, images, speed):
    """Sightings of images 1/30 s apart while twists of that speed are sent."""
    result = []
    for index, image in enumerate(images):
        now = 10.0 + index / 30
        send(estimation, now - 0.02, speed)
        result.append(estimation.estimate(messages.image_to_message(image, stamp(now), 'camera')))
    return result


def test_a_picture_that_repeats_itself_while_the_camera_moves_is_not_used(estimation):
    said = sightings(estimation, [IMAGE] * 20, SPEED)
    assert said[3].found  # an arm takes a moment to begin
    assert not said[-1].found
    assert 'the picture should change while the camera moves' in said[-1].reason
    assert not sightings(estimation, [IMAGE] * 20, 0.0)[-1].found  # until it changes
    assert sightings(estimation, [IMAGE + 1], SPEED)[0].found


def test_a_picture_without_noise_may_repeat_itself_at_rest(estimation):
    assert all(sighting.found for sighting in sightings(estimation, [IMAGE] * 20, 0.0))


def test_pictures_with_noise_do_not_repeat_themselves(estimation):
    images = np.random.default_rng(0).integers(0, 9, (20, *IMAGE.shape), dtype=np.uint8)
    assert all(sighting.found for sighting in sightings(estimation, images, SPEED))


def test_a_calibration_that_differs_by_rounding_is_the_same_one(estimation):
    info = messages.camera_to_message(CAMERA, stamp(1.0), 'camera')
    info.k = np.float32(info.k).astype(float) * (1 + 1e-7)
    estimation.take_camera_info(info)
    assert show(estimation, 1.0) is None  # it was estimated
    other = messages.camera_to_message(CAMERA, stamp(1.0), 'camera')
    other.k = other.k * 1.01
    estimation.take_camera_info(other)
    sighting = estimation.estimate(messages.image_to_message(IMAGE, stamp(1.1), 'camera'))
    assert 'differs from it by up to ' in sighting.reason


@pytest.mark.parametrize(
    ('topic', 'rectified'),
    [
        ('/camera/image_rect', True),
        ('/camera/image_rect_color/compressed', True),
        ('/camera/image_raw', False),
        ('/rectangle/image', False),
    ],
)
def test_rectified_topics_are_known_by_their_name(topic, rectified):
    assert looks_rectified(topic) is rectified


def test_a_region_of_interest_that_changes_is_taken(estimation):
    info = messages.camera_to_message(CAMERA, stamp(1.0), 'camera')
    info.roi.width = info.roi.height = 64
    estimation.take_camera_info(info)
    assert estimation.camera.size == (64, 64)


def test_of_rectified_images_the_projection_is_the_calibration(estimation):
    info = messages.camera_to_message(CAMERA, stamp(1.0), 'camera')
    info.d = [0.2, -0.1, 0.0, 0.0, 0.0]
    info.p[0] = info.p[5] = 333.0
    estimation.take_camera_info(info)
    assert estimation.camera.distortion == tuple(info.d)
    estimation.set_rectified(True)
    assert estimation.camera is None
    estimation.take_camera_info(info)
    assert (estimation.camera.fx, estimation.camera.distortion) == (333.0, ())
    info.k = np.zeros(9)
    assert messages.camera_from_message(info).fx == 333.0
