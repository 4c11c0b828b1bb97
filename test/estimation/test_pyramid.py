import numpy as np
import pytest

from cnn_vs_ros.errors import ImageError
from cnn_vs_ros.estimation.pyramid import ImagePyramid, ValidPixels
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


LENS = PinholeCamera(640, 480, 600.0, 600.0, 319.5, 239.5, (-0.3, 0.05, 0.0, 0.0, 0.0))
WIDE_LENS = PinholeCamera(640, 480, 600.0, 600.0, 319.5, 239.5, (0.25, 0.0, 0.0, 0.0, 0.0))


def test_all_pixels_of_an_ideal_camera_without_a_mask_are_valid():
    valid = ValidPixels(CAMERA)
    assert valid.everywhere
    assert valid.at((80, 60)) is None
    assert ValidPixels(CAMERA, np.full((480, 640), 255, np.uint8)).everywhere


def test_pixels_that_a_mask_leaves_out_are_not_valid_at_any_size():
    mask = np.full((480, 640), 255, np.uint8)
    mask[200:, 400:] = 0
    valid = ValidPixels(CAMERA, mask)
    assert not valid.everywhere
    for size in ((80, 60), (160, 120), (320, 240), (640, 480)):
        scale = size[0] / 640
        expected = np.ones(size[::-1], bool)
        expected[round(200 * scale) :, round(400 * scale) :] = False
        np.testing.assert_array_equal(valid.at(size), expected)
        margin = valid.at(size, margin=2)
        assert not margin[round(200 * scale) - 2 :, round(400 * scale) - 2 :].any()
        assert margin[: round(200 * scale) - 2].all()
    mask[:] = 255
    mask[100, 100] = 0  # a single pixel: the whole coarse pixel about it shows it
    assert ValidPixels(CAMERA, mask).at((80, 60)).sum() == 80 * 60 - 1


def test_what_lies_beyond_the_lens_is_not_valid_and_a_mask_is_that_of_the_distorted_image():
    valid = ValidPixels(WIDE_LENS).at((640, 480))
    assert not valid[0, 0]
    assert valid[240, 320]
    assert 0.8 < valid.mean() < 0.999
    np.testing.assert_array_equal(
        ValidPixels(WIDE_LENS, mask=np.full((480, 640), 255, np.uint8)).at((640, 480)), valid
    )
    mask = np.full((480, 640), 255, np.uint8)
    mask[:, :100] = 0
    masked = ValidPixels(LENS, mask).at((640, 480))
    undistorted = LENS.undistort(mask)
    assert masked[undistorted == 255].all()
    assert not masked[undistorted == 0].any()
    assert (undistorted[20] == 0).sum() < (undistorted[240] == 0).sum()  # its edge is no straight line any more


def test_what_is_not_valid_continues_what_is_around_it():
    columns = np.tile(np.linspace(60, 180, 640).astype(np.uint8), (480, 1))
    mask = np.full((480, 640), 255, np.uint8)
    mask[200:400, 250:450] = 0
    valid = ValidPixels(CAMERA, mask)
    image = np.where(mask, columns, np.random.default_rng(0).integers(0, 256, mask.shape, np.uint8))
    filled = valid.filled(image)
    np.testing.assert_array_equal(filled[mask > 0], image[mask > 0])
    np.testing.assert_array_equal(filled, valid.filled(columns))
    assert np.abs(filled.astype(int) - columns)[mask == 0].max() < 25
    np.testing.assert_array_equal(ImagePyramid(image, CAMERA, valid).grey, filled)
    np.testing.assert_array_equal(ValidPixels(CAMERA).filled(image), image)


def test_levels_are_usable_where_they_are_valid_and_not_saturated(scene):
    mask = np.full((480, 640), 255, np.uint8)
    mask[:, 480:] = 0
    image = scene.astype(np.uint8).clip(0, 200)
    image[:120] = 255
    level = ImagePyramid(image, CAMERA, ValidPixels(CAMERA, mask)).levels[2]
    assert not level.usable[:58].any()
    assert level.usable[64:, :238].all()
    assert not level.usable[:, 240:].any()
    assert ImagePyramid(scene.astype(np.uint8).clip(0, 200), CAMERA).levels[2].usable is None


@pytest.mark.parametrize('coefficient', [0.1, 0.25])
def test_where_an_undistorted_image_has_no_data_no_edge_is_seen(coefficient):
    """A bright plain surface: a black border would be its greatest contrast."""
    lens = PinholeCamera(640, 480, 600.0, 600.0, 319.5, 239.5, (coefficient, 0.0, 0.0, 0.0, 0.0))
    pyramid = ImagePyramid(np.full((480, 640), 200, np.uint8), lens)
    for level in [*pyramid.levels, pyramid.full]:
        assert np.abs(level.flat).max() < 1.0
        assert level.valid is not None
        assert not level.valid[0, 0]
