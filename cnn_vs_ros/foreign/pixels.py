"""Uncompressed pixels as camera drivers send them, by the names that sensor_msgs gives their encodings."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from cnn_vs_ros.errors import ImageError
from cnn_vs_ros.foreign.entries import shortened


@dataclass(frozen=True)
class _Layout:
    """How pixels lie: samples of a pixel in a row, bytes of a sample, and OpenCV's conversion to BGR, if any.

    Width and height are multiples of `even`, and `least` at least; `rows` rows of bytes hold two rows of pixels.
    """

    samples: int
    conversion: int | None = None
    sample_bytes: int = 1
    even: tuple[int, int] = (1, 1)
    least: int = 1
    rows: int = 2


_BAYER = {
    'rggb': cv2.COLOR_BayerRGGB2BGR,
    'bggr': cv2.COLOR_BayerBGGR2BGR,
    'gbrg': cv2.COLOR_BayerGBRG2BGR,
    'grbg': cv2.COLOR_BayerGRBG2BGR,
}

_UYVY = _Layout(2, cv2.COLOR_YUV2BGR_UYVY, even=(2, 1))
_YUYV = _Layout(2, cv2.COLOR_YUV2BGR_YUY2, even=(2, 1))

_LAYOUTS = {
    'bgr8': _Layout(3),
    'rgb8': _Layout(3, cv2.COLOR_RGB2BGR),
    'bgra8': _Layout(4, cv2.COLOR_BGRA2BGR),
    'rgba8': _Layout(4, cv2.COLOR_RGBA2BGR),
    'mono8': _Layout(1),
    '8UC1': _Layout(1),
    '8UC3': _Layout(3),
    '8UC4': _Layout(4, cv2.COLOR_BGRA2BGR),
    'bgr16': _Layout(3, sample_bytes=2),
    'rgb16': _Layout(3, cv2.COLOR_RGB2BGR, 2),
    'mono16': _Layout(1, sample_bytes=2),
    '16UC1': _Layout(1, sample_bytes=2),
    'uyvy': _UYVY,
    'yuv422': _UYVY,
    'yuyv': _YUYV,
    'yuv422_yuy2': _YUYV,
    'nv12': _Layout(1, cv2.COLOR_YUV2BGR_NV12, even=(2, 2), rows=3),
    'nv21': _Layout(1, cv2.COLOR_YUV2BGR_NV21, even=(2, 2), rows=3),
    # OpenCV leaves a mosaic of two rows or columns black.
    **{f'bayer_{name}8': _Layout(1, code, least=3) for name, code in _BAYER.items()},
    **{f'bayer_{name}16': _Layout(1, code, 2, least=3) for name, code in _BAYER.items()},
}

ENCODINGS = tuple(_LAYOUTS)
"""Names of the encodings that are understood."""


def image_of_pixels(
    encoding: str, width: int, height: int, step: int, data: np.ndarray, big_endian: bool = False
) -> np.ndarray:
    """Image uint8 (H, W, 3) BGR or (H, W) grey of bytes `data` (n,), rows `step` bytes apart.

    Of 16 bits the upper 8 are taken; YUV is that of BT.601 in the limited range. Shares the memory of `data` where
    nothing is converted. Raises ImageError for another encoding, and for sizes that contradict it.
    """
    layout = _LAYOUTS.get(encoding)
    if layout is None:
        raise ImageError(
            f'image encoding should be one of {", ".join(ENCODINGS)} but is {shortened(encoding)} '
            f'({width}x{height}, {data.size} bytes)'
        )
    named = f'image {width}x{height} {encoding}'
    if width < layout.least or height < layout.least:
        raise ImageError(f'{named} should have sides of at least {layout.least} pixels but has shorter ones')
    if width % layout.even[0] or height % layout.even[1]:
        sides = 'an even width and height' if layout.even[1] == 2 else 'an even width'
        raise ImageError(f'{named} should have {sides} but has not')
    row, rows = width * layout.samples * layout.sample_bytes, height * layout.rows // 2
    if step < row or data.size != step * rows:
        raise ImageError(
            f'{named} should have pixels in {rows} rows of {row} bytes '
            f'but its step is {step} and its data {data.size} bytes'
        )
    pixels = data.reshape(rows, step)[:, :row]
    if layout.sample_bytes == 2:
        pixels = pixels[:, 0 if big_endian else 1 :: 2]
    if layout.samples > 1:
        pixels = pixels.reshape(rows, width, layout.samples)
    return pixels if layout.conversion is None else cv2.cvtColor(pixels, layout.conversion)
