from __future__ import annotations

import cv2
import numpy as np
import pytest

from cnn_vs_ros.errors import ImageError
from cnn_vs_ros.foreign.images import MAX_PIXELS, decode_image, encoded_size
from test.files import claiming

SUFFIXES = ('.png', '.jpg', '.bmp', '.tiff', '.webp', '.ppm')
PICTURE = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)


@pytest.mark.parametrize('suffix', SUFFIXES)
def test_the_size_is_known_from_the_header_alone(suffix):
    data = cv2.imencode(suffix, PICTURE)[1].tobytes()
    assert encoded_size(data if suffix == '.tiff' else data[:600]) == (64, 48)
    assert decode_image(data).shape == PICTURE.shape


def test_a_large_tiff_has_its_size_at_the_end():
    picture = np.random.default_rng(0).integers(0, 255, (700, 800, 3), dtype=np.uint8)
    data = cv2.imencode('.tiff', picture)[1].tobytes()
    assert len(data) > 1 << 20
    np.testing.assert_array_equal(decode_image(data), picture)


@pytest.mark.parametrize('size', [(30000, 30000), (60000, 60000), (MAX_PIXELS, 2), (0, 5)])
def test_a_picture_larger_than_any_is_refused_before_it_is_decoded(size, monkeypatch):
    monkeypatch.setattr(cv2, 'imdecode', lambda *_: pytest.fail('it was decoded'))
    with pytest.raises(ImageError, match=f'should have from 1 to {MAX_PIXELS} pixels but is {size[0]}x{size[1]}'):
        decode_image(claiming(cv2.imencode('.png', PICTURE)[1].tobytes(), *size))


def test_what_is_no_picture_is_refused():
    with pytest.raises(ImageError, match='should be an encoded image'):
        decode_image(b'%PDF-1.7')
    with pytest.raises(ImageError, match='cannot be decoded'):
        decode_image(cv2.imencode('.jpg', PICTURE)[1].tobytes()[:200])
