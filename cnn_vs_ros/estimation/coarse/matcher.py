"""The coarse matcher: a network's dense descriptors find the reference in an image, whatever the motion."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.errors import ModelError
from cnn_vs_ros.estimation.coarse.plane_pose import PlanePose, misses, solve_plane_pose
from cnn_vs_ros.estimation.model_file import ModelFile
from cnn_vs_ros.estimation.plane import ScenePlane
from cnn_vs_ros.estimation.pyramid import ImagePyramid
from cnn_vs_ros.estimation.reference import Reference
from cnn_vs_ros.geometry import PinholeCamera, map_pixels

Array = NDArray[np.float64]

KIND = 'scene_agnostic_matcher'

COPIES = tuple((scale, 2 * np.pi * k / 8) for scale in (1.0, 0.6) for k in range(8))
"""Scale and turn of the copies in which the reference is described."""

_SHORTLIST = 4  # copies of the reference that get the exact matching score
_LEAST_SCORE = 0.6  # of the best score; copies with less are not tried
_LEAST_SHARE = 0.25  # of a score that has to support its pose
_GROWN = 2.0  # a pose whose support has grown so much is matched once more: it was far off
_MIN_PROBABILITY = 0.02
_MIN_VIEW_CELLS = 15
_INLIER_CELLS = 3 / 8
_OTHER_CELLS = 1.0  # that a match is off from a pose for which it does not speak
_VALID_SHARE = 0.75  # of a cell's area that has to be able to show the scene
_LARGEST_EXPONENT = 80.0
_TINY, _ROUNDING = 1e-30, 1e-6


class MatcherNetwork:
    """The network of a `scene_agnostic_matcher` model: images to unit descriptors on a stride-8 grid.

    Raises ModelError for another kind of model, one without the metadata of its kind, or one that fails a trial.
    """

    def __init__(self, model: ModelFile) -> None:
        if model.kind != KIND:
            raise ModelError(f'model {model.path} should be a {KIND} but is a {model.kind}')
        self.name = model.name
        self.width, self.stride = model.whole('input_width'), model.whole('stride', 64)
        self.cell_offset = model.number('cell_offset')
        self.temperature = model.number('temperature')
        self.dustbin = model.number('dustbin')
        self.reference_sha256 = model.metadata.get('reference_sha256')
        self._path, self._model = model.path, model
        self.describe(np.zeros((1, 2 * self.stride, 2 * self.stride)))

    def check(self, reference: Reference) -> str:
        """Return a sentence to warn with when the model was fine-tuned on another reference, else an empty one."""
        if self.reference_sha256 in (None, reference.sha256):
            return ''
        return (
            f'model {self._path} was fine-tuned on another reference image: it finds this one, but knows best '
            'the scene that it was tuned on'
        )

    def describe(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Descriptors (B, N, C) and matchability logits (B, N) of grey float images (B, H, W), 0 to 255."""
        images = np.ascontiguousarray(images, dtype=np.float32)[:, None]
        descriptors, matchability = self._model.run({'descriptors': 3, 'matchability': 2}, images)
        return descriptors, matchability

    def camera_for(self, camera: PinholeCamera, width: int | None = None) -> PinholeCamera:
        """`camera` as the network sees it: `width` pixels, by default its nominal ones, in multiples of cells."""
        width = self.width if width is None else width // self.stride * self.stride
        rows = max(1, round(width * camera.height / camera.width / self.stride))
        return camera.undistorted.resized(width, rows * self.stride)

    def cell_centres(self, height: int, width: int) -> Array:
        """Pixel centres (N, 2) of the cells of an image, row-major."""
        rows, columns = np.mgrid[0 : height // self.stride, 0 : width // self.stride]
        return np.stack([columns.ravel(), rows.ravel()], axis=1) * float(self.stride) + self.cell_offset


@dataclass(frozen=True)
class _View:
    """A drawn copy of the reference: its V cells that show the reference, and how its pixels go back there.

    `descriptors` (V, C), `matchability` (V,), `centres` (V, 2) in pixels; `neighbours` (V, 9) are the indices of
    the cells around each, row by row, V where there is none.
    """

    descriptors: np.ndarray
    matchability: np.ndarray
    centres: Array
    neighbours: np.ndarray
    reference_from_view: Array


@dataclass(frozen=True)
class _Cells:
    """What the network says of an image: `descriptors` (N, C), `matchability` (N,), `centres` (N, 2) in pixels.

    It saw the image enlarged by `zoom` about its middle, so a cell is so many times smaller.
    """

    descriptors: np.ndarray
    matchability: np.ndarray
    centres: Array
    zoom: float

    def of(self, chosen: np.ndarray) -> _Cells:
        """Return those that are `chosen` (N,), boolean."""
        return _Cells(self.descriptors[chosen], self.matchability[chosen], self.centres[chosen], self.zoom)


@dataclass(frozen=True)
class ViewMatches:
    """Match probabilities (N, V) of an image's cells with those of one drawn copy of the reference, by `index`.

    `score` is the sum of the best of each cell: no pose can have more support.
    """

    index: int
    score: float
    probability: np.ndarray
    cells: _Cells


class ReferenceMatcher:
    """Matches images against one reference, described under rotations and scales.

    Images are taken at `width`, by default that of the network: more pixels show finer texture and take longer.
    """

    def __init__(
        self,
        network: MatcherNetwork,
        reference: ImagePyramid,
        camera: PinholeCamera,
        width: int | None = None,
    ) -> None:
        self._network = network
        self._camera = network.camera_for(camera, width)
        self._valid = self._valid_cells(reference)
        self._reference = self._resize(reference)
        self._centres = network.cell_centres(self._camera.height, self._camera.width)
        self._copies = self._described()

    def matches(
        self, image: ImagePyramid, among: Sequence[int] | None = None, zoom: float = 1.0
    ) -> list[ViewMatches]:
        """Return the copies that look most like the image, the best first; `among` some of COPIES, or all.

        The image is enlarged by `zoom` about its middle first.
        """
        return self._matches(self._cells(image, zoom), range(len(COPIES)) if among is None else among)

    def matches_of_moved(self, matches: ViewMatches) -> list[ViewMatches]:
        """Return the same as `matches`, of all copies, without the cells that show what the reference shows there.

        What moves with the camera holds them, and hides from the others which copy looks most like the image.
        """
        view = self._copies[matches.index]
        desired, _ = self._matched(matches.probability, view)
        moved = self._is_other(desired, matches.cells, np.eye(3))
        return self._matches(matches.cells.of(moved), range(len(COPIES)))

    def _matches(self, cells: _Cells, among: Iterable[int]) -> list[ViewMatches]:
        views = {index: self._copies[index] for index in among if index in self._copies}
        if not views or not len(cells.centres):
            return []
        bank = np.concatenate([view.descriptors for view in views.values()])
        first_of = np.cumsum([0] + [len(view.descriptors) for view in views.values()])
        similarity = (self._network.temperature * cells.descriptors) @ bank.T
        promise = np.maximum.reduceat(similarity, first_of[:-1], axis=1).mean(axis=0)
        found = []
        for place in np.argsort(-promise)[:_SHORTLIST]:
            index = list(views)[place]
            columns = slice(first_of[place], first_of[place + 1])
            probability = self._dual_softmax(similarity[:, columns], cells.matchability, views[index])
            found.append(ViewMatches(index, float(probability.max(axis=1).sum()), probability, cells))
        return sorted(found, key=lambda matches: -matches.score)

    def hypotheses(
        self,
        matches: Sequence[ViewMatches],
        plane: ScenePlane,
        least_support: float = 0.0,
        ample_support: float = np.inf,
    ) -> Iterator[PlanePose]:
        """Poses that some `matches` support by more than `least_support`, each computed when it is asked for.

        The copies are seen squarely, so the first matches of an oblique view are few; those with the reference as
        the pose shows it are what counts. A pose with more than `ample_support` comes before them, as it is.
        Copies that look much less like the image than the first are left out.
        """
        for each in matches:
            if each.score < _LEAST_SCORE * matches[0].score:
                return
            view = self._copies[each.index]
            first = self._solve(view, each.cells, each.probability, plane)
            if first is None or first.support < _LEAST_SHARE * each.score:
                continue
            if first.support > ample_support:
                yield first
            found = self._rematched(each.cells, first, plane, least_support)
            if found is None:
                continue
            yield found
            # What moves with the camera agrees on a pose of its own: there may be another one in the rest.
            second = self._solve(view, each.cells, each.probability, plane, other_than=first)
            if second is not None and second.support > _LEAST_SHARE * each.score:
                found = self._rematched(each.cells, second, plane, least_support)
                if found is not None:
                    yield found

    def _rematched(
        self, cells: _Cells, pose: PlanePose, plane: ScenePlane, least_support: float
    ) -> PlanePose | None:
        """Correct a pose by matches with the reference as it shows it; None if these are not enough."""
        before, pose = pose, self._rematch(cells, pose, plane)
        if pose.support > max(least_support, _GROWN * before.support):
            pose = self._rematch(cells, pose, plane)
        return pose if pose.support > least_support else None

    def _cells(self, image: ImagePyramid, zoom: float) -> _Cells:
        """Describe the cells in which the image can show the scene."""
        seen = self._resize(image, zoom)[None]
        descriptors, matchability = (output[0] for output in self._network.describe(seen))
        centres = map_pixels(self._zooming(1.0 / zoom), self._centres)
        columns, rows = self._camera.width // self._network.stride, self._camera.height // self._network.stride
        # A cell whose middle is on the image's edge shows it: rounding must not decide.
        cell = (centres - self._network.cell_offset) / self._network.stride + _ROUNDING
        column, row = np.rint(cell).astype(int).T
        shown = (column >= 0) & (column < columns) & (row >= 0) & (row < rows)
        if self._valid is not None:
            shown[shown] = self._valid[row[shown] * columns + column[shown]]
        return _Cells(descriptors[shown], matchability[shown], centres[shown], zoom)

    def _zooming(self, zoom: float) -> Array:
        """Homography (3, 3) that enlarges about the middle of the image."""
        middle = (self._camera.width - 1) / 2, (self._camera.height - 1) / 2
        enlarging = np.diag([zoom, zoom, 1.0])
        enlarging[:2, 2] = (1.0 - zoom) * np.array(middle)
        return enlarging

    def _valid_cells(self, reference: ImagePyramid) -> np.ndarray | None:
        valid = reference.valid.at(self._camera.size)
        if valid is None:
            return None
        stride = self._network.stride
        cells = self._camera.width // stride, self._camera.height // stride
        share = cv2.resize(valid.astype(np.float32), cells, interpolation=cv2.INTER_AREA)
        return np.asarray(share.ravel() > _VALID_SHARE)

    def _resize(self, image: ImagePyramid, zoom: float = 1.0) -> np.ndarray:
        """Image (h, w) float32 as the network sees it: its middle alone, enlarged, or all of it, on plain grey."""
        grey, (width, height) = image.finest_grey, self._camera.size
        across, down = ((1.0 - 1.0 / max(zoom, 1.0)) / 2 * size for size in grey.shape[::-1])
        middle = grey[round(down) : grey.shape[0] - round(down), round(across) : grey.shape[1] - round(across)]
        inner = round(min(zoom, 1.0) * width), round(min(zoom, 1.0) * height)
        resized = cv2.resize(middle, inner, interpolation=cv2.INTER_AREA).astype(np.float32)
        if zoom >= 1.0:
            return resized
        left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
        borders = top, height - inner[1] - top, left, width - inner[0] - left
        return cv2.copyMakeBorder(resized, *borders, cv2.BORDER_CONSTANT, value=float(resized.mean()))

    def _described(self) -> dict[int, _View]:
        """Describe those of COPIES that show the reference at all, of one scale together."""
        return {
            index: view
            for scale in sorted({scale for scale, _ in COPIES}, reverse=True)
            for index, view in self._described_at(scale)
            if len(view.descriptors)
        }

    def _described_at(self, scale: float) -> Iterator[tuple[int, _View]]:
        """Describe the copies of one scale, on canvases just large enough, with their indices."""
        stride = self._network.stride
        side = int(np.ceil(max(self._camera.size) * scale / stride)) * stride
        source = self._reference if scale > 0.9 else cv2.GaussianBlur(self._reference, (0, 0), 0.36 / scale)
        centre = np.array([(self._camera.width - 1) / 2, (self._camera.height - 1) / 2])
        indices = [index for index, copy in enumerate(COPIES) if copy[0] == scale]
        drawn = []
        for index in indices:
            turn = COPIES[index][1]
            aspect = self._camera.fx / self._camera.fy
            linear = scale * np.array(
                [[np.cos(turn), -np.sin(turn) * aspect], [np.sin(turn) / aspect, np.cos(turn)]]
            )
            view_from_reference = np.eye(3)
            view_from_reference[:2, :2] = linear
            view_from_reference[:2, 2] = (side - 1) / 2 - linear @ centre
            drawn.append(self._draw(source, view_from_reference, (side, side)))
        descriptors, matchability = self._network.describe(np.stack([image for image, _, _ in drawn]))
        for k, index in enumerate(indices):
            _, valid, transform = drawn[k]
            yield index, self._view(descriptors[k], matchability[k], valid, transform, (side, side))

    def _draw(
        self, source: np.ndarray, view_from_reference: Array, size: tuple[int, int]
    ) -> tuple[np.ndarray, np.ndarray, Array]:
        image = cv2.warpPerspective(source, view_from_reference, size, borderValue=float(source.mean()))
        whole = np.ones_like(source)
        if self._valid is not None:
            stride = self._network.stride
            by_cell = self._valid.reshape(source.shape[0] // stride, source.shape[1] // stride)
            whole = np.kron(by_cell, np.ones((stride, stride))).astype(np.float32)
        covered = cv2.warpPerspective(whole, view_from_reference, size)
        cells = (size[0] // self._network.stride, size[1] // self._network.stride)
        valid = cv2.resize(covered, cells, interpolation=cv2.INTER_AREA).ravel() > 0.5
        return image, valid, np.asarray(np.linalg.inv(view_from_reference))

    def _view(
        self,
        descriptors: np.ndarray,
        matchability: np.ndarray,
        valid: np.ndarray,
        reference_from_view: Array,
        size: tuple[int, int],
    ) -> _View:
        columns, rows = size[0] // self._network.stride, size[1] // self._network.stride
        cells = np.flatnonzero(valid)
        inner = np.full(rows * columns, len(cells))
        inner[cells] = np.arange(len(cells))
        number = np.pad(inner.reshape(rows, columns), 1, constant_values=len(cells))
        row, column = np.divmod(cells, columns)
        offsets = np.arange(3)
        neighbours = number[row[:, None, None] + offsets[:, None], column[:, None, None] + offsets]
        return _View(
            descriptors[cells],
            matchability[cells],
            self._network.cell_centres(size[1], size[0])[cells],
            neighbours.reshape(-1, 9),
            reference_from_view,
        )

    def _dual_softmax(self, similarity: np.ndarray, matchability: np.ndarray, view: _View) -> np.ndarray:
        """Match probabilities (cells, V): product of both directions' softmax, each with a dustbin."""
        largest = similarity.max()
        exponential = np.exp(similarity - largest)
        no_match, no_view_match = (
            np.exp(np.minimum(self._network.dustbin - logit - largest, _LARGEST_EXPONENT))
            for logit in (matchability, view.matchability)
        )
        by_cell = exponential / (exponential.sum(axis=1) + no_match + _TINY)[:, None]
        exponential /= exponential.sum(axis=0) + no_view_match + _TINY
        by_cell *= exponential
        return np.asarray(by_cell)

    def _solve(
        self,
        view: _View,
        seen: _Cells,
        probability: np.ndarray,
        plane: ScenePlane,
        start: PlanePose | None = None,
        other_than: PlanePose | None = None,
    ) -> PlanePose | None:
        """Pose of the matches, of those that do not agree with `other_than` if it is given."""
        desired, weights = self._matched(probability, view)
        good = (weights > _MIN_PROBABILITY) & np.isfinite(desired).all(axis=1)
        if other_than is not None:
            known = plane.at(other_than.slope).homography(other_than.current_T_desired, self._camera)
            good &= self._is_other(desired, seen, known)
        return solve_plane_pose(
            desired[good],
            seen.centres[good],
            weights[good],
            self._camera,
            plane,
            inlier_pixels=_INLIER_CELLS * self._network.stride / seen.zoom,
            start=start,
        )

    def _matched(self, probability: np.ndarray, view: _View) -> tuple[Array, Array]:
        """Pixels (N, 2) of the reference that an image's cells match best, and the probabilities (N,)."""
        points, weights = _soft_matches(probability, view, self._network.stride)
        return map_pixels(view.reference_from_view, points), weights

    def _is_other(self, desired: Array, seen: _Cells, homography: Array) -> np.ndarray:
        """Which cells (N,) lie elsewhere than a homography from the reference takes what they match."""
        return misses(homography, desired, seen.centres) > _OTHER_CELLS * self._network.stride / seen.zoom

    def _rematch(self, seen: _Cells, pose: PlanePose, plane: ScenePlane) -> PlanePose:
        """Match once more against the reference as the pose says it looks now; keep the better supported."""
        homography = plane.at(pose.slope).homography(pose.current_T_desired, self._camera)
        image, valid, back = self._draw(self._reference, self._zooming(seen.zoom) @ homography, self._camera.size)
        if valid.sum() < _MIN_VIEW_CELLS:
            return pose
        outputs = self._network.describe(image[None])
        view = self._view(outputs[0][0], outputs[1][0], valid, back, self._camera.size)
        similarity = (self._network.temperature * seen.descriptors) @ view.descriptors.T
        probability = self._dual_softmax(similarity, seen.matchability, view)
        better = self._solve(view, seen, probability, plane, start=pose)
        return pose if better is None or better.support < 0.7 * pose.support else better


def _soft_matches(probability: np.ndarray, view: _View, stride: int) -> tuple[Array, Array]:
    """Best view pixel (N, 2) of each cell, refined over its 3x3 neighbours, and its probability (N,)."""
    cells = np.arange(len(probability))
    best = probability.argmax(axis=1)
    weights = probability[cells, best].astype(np.float64)
    neighbours = view.neighbours[best]
    missing = neighbours == probability.shape[1]
    window = np.sqrt(probability[cells[:, None], np.where(missing, 0, neighbours)])
    window[missing] = 0.0
    window = window.reshape(-1, 3, 3)
    total = window.sum(axis=(1, 2)) + 1e-12
    shift_x = (window.sum(axis=1) @ (-1.0, 0.0, 1.0)) / total
    shift_y = (window.sum(axis=2) @ (-1.0, 0.0, 1.0)) / total
    return view.centres[best] + stride * np.stack([shift_x, shift_y], axis=1), weights
