"""Known colours in every encoding that cameras send."""

import numpy as np
import pytest

from cnn_vs_ros.errors import ImageError
from cnn_vs_ros.foreign.pixels import ENCODINGS, image_of_pixels

WIDTH, HEIGHT, PADDING = 8, 6, 5
BLUE, GREEN, RED = BGR = (30, 120, 200)
GREY = 77
Y, U, V = 128, 80, 176
"""Of a colour in BT.601's limited range, computed below."""

COLOURS = {
    'bgr': BGR,
    'rgb': BGR[::-1],
    'bgra': (*BGR, 9),
    'rgba': (*BGR[::-1], 9),
    'mono': (GREY,),
}
NAMES = {
    '8UC1': 'mono8',
    '8UC3': 'bgr8',
    '8UC4': 'bgra8',
    '16UC1': 'mono16',
    'yuv422': 'uyvy',
    'yuv422_yuy2': 'yuyv',
}


def samples(encoding: str) -> np.ndarray:
    """Samples of a picture of one colour, a row of them for each row of bytes, 8 bits each."""
    name = NAMES.get(encoding, encoding)
    if name.startswith('bayer'):
        tile = np.array([{'r': RED, 'g': GREEN, 'b': BLUE}[letter] for letter in name[6:10]]).reshape(2, 2)
        return np.tile(tile, (HEIGHT // 2, WIDTH // 2))
    if name in ('uyvy', 'yuyv'):
        return np.tile({'uyvy': (U, Y, V, Y), 'yuyv': (Y, U, Y, V)}[name], (HEIGHT, WIDTH // 2))
    if name in ('nv12', 'nv21'):
        chroma = np.tile((U, V) if name == 'nv12' else (V, U), (HEIGHT // 2, WIDTH // 2))
        return np.vstack([np.full((HEIGHT, WIDTH), Y), chroma])
    return np.tile(COLOURS[name.rstrip('0123456789')], (HEIGHT, WIDTH))


def expected(encoding: str) -> np.ndarray:
    name = NAMES.get(encoding, encoding)
    if name.startswith('mono'):
        return np.full((HEIGHT, WIDTH), GREY)
    if name in ('uyvy', 'yuyv', 'nv12', 'nv21'):
        y, u, v = 255 / 219 * (Y - 16), 255 / 224 * (U - 128), 255 / 224 * (V - 128)
        colour = (y + 1.772 * u, y - 0.344136 * u - 0.714136 * v, y + 1.402 * v)
    else:
        colour = BGR
    return np.tile(colour, (HEIGHT, WIDTH, 1))


def encoded(encoding: str, big_endian: bool = False, padding: int = 0) -> tuple[np.ndarray, int]:
    """Bytes (n,) of that picture, and their step."""
    values = samples(encoding)
    if '16' in encoding:
        values = (256 * values + 200).astype('>u2' if big_endian else '<u2').view(np.uint8)
    rows = np.pad(values.astype(np.uint8), ((0, 0), (0, padding)), constant_values=255)
    return rows.ravel(), rows.shape[1]


@pytest.mark.parametrize('padding', [0, PADDING])
@pytest.mark.parametrize('big_endian', [False, True])
@pytest.mark.parametrize('encoding', ENCODINGS)
def test_colours_are_what_they_were(encoding, big_endian, padding):
    data, step = encoded(encoding, big_endian, padding)
    image = image_of_pixels(encoding, WIDTH, HEIGHT, step, data, big_endian)
    assert image.dtype == np.uint8
    assert image.shape == expected(encoding).shape
    np.testing.assert_allclose(image.astype(float), expected(encoding), atol=1.5 if U in data else 0)


def test_what_needs_no_conversion_is_not_copied():
    for encoding in ('bgr8', 'mono8'):
        data, step = encoded(encoding, padding=PADDING)
        assert np.shares_memory(image_of_pixels(encoding, WIDTH, HEIGHT, step, data), data)


@pytest.mark.parametrize('encoding', ENCODINGS)
def test_sizes_that_contradict_the_encoding_are_refused(encoding):
    data, step = encoded(encoding)
    rows = len(data) // step
    cases = [
        (WIDTH, HEIGHT, step, data[:-1]),
        (WIDTH, HEIGHT, step, np.append(data, 0).astype(np.uint8)),
        (WIDTH, HEIGHT, step - 1, data[: (step - 1) * rows]),
        (0, HEIGHT, step, data),
        (WIDTH, 0, step, data[:0]),
        (0, 0, 0, data[:0]),
    ]
    for width, height, wrong_step, wrong_data in cases:
        with pytest.raises(ImageError, match=f'image {width}x{height} {encoding} should have .* but '):
            image_of_pixels(encoding, width, height, wrong_step, wrong_data)


@pytest.mark.parametrize('encoding', ['uyvy', 'yuyv', 'yuv422', 'yuv422_yuy2', 'nv12', 'nv21'])
def test_yuv_of_an_odd_width_is_refused(encoding):
    data, step = encoded(encoding)
    with pytest.raises(ImageError, match=f'{WIDTH - 1}x{HEIGHT} {encoding} should have an even width'):
        image_of_pixels(encoding, WIDTH - 1, HEIGHT, step, data)


def test_an_unknown_encoding_is_refused_with_the_choices():
    with pytest.raises(ImageError, match=r'one of bgr8, .* but is .32FC1. \(2x2, 16 bytes\)'):
        image_of_pixels('32FC1', 2, 2, 8, np.zeros(16, np.uint8))
