"""References that a user may well have, and that no formula may stumble over."""

from types import SimpleNamespace

import numpy as np
import pytest

from cnn_vs_ros.errors import ImageError, ModelError
from cnn_vs_ros.estimation import PoseEstimator, Reference, ScenePlane
from cnn_vs_ros.estimation.plane import STEEPEST
from cnn_vs_ros.estimation.regression.regressor import regressed_vector
from cnn_vs_ros.geometry import PinholeCamera, se3
from test.scenes import CAMERA, DEPTH, drawn_texture, view


@pytest.fixture(scope='module')
def image():
    return view(drawn_texture(), np.eye(4), seed=1)


@pytest.mark.parametrize('focal', [7.5e3, 1e5, 1e6])
def test_a_lens_of_a_few_degrees_tells_shifts_from_turns_no_more_and_is_no_error(image, focal):
    estimator = PoseEstimator.load()
    estimator.set_reference(Reference(image, PinholeCamera(640, 480, focal, focal, 319.5, 239.5), 1.0))
    for seed in range(2):
        pose = estimator.estimate(view(drawn_texture(), np.eye(4), seed=seed))
        assert np.isfinite(pose.transform).all()


def test_a_mask_that_leaves_narrow_strips_leaves_nothing_to_align(image):
    mask = np.zeros(image.shape[:2], np.uint8)
    mask[:, ::40] = mask[:, 1::40] = 255
    estimator = PoseEstimator.load()
    estimator.set_reference(Reference(image, CAMERA, DEPTH, mask=mask))
    assert estimator.estimate(image).is_lost


def test_an_image_far_longer_than_wide_is_refused(image):
    Reference(np.ascontiguousarray(image[:80]), PinholeCamera(640, 80, 600.0, 600.0, 319.5, 39.5), DEPTH)
    with pytest.raises(ImageError, match='at most 8 times as long as wide but is 640x64'):
        Reference(np.ascontiguousarray(image[:64]), PinholeCamera(640, 64, 600.0, 600.0, 319.5, 31.5), DEPTH)


def test_an_image_of_one_channel_comes_back_as_it_was_kept(image, tmp_path):
    grey = image if image.ndim == 2 else image[..., 0]
    kept = Reference(np.ascontiguousarray(grey[..., None]), CAMERA, DEPTH)
    assert Reference.load(kept.save(tmp_path / 'part')).sha256 == kept.sha256


def test_a_plane_that_was_found_beyond_the_steepest_is_kept_as_the_steepest(image, tmp_path):
    plane = ScenePlane(DEPTH, np.array([0.0, 1.05 * STEEPEST]), np.eye(2) / 0.05**2)
    kept = Reference(image, CAMERA, DEPTH).of_plane(plane)
    loaded = Reference.load(kept.save(tmp_path / 'part'))
    np.testing.assert_allclose(loaded.plane.slope, (0.0, STEEPEST), rtol=2e-3, atol=1e-9)


def test_a_regressor_that_gives_no_six_numbers_is_refused():
    model = SimpleNamespace(metadata={}, path='m.onnx', run=lambda *_: [np.zeros((1, 7), np.float32)])
    with pytest.raises(ModelError, match=r'pose should be \(1, 6\) but is \(1, 7\)'):
        regressed_vector(model, np.zeros((1, 1, 8, 8), np.float32))


def test_pixels_that_are_not_square_turn_as_the_camera_does():
    """The network's copies of the reference are turned by what a turn of the camera does to the image."""
    squeezed = PinholeCamera(480, 480, 450.0, 600.0, 239.5, 239.5)
    estimator = PoseEstimator.load()
    texture = drawn_texture()
    estimator.set_reference(Reference(view(texture, np.eye(4), 1, squeezed), squeezed, DEPTH))
    for degrees in (90.0, 180.0, 250.0):
        turned = se3.from_pose_vector([0, 0, 0, 0, 0, np.radians(degrees)])
        estimator.reset()
        pose = estimator.estimate(view(texture, turned, 2, squeezed))
        assert not pose.is_lost
        assert se3.pose_error(se3.inverse(turned) @ pose.transform)[1] < 0.02
