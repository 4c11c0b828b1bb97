"""Photographs of a plane whose homographies from one image are known: ``H1to: {image: (3, 3)}``, pixels.

They are refined to fit the images, and by how much is said; images of several sizes are cut to what all have, on
the right and below. The camera is mostly unknown, so that each focal length that is tried is a row of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from training.benchmark.real.pairs import (
    UNKNOWN_DEPTH,
    Choice,
    Pair,
    RealSet,
    Truth,
    chosen_pairs,
    guessed_camera,
    loader,
)
from training.benchmark.real.refinement import refine

_FIRST = '1'
_LEAST_VISIBLE = 0.04
"""Share of the reference that the image of a pair has to show; a view four times as near shows a sixteenth."""


def fits(entry: dict[str, Any], folder: Path, name: str) -> bool:
    """Whether the entry gives homographies."""
    return 'H1to' in entry


def read(entry: dict[str, Any], folder: Path, name: str, choice: Choice) -> RealSet:
    """The set, at each focal length of its own."""
    load, (height, width), cut = _of_one_size(loader(folder / name), [_FIRST, *entry['H1to']])
    to_image, moves = {_FIRST: np.eye(3)}, {}
    for image, matrix in entry['H1to'].items():
        to_image[image], moves[image] = refine(np.asarray(matrix, np.float64), load(_FIRST), load(image))
    lengths = choice.focal_lengths_of(name)
    pairs = []
    for length in lengths:
        group = name if len(lengths) == 1 else f'{name}, f = {length:g} widths'
        camera = guessed_camera(width, height, length)
        for reference, image in chosen_pairs(list(to_image), choice.every_pair):
            homography = to_image[image] @ np.linalg.inv(to_image[reference])
            homography /= homography[2, 2]
            if _visible_share(homography, width, height) >= _LEAST_VISIBLE:
                pairs.append(Pair(group, reference, image, camera, UNKNOWN_DEPTH, Truth(homography)))
    note = f'{name}: camera unknown, focal length taken as {", ".join(f"{length:g}" for length in lengths)} widths'
    moved = ', '.join(f'{100 * move:.2f}' for move in moves.values())
    refined = f'{name}: homographies to {", ".join(moves)} refined by {moved} % of the width'
    sizes = (f'{name}: images of several sizes, cut to {width}x{height}',) if cut else ()
    return RealSet(name, pairs, load, (note, refined, *sizes))


def _of_one_size(
    load: Callable[[str], np.ndarray], images: Sequence[str]
) -> tuple[Callable[[str], np.ndarray], tuple[int, int], bool]:
    """The images cut to what all have, its height and width, and whether any is cut."""
    sizes = {load(image).shape[:2] for image in images}
    height, width = np.min(list(sizes), axis=0).tolist()
    return lambda image: load(image)[:height, :width], (height, width), len(sizes) > 1


def _visible_share(homography: np.ndarray, width: int, height: int) -> float:
    seen = cv2.warpPerspective(
        np.ones((height, width), np.uint8), np.linalg.inv(homography), (width, height), flags=cv2.INTER_NEAREST
    )
    return float(seen.mean())
