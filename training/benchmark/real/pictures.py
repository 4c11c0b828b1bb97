"""Contact sheets: the reference warped onto the image as a method says, worst answers first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from cnn_vs_ros.foreign.images import write_image
from training.benchmark.real.measure import PairRecord
from training.benchmark.real.pairs import Pair, RealSet

_WIDTH = 360
_COLUMNS = 2
_MOST = 16
_SQUARES = 8  # of the checker of reference and image, across
_TRUE, _SAID = (60, 200, 60), (60, 60, 240)  # BGR

Shown = tuple[PairRecord, Pair, RealSet]


def write(shown: Sequence[Shown], folder: Path) -> list[Path]:
    """Write `SET-METHOD.png` for each set and method; return the paths. A set `a/b` is `a_b` there."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for key in dict.fromkeys((record.set, record.method) for record, _, _ in shown):
        of_key = [entry for entry in shown if (entry[0].set, entry[0].method) == key]
        worst = sorted(of_key, key=_badness)[:_MOST]
        path = folder / f'{key[0].replace("/", "_")}-{key[1]}.png'
        write_image(path, _sheet([_tile(*entry) for entry in worst]))
        paths.append(path)
    return paths


def _badness(entry: Shown) -> tuple[int, float]:
    """Wrong ones first, the surest of them first; then the lost; then by their error."""
    record = entry[0]
    if record.wrong:
        return 0, -(record.confidence or 0.0)
    return (1, 0.0) if not record.found else (2, -(record.shift or 0.0))


def _sheet(tiles: Sequence[np.ndarray]) -> np.ndarray:
    height = max(tile.shape[0] for tile in tiles)
    padded = [cv2.copyMakeBorder(t, 0, height - t.shape[0], 0, 0, cv2.BORDER_CONSTANT) for t in tiles]
    padded += [np.zeros_like(padded[0])] * (-len(padded) % _COLUMNS)
    return np.vstack([np.hstack(padded[i : i + _COLUMNS]) for i in range(0, len(padded), _COLUMNS)])


def _tile(record: PairRecord, pair: Pair, real: RealSet) -> np.ndarray:
    """Reference, and the image in a checker with the reference as it was found; outlines said and true."""
    reference, image = (_colour(pair.camera.undistort(real.load(key))) for key in (pair.reference, pair.image))
    height, width = image.shape[:2]
    scale = _WIDTH / width
    shrink = np.diag([scale, scale, 1.0])
    size = (_WIDTH, round(height * scale))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    if record.homography is not None:
        said = shrink @ np.array(record.homography)
        warped = cv2.warpPerspective(reference, said, size)
        there = cv2.warpPerspective(np.ones((height, width), np.uint8), said, size) > 0
        rows, columns = np.mgrid[0 : size[1], 0 : size[0]] * _SQUARES // _WIDTH
        np.copyto(small, warped, where=(there & ((rows + columns) % 2 == 0))[..., None])
        _outline(small, said, width, height, _SAID)
    if pair.truth is not None:
        _outline(small, shrink @ pair.truth.homography, width, height, _TRUE)
    tile = np.hstack([cv2.resize(reference, size, interpolation=cv2.INTER_AREA), small])
    bar = np.zeros((34, tile.shape[1], 3), np.uint8)
    for line, text in enumerate((f'{record.group}: {record.reference} -> {record.image}', _verdict(record))):
        place = (4, 13 + 16 * line)
        cv2.putText(bar, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.4, (255, 255, 255), 1, cv2.LINE_AA)
    return np.vstack([bar, tile])


def _outline(
    picture: np.ndarray, homography: np.ndarray, width: int, height: int, colour: tuple[int, int, int]
) -> None:
    corners = np.array([[0, 0, 1], [width - 1, 0, 1], [width - 1, height - 1, 1], [0, height - 1, 1]], np.float64)
    moved = corners @ homography.T
    if (moved[:, 2] > 1e-6).all():
        points = (moved[:, :2] / moved[:, 2:]).clip(-1e4, 1e4)
        cv2.polylines(picture, [np.rint(points).astype(np.int32)], True, colour, 1, cv2.LINE_AA)


def _verdict(record: PairRecord) -> str:
    text = f'{record.method}: '
    if not record.found:
        return text + 'lost'
    shift = 'not judged' if record.shift is None else f'{100 * record.shift:.2f} % off'
    turn = '' if record.turn_deg is None else f', {record.turn_deg:.1f} deg'
    sure = '' if record.confidence is None else f', confidence {record.confidence:.2f}'
    return text + ('WRONG ' if record.wrong else '') + shift + turn + sure


def _colour(image: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(image, cv2.COLOR_GRAY2BGR) if image.ndim == 2 else image
