"""Tests an image tile must pass to be worth learning from: texture, aperiodicity, not seen before."""

from __future__ import annotations

import cv2
import numpy as np

MINIMUM_CONTRAST = 12.0  # grey levels, standard deviation over the tile
MAXIMUM_PERIODICITY = 0.5
DUPLICATE_DISTANCE = 5  # bits of 64


def is_textured(tile: np.ndarray, minimum_share: float = 0.6) -> bool:
    """Return whether a grey uint8 tile (H, W) has gradients nearly everywhere.

    At least `minimum_share` of the 64 px neighbourhoods must hold a slope of 2 grey levels per pixel (at a
    smoothing of 1.5 px) on 8 % of their pixels.
    """
    smooth = cv2.GaussianBlur(tile.astype(np.float32), (0, 0), 1.5)
    slope = np.hypot(cv2.Sobel(smooth, cv2.CV_32F, 1, 0) / 8, cv2.Sobel(smooth, cv2.CV_32F, 0, 1) / 8)
    share = cv2.blur((slope > 2.0).astype(np.float32), (64, 64))[32:-32:32, 32:-32:32]
    return bool(tile.std() > MINIMUM_CONTRAST and (share > 0.08).mean() > minimum_share)


def periodicity(tile: np.ndarray, minimum_lag: int = 24) -> float:
    """Return the highest autocorrelation of a grey tile (H, W) beyond `minimum_lag` pixels, at most 1.

    The tile is halved and high-passed first, so that a slow gradient does not count as repetition; the
    correlation at a lag is normalised over the overlap at that lag (Padfield, 2012), and lags reach half of
    the tile. A texture that repeats has several right answers for one cell, which teaches a matcher nothing.
    """
    grey = cv2.resize(tile, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA).astype(np.float32)
    grey = grey - cv2.GaussianBlur(grey, (0, 0), 8)
    height, width = grey.shape
    shape = (2 * height, 2 * width)
    ones, image, square = (np.fft.rfft2(a, shape) for a in (np.ones_like(grey), grey, grey * grey))

    def correlate(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.fft.irfft2(np.conj(a) * b, shape)

    overlap = np.maximum(correlate(ones, ones), 1.0)
    here, there = correlate(image, ones), correlate(ones, image)
    covariance = correlate(image, image) - here * there / overlap
    variance_here = correlate(square, ones) - here * here / overlap
    variance_there = correlate(ones, square) - there * there / overlap
    floor = 1e-3 * float(np.sum(grey * grey)) + 1e-6
    coefficient = covariance / np.sqrt(np.maximum(variance_here * variance_there, floor * floor))
    lag_y = np.minimum(np.arange(shape[0]), shape[0] - np.arange(shape[0]))[:, None]
    lag_x = np.minimum(np.arange(shape[1]), shape[1] - np.arange(shape[1]))[None, :]
    far = (np.hypot(lag_y, lag_x) >= minimum_lag / 2) & (lag_y <= height // 2) & (lag_x <= width // 2)
    return float(min(coefficient[far].max(), 1.0))


def difference_hash(image: np.ndarray) -> int:
    """Return a 64-bit hash of a grey image (H, W) of which near-duplicates differ in few bits."""
    small = cv2.resize(image, (9, 8), interpolation=cv2.INTER_AREA).astype(np.int16)
    bits = (small[:, 1:] > small[:, :-1]).ravel()
    return int.from_bytes(np.packbits(bits).tobytes(), 'big')


def is_duplicate(image_hash: int, seen: list[int]) -> bool:
    """Return whether a `difference_hash` is within 5 bits of one already seen."""
    return any((image_hash ^ other).bit_count() <= DUPLICATE_DISTANCE for other in seen)
