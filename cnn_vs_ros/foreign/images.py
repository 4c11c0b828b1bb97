"""Encoded images, read and written: the size is read from the header, before anything is decoded."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np

from cnn_vs_ros.errors import ImageError, VisualServoingError
from cnn_vs_ros.foreign.files import read_bytes

MAX_PIXELS = 1 << 25
"""Pixels of an image: 8192 by 4096."""

SUFFIXES = ('.png', '.jpg', '.jpeg', '.bmp', '.tif', '.tiff', '.pgm', '.ppm', '.webp')
"""Of files that hold an image, in a folder of them."""

MAX_BYTES = 1 << 28
_HEAD = 1 << 20
"""Bytes in which the size is stated, but for TIFF, which may have it at the end."""
_TIFF = b'II*\0', b'MM\0*'
_PNG = b'\x89PNG\r\n\x1a\n'
_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""JPEG's markers of a frame, whose header holds the size."""


def decode_image(
    data: bytes | np.ndarray,
    flags: int = cv2.IMREAD_UNCHANGED,
    source: str = 'image',
    error: type[VisualServoingError] = ImageError,
) -> np.ndarray:
    """Image of the bytes of a PNG, JPEG, BMP, PNM, TIFF or WebP file, as cv2.imdecode returns it.

    Raises:
        error: none of these, larger than MAX_PIXELS by its header, or not to be decoded.
    """
    head = bytes(data[:_HEAD])
    size = encoded_size(bytes(data) if head[:4] in _TIFF else head)
    if size is None:
        raise error(f'{source} should be an encoded image (PNG, JPEG and others) but is none')
    width, height = size
    if not (width >= 1 and height >= 1 and width * height <= MAX_PIXELS):
        raise error(f'{source} should have from 1 to {MAX_PIXELS} pixels but is {width}x{height}')
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except (cv2.error, MemoryError) as problem:
        raise error(f'{source} of {width}x{height} should be a whole image but cannot be decoded') from problem
    if image is None or image.size == 0:
        raise error(f'{source} of {width}x{height} should be a whole image but cannot be decoded')
    return np.asarray(image)


def read_image(
    path: str | os.PathLike[str],
    flags: int = cv2.IMREAD_UNCHANGED,
    error: type[VisualServoingError] = ImageError,
) -> np.ndarray:
    """Image of a file. Raises `error` as `decode_image` and `read_bytes` do."""
    return decode_image(read_bytes(path, MAX_BYTES, error), flags, str(Path(path)), error)


def write_image(
    path: str | os.PathLike[str], image: np.ndarray, error: type[VisualServoingError] | type[OSError] = OSError
) -> None:
    """Write an image to a file of the format that its suffix says. Raises `error` where that fails."""
    if not cv2.imwrite(str(path), image):
        raise error(f'cannot write the image {path}')


def encoded_size(head: bytes) -> tuple[int, int] | None:
    """Width and height that the beginning of an encoded image states; None where it is none that is known."""
    if head.startswith(_PNG):
        return (_big(head, 16, 4), _big(head, 20, 4)) if head[12:16] == b'IHDR' and len(head) >= 24 else None
    if head.startswith(b'\xff\xd8'):
        return _jpeg_size(head)
    if head.startswith(b'BM') and len(head) >= 26:
        return abs(_signed(head, 18)), abs(_signed(head, 22))
    if head[:1] == b'P' and head[1:2] in b'123456':
        return _pnm_size(head)
    if head[:4] in _TIFF:
        return _tiff_size(head)
    if head[:4] == b'RIFF' and head[8:12] == b'WEBP':
        return _webp_size(head)
    return None


def _big(data: bytes, at: int, count: int) -> int:
    return int.from_bytes(data[at : at + count], 'big')


def _little(data: bytes, at: int, count: int) -> int:
    return int.from_bytes(data[at : at + count], 'little')


def _signed(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], 'little', signed=True)


def _jpeg_size(head: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(head):
        if head[at] != 0xFF:
            return None
        marker = head[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
        elif marker in _FRAMES:
            return _big(head, at + 7, 2), _big(head, at + 5, 2)
        elif marker == 0x01 or 0xD0 <= marker <= 0xD8:
            at += 2
        else:
            at += 2 + max(2, _big(head, at + 2, 2))
    return None


def _pnm_size(head: bytes) -> tuple[int, int] | None:
    lines = (line.split(b'#')[0] for line in head[2:4096].splitlines())
    words = b' '.join(lines).split()[:2]
    if len(words) < 2 or not all(word.isdigit() and len(word) < 10 for word in words):
        return None
    return int(words[0]), int(words[1])


def _tiff_size(head: bytes) -> tuple[int, int] | None:
    read = _little if head[:2] == b'II' else _big
    at = read(head, 4, 4)
    sizes: dict[int, int] = {}
    for entry in range(read(head, at, 2)):
        begin = at + 2 + 12 * entry
        if begin + 12 > len(head):
            break
        tag, kind = read(head, begin, 2), read(head, begin + 2, 2)
        if tag in (256, 257):
            sizes[tag] = read(head, begin + 8, 2 if kind == 3 else 4)
    return (sizes[256], sizes[257]) if len(sizes) == 2 else None


def _webp_size(head: bytes) -> tuple[int, int] | None:
    kind = head[12:16]
    if kind == b'VP8X' and len(head) >= 30:
        return 1 + _little(head, 24, 3), 1 + _little(head, 27, 3)
    if kind == b'VP8 ' and len(head) >= 30:
        return _little(head, 26, 2) & 0x3FFF, _little(head, 28, 2) & 0x3FFF
    if kind == b'VP8L' and len(head) >= 25:
        bits = _little(head, 21, 4)
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    return None
