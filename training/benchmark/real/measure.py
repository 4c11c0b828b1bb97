"""One pair shown to one method, and how far off the answer is."""

from __future__ import annotations

import time
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.geometry import se3
from training.benchmark.real.answers import Answer, PairMethod
from training.benchmark.real.pairs import Pair, RealSet, Truth

Array = NDArray[np.float64]

WRONG_SHIFT = 0.01
"""Widths of the image from which an answer is wrong."""
WRONG_TURN = 5.0
"""Degrees from which it is wrong."""
SURE = (0.5, 0.9)
"""Confidences over which a wrong answer counts as sure."""

_GRID = (25, 19)
_FARTHEST = 1.0
"""Widths; what is further off, or mirrored behind the camera, counts as this."""


@dataclass(frozen=True)
class PairRecord:
    """What came of a pair. None where it is not known, or nothing was found.

    `shift`: mean distance between where the answer and the truth show the points of the reference that the image
    shows; `corner_shift`: of the reference's four corners, seen or not; both in widths of the image. `turn_deg`
    and `move_mm`: error of the pose. `visible`: share of the reference that the image shows; `angle_deg`: by how
    much the camera has turned. `cpu_ms`: of the processor, for this image.
    """

    method: str
    set: str
    group: str
    reference: str
    image: str
    found: bool
    confidence: float | None
    shift: float | None
    corner_shift: float | None
    turn_deg: float | None
    move_mm: float | None
    wrong: bool | None
    visible: float | None
    angle_deg: float | None
    cpu_ms: float
    homography: list[list[float]] | None


def measure(name: str, method: PairMethod, real: RealSet, pair: Pair) -> PairRecord:
    """Show the pair's image to a method that was told its reference."""
    image = real.load(pair.image)
    begun = time.process_time()
    answer = method.find(image)
    cpu_ms = 1e3 * (time.process_time() - begun)
    visible = shift = corner_shift = None
    size = pair.camera.size
    if pair.truth is not None:
        points = seen_points(pair.truth, size)
        region = seen_points(Truth(np.eye(3), pair.truth.region), size)
        visible = len(points) / max(len(region), 1)
        if answer is not None:
            shift = _shift(answer.homography, pair.truth.homography, points, size[0])
            corner_shift = _shift(answer.homography, pair.truth.homography, _corners(*size), size[0])
    move, turn = _pose_error(answer, pair.truth)
    return PairRecord(
        method=name,
        set=real.name,
        group=pair.group,
        reference=pair.reference,
        image=pair.image,
        found=answer is not None,
        confidence=None if answer is None else answer.confidence,
        shift=shift,
        corner_shift=corner_shift,
        turn_deg=turn,
        move_mm=move,
        wrong=None if shift is None else shift > WRONG_SHIFT or (turn is not None and turn > WRONG_TURN),
        visible=visible,
        angle_deg=_angle(pair.truth),
        cpu_ms=cpu_ms,
        homography=None if answer is None else np.asarray(answer.homography).tolist(),
    )


def seen_points(truth: Truth, size: tuple[int, int]) -> Array:
    """Points (N, 2) of a grid over the reference's region that the image shows, undistorted pixels."""
    width, height = size
    if truth.region is None:
        low, high = np.zeros(2), np.array([width - 1.0, height - 1.0])
    else:
        low, high = truth.region.min(axis=0), truth.region.max(axis=0)
    axes = [np.linspace(a, b, n) for a, b, n in zip(low, high, _GRID, strict=True)]
    points = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)
    if truth.region is not None:
        outline = np.asarray(truth.region, np.float32)
        inside = [cv2.pointPolygonTest(outline, (float(x), float(y)), False) >= 0 for x, y in points]
        points = points[inside]
    shown, ahead = _mapped(truth.homography, points)
    return points[ahead & (shown >= -0.5).all(axis=1) & (shown < np.array(size) - 0.5).all(axis=1)]


def _mapped(homography: Array, points: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Where points (N, 2) are shown, and whether the plane is ahead of the camera there.

    A plane that both cameras see from the front has a homography of positive determinant, at whatever scale it is.
    """
    facing = np.asarray(homography) * np.sign(np.linalg.det(homography))
    moved = np.column_stack([points, np.ones(len(points))]) @ facing.T
    ahead = moved[:, 2] > 1e-9
    return moved[:, :2] / np.where(ahead, moved[:, 2], 1.0)[:, None], ahead


def _shift(answer: Array, truth: Array, points: Array, width: int) -> float | None:
    if len(points) == 0:
        return None
    shown, ahead = _mapped(answer, points)
    expected, expected_ahead = _mapped(truth, points)
    distance = np.linalg.norm(shown - expected, axis=1) / width
    return float(np.where(ahead & expected_ahead, distance, _FARTHEST).clip(max=_FARTHEST).mean())


def _corners(width: int, height: int) -> Array:
    return np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], dtype=np.float64)


def _pose_error(answer: Answer | None, truth: Truth | None) -> tuple[float | None, float | None]:
    """Millimetres and degrees."""
    if answer is None or answer.desired_T_current is None or truth is None or truth.desired_T_current is None:
        return None, None
    move, turn = se3.pose_error(se3.inverse(truth.desired_T_current) @ answer.desired_T_current)
    return 1e3 * move, float(np.rad2deg(turn))


def _angle(truth: Truth | None) -> float | None:
    if truth is None or truth.desired_T_current is None:
        return None
    return float(np.rad2deg(se3.pose_error(truth.desired_T_current)[1]))
