import cv2
import numpy as np
import pytest

from cnn_vs_ros.errors import CalibrationError, ImageError
from cnn_vs_ros.geometry import PinholeCamera

CAMERA = PinholeCamera(640, 480, 600.0, 610.0, 315.0, 244.0)


def test_project_and_rays_are_inverse():
    points = np.random.default_rng(0).uniform((-1, -1, 0.5), (1, 1, 3), size=(50, 3))
    rays = CAMERA.rays(CAMERA.project(points))
    np.testing.assert_allclose(rays * points[:, 2:], points, atol=1e-12)


def test_field_of_view_puts_the_image_edges_on_the_frustum():
    camera = PinholeCamera.from_field_of_view(640, 480, np.deg2rad(60))
    left = camera.rays(np.array([-0.5, 239.5]))  # the outer edge of the first pixel
    assert np.rad2deg(np.arctan2(-left[0], 1)) == pytest.approx(30)


def test_resized_camera_sees_what_an_area_resize_shows():
    rng = np.random.default_rng(1)
    image = cv2.GaussianBlur(rng.uniform(0, 255, (480, 640)).astype(np.float32), (0, 0), 12)
    small = cv2.resize(image, (160, 120), interpolation=cv2.INTER_AREA)
    camera = CAMERA.resized(160, 120)
    pixels = np.stack(np.meshgrid(np.arange(20, 140, 10), np.arange(20, 100, 10)), axis=-1).reshape(-1, 2)
    full = CAMERA.project(camera.rays(pixels)).astype(np.float32)
    sampled = cv2.remap(image, full[None, :, 0], full[None, :, 1], cv2.INTER_LINEAR)[0]
    shown = small[pixels[:, 1], pixels[:, 0]]
    right = np.abs(sampled - shown).mean()
    shifted = cv2.remap(image, full[None, :, 0] + 1.5, full[None, :, 1] + 1.5, cv2.INTER_LINEAR)[0]
    assert right < 0.25 * np.abs(shifted - shown).mean()


@pytest.mark.parametrize(
    ('model', 'coefficients'),
    [
        ('plumb_bob', (-0.2, 0.05, 0.001, -0.002, 0.0)),
        ('rational_polynomial', (-0.2, 0.05, 0.001, -0.002, 0.0, 0.01, 0.0, 0.0)),
        ('equidistant', (0.02, -0.01, 0.003, 0.001)),
    ],
)
def test_undistort_puts_points_where_the_pinhole_model_says(model, coefficients):
    camera = PinholeCamera(640, 480, 500.0, 500.0, 320.0, 240.0, coefficients, model)
    points = np.array([[x, y, 1.0] for x in (-0.3, 0.0, 0.3) for y in (-0.25, 0.0, 0.25)])
    if model == 'equidistant':
        distorted, _ = cv2.fisheye.projectPoints(
            points[:, None], np.zeros(3), np.zeros(3), camera.matrix, np.array(coefficients)
        )
    else:
        distorted, _ = cv2.projectPoints(points, np.zeros(3), np.zeros(3), camera.matrix, np.array(coefficients))
    for pixel, point in zip(distorted.reshape(-1, 2), points, strict=True):
        image = np.zeros((480, 640), np.float32)
        columns, rows = np.meshgrid(np.arange(640), np.arange(480))
        image[:] = np.exp(-((columns - pixel[0]) ** 2 + (rows - pixel[1]) ** 2) / 18.0)
        ideal = camera.undistort(image)
        found = np.array([(ideal * columns).sum(), (ideal * rows).sum()]) / ideal.sum()
        np.testing.assert_allclose(found, camera.undistorted.project(point), atol=0.15)


def test_undistort_returns_the_image_itself_without_distortion():
    image = np.zeros((480, 640, 3), np.uint8)
    assert CAMERA.undistort(image) is image


def test_from_calibration_reads_camera_info():
    camera = PinholeCamera.from_calibration(640, 480, [600, 0, 315, 0, 610, 244, 0, 0, 1], [0.0] * 5, 'plumb_bob')
    assert camera == CAMERA


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ((640, 480, [0] * 9), r'K\[0\] is 0'),
        ((640, 480, [600, 0, 1]), '9 entries but got 3'),
        ((0, 480, [600, 0, 315, 0, 610, 244, 0, 0, 1]), 'size should be positive'),
        ((640, 480, [np.nan, 0, 315, 0, 610, 244, 0, 0, 1]), 'finite'),
        ((640, 480, [600, 2, 315, 0, 610, 244, 0, 0, 1]), 'no skew'),
        ((640, 480, [600, 0, 315, 0, 610, 244, 0, 0, 1], [0.1, 0.2]), '4 or 5 coefficients but got 2'),
        ((640, 480, [600, 0, 315, 0, 610, 244, 0, 0, 1], [0.1, np.nan, 0, 0]), r'but D\[1\] is nan'),
        ((640, 480, [600, 0, 315, 0, 610, 244, 0, 0, 1], [0.1] * 4, 'mystery'), 'one of plumb_bob'),
    ],
)
def test_bad_calibration_is_told_in_a_sentence(arguments, message):
    with pytest.raises(CalibrationError, match=message):
        PinholeCamera.from_calibration(*arguments)


def test_image_of_another_size_is_refused():
    with pytest.raises(ImageError, match='640x480'):
        CAMERA.undistort(np.zeros((240, 320), np.uint8))


def test_calibrations_are_compared_by_the_pixels_they_make():
    camera = PinholeCamera(640, 480, 601.5, 602.5, 322.25, 238.75, (-0.21, 0.05, 0.001, -0.002), 'plumb_bob')
    rounded = PinholeCamera.from_calibration(
        640, 480, np.float32(camera.matrix), (*np.float32(camera.distortion), 0.0), 'plumb_bob'
    )
    assert camera != rounded
    assert camera.pixel_difference(rounded) < 1e-3
    moved = PinholeCamera(640, 480, 601.5, 602.5, 322.45, 238.75, camera.distortion)
    assert camera.pixel_difference(moved) == pytest.approx(0.2)
    zoomed = PinholeCamera(640, 480, 607.5, 608.5, 322.25, 238.75, camera.distortion)
    assert camera.pixel_difference(zoomed) > 1.0
    fisheye = PinholeCamera(640, 480, 601.5, 602.5, 322.25, 238.75, (0.01, 0.0, 0.0, 0.0), 'equidistant')
    assert fisheye.pixel_difference(fisheye) == 0.0
    assert fisheye.pixel_difference(camera) > 1.0
    assert camera.pixel_difference(camera.resized(320, 240)) == np.inf


def test_zeros_after_the_last_coefficient_are_dropped():
    k = [600.0, 0, 320, 0, 600, 240, 0, 0, 1]
    camera = PinholeCamera.from_calibration(640, 480, k, [0.1, -0.2, 0.0, 0.0, 0.03, 0, 0, 0], 'plumb_bob')
    assert camera.distortion == (0.1, -0.2, 0.0, 0.0, 0.03)
    eight = [0.1, -0.2, 0.0, 0.0, 0.03, 0, 0, 0.1]
    rational = PinholeCamera.from_calibration(640, 480, k, eight, 'rational_polynomial')
    assert PinholeCamera.from_calibration(640, 480, k, eight, 'plumb_bob') == rational
    with pytest.raises(CalibrationError, match='takes 8 or 12 or 14 coefficients but got 6'):
        PinholeCamera.from_calibration(640, 480, k, [*eight[:5], 0.1], 'plumb_bob')


def test_skew_of_the_size_of_rounding_is_none():
    assert PinholeCamera.from_calibration(640, 480, [600, 1e-12, 315, 0, 610, 244, 0, 0, 1]) == CAMERA
