import numpy as np
import pytest

from cnn_vs_ros.errors import ImageError
from cnn_vs_ros.estimation.pyramid import ImagePyramid
from cnn_vs_ros.geometry import PinholeCamera
from test.scenes import CAMERA, drawn_texture, view


@pytest.fixture(scope='module')
def scene():
    return view(drawn_texture(), np.eye(4)).astype(np.float32)


def levels(image):
    pyramid = ImagePyramid(np.clip(np.rint(image), 0, 255).astype(np.uint8), CAMERA)
    return [*pyramid.levels, pyramid.full]


def lamp(width, strength):
    """A light's gain over the image, Gaussian, `width` a share of the image's (paper, eq. 8)."""
    columns, rows = np.meshgrid(np.arange(640), np.arange(480))
    spread = width * 640
    return 0.4 + strength * np.exp(-((columns - 460) ** 2 + (rows - 150) ** 2) / (2 * spread**2))


def test_sizes_halve_from_the_finest_level_and_the_full_image_is_beside_them(scene):
    assert [level.camera.size for level in levels(scene)] == [(80, 60), (160, 120), (320, 240), (640, 480)]
    wide = PinholeCamera(1280, 720, 900, 900, 639.5, 359.5)
    pyramid = ImagePyramid(np.zeros((720, 1280), np.uint8), wide)
    assert pyramid.full.flat.shape == (360, 640)
    assert pyramid.levels[-1].flat.shape == (180, 320)
    small = PinholeCamera(200, 150, 180, 180, 99.5, 74.5)
    assert ImagePyramid(np.zeros((150, 200), np.uint8), small).full.camera.size == (200, 150)


def test_exposure_does_not_change_the_flat_image(scene):
    for bright, dark in zip(levels(scene), levels(0.5 * scene), strict=True):
        assert np.abs(bright.flat - dark.flat).mean() < 0.06 * bright.flat.std()


@pytest.mark.parametrize(('width', 'strength'), [(0.15, 0.5), (0.3, 0.6), (0.5, 0.6)])
def test_a_lamp_does_not_change_the_flat_image_while_it_changes_the_grey_one_a_lot(scene, width, strength):
    lit = scene * lamp(width, strength)
    for plain, shone in zip(levels(scene), levels(lit), strict=True):
        assert np.abs(plain.flat - shone.flat).mean() < 0.12 * plain.flat.std()
        grey, lit_grey = plain.grey.astype(float), shone.grey.astype(float)
        assert np.abs(grey - lit_grey - (grey - lit_grey).mean()).mean() > 0.2 * grey.std()


def test_a_lamp_over_a_plain_surface_leaves_next_to_nothing():
    for level in levels(120.0 * lamp(0.2, 0.6)):
        margin = level.camera.width // 8  # near the border the light's slope is not known
        assert np.abs(level.flat[margin:-margin, margin:-margin]).max() < 4.0  # the lamp itself spans over 100


def test_another_size_or_type_is_refused():
    with pytest.raises(ImageError, match='640x480'):
        ImagePyramid(np.zeros((240, 320), np.uint8), CAMERA)
    with pytest.raises(ImageError, match='uint8'):
        ImagePyramid(np.zeros((480, 640), np.float32), CAMERA)
