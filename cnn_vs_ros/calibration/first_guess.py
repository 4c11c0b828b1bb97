"""A first guess of the mount from relative poses alone; nothing of it has to be known before.

Motions of the flange A and of the camera C between two images obey ``A X = X C`` with the mount X (Y. C. Shiu and
S. Ahmad, Calibration of wrist-mounted robotic sensors, 1989): the rotation vectors of A are those of C turned by
X, and with the rotation known, lever arm and scale of the camera's translations are linear.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.calibration.recording import ArmTrack, Recording
from cnn_vs_ros.calibration.tracks import Tracks
from cnn_vs_ros.errors import HandEyeError, PoseError
from cnn_vs_ros.estimation import Reference
from cnn_vs_ros.geometry import PinholeCamera, pose_from_homography, se3

Array = NDArray[np.float64]

LEAST_TURN = np.radians(2.0)
"""Radians, root mean square, by which the camera has to turn about its second axis of turning."""

LONGEST_DELAY = 0.3
"""Seconds by which stamps are looked for to be early or late."""

_DELAYS = np.arange(-LONGEST_DELAY, LONGEST_DELAY + 1e-9, 0.02)
_HALF_TURN = 2.8
"""Radians; a rotation vector near half a turn may as well point the other way."""
_ROUNDS = 10
_LEAST_PLACES = 3
_LEAST_POINTS = 8
_BENDS = (-0.3, -0.25, -0.2, -0.15, -0.1, -0.05, 0.05, 0.1, 0.15, 0.2)
"""Values of k1 that are tried where the turns do not fit."""

_DOUBTFUL_FIT = 0.2
"""Part of the turns that remains from which on the lens is suspected."""

_WORST_FIT = 0.6
"""Part of the turns that may remain: a lens without its distortion takes turns for shifts."""


@dataclass(frozen=True)
class Guess:
    """Mount ``flange_T_camera`` (4, 4), ``base_T_reference`` (4, 4), true over assumed depth, and a delay, s."""

    mount: Array
    base_T_reference: Array
    scale: float
    delay: float


def guess_of_tracks(recording: Recording, tracks: Tracks) -> Guess:
    """Guess from the tracks of a recording, also where the lens bends and its calibration does not know.

    Small turns and shifts differ in an image as little as such a lens bends it; that with which the camera turns
    as the flange does is the right one. Raises HandEyeError as `first_guess`.
    """
    arm, stamps, still = recording.arm, recording.stamps[tracks.image], recording.still
    if len(tracks.poses) < _LEAST_PLACES:
        return first_guess(arm, stamps, tracks.poses, still=still)
    middle, _, fits = _fits(arm, stamps, tracks.poses, still)
    delay, *_, fit = min(fits, key=lambda item: item[3])
    if fit < _DOUBTFUL_FIT:
        return first_guess(arm, stamps, tracks.poses, still=still)
    candidates = [tracks.poses]
    remains = [fit]
    for bend in _BENDS:
        poses = straightened(tracks, recording.reference, bend)
        candidates.append(poses)
        remains.append(_rotation_fit(arm, stamps, _turns(poses, middle), middle, delay)[3])
    return first_guess(arm, stamps, candidates[int(np.argmin(remains))], still=still)


def straightened(tracks: Tracks, reference: Reference, bend: float) -> Array:
    """Poses ``reference_T_camera`` (n, 4, 4) by the points of each image, were the lens one with k1 = `bend`."""
    camera, normal = reference.camera, (*tracks.slope, 1.0)
    points, pixels = (_unbent(places, camera, bend) for places in (tracks.points, tracks.pixels))
    poses = tracks.poses.copy()
    for index, seen in enumerate(tracks.seen):
        if seen.sum() < _LEAST_POINTS:
            continue
        homography, _ = cv2.findHomography(points[seen], pixels[index, seen], cv2.LMEDS)
        if homography is not None:
            with contextlib.suppress(PoseError):
                current = pose_from_homography(homography, camera, reference.depth, normal)
                poses[index] = se3.inverse(current)
    return poses


def _unbent(pixels: Array, camera: PinholeCamera, bend: float) -> Array:
    """Pixels (..., 2) as a lens without k1 would show them."""
    focal, centre = np.array([camera.fx, camera.fy]), np.array([camera.cx, camera.cy])
    bent = (pixels - centre) / focal
    places = bent
    for _ in range(5):
        places = bent / (1.0 + bend * (places**2).sum(axis=-1, keepdims=True))
    return places * focal + centre


def first_guess(arm: ArmTrack, stamps: Array, poses: Array, *, still: bool) -> Guess:
    """Guess from estimates ``reference_T_camera`` (n, 4, 4) of images stamped `stamps` (n,).

    Raises HandEyeError where the camera turned too little or about one axis only, or where image and arm have
    nothing to do with one another.
    """
    if len(poses) < _LEAST_PLACES:
        raise HandEyeError(f'the camera should be seen in {_LEAST_PLACES} places or more but is in {len(poses)}')
    middle, turned, fits = _fits(arm, stamps, poses, still)
    second = float(np.linalg.svd(turned, compute_uv=False)[1]) / np.sqrt(len(turned))
    delay, rotation, weights, fit = min(fits, key=lambda item: item[3])
    flange_turn = float(np.sqrt((_turns(arm.at(stamps + delay), middle) ** 2).sum(axis=1).mean()))
    camera_turn = float(np.sqrt((turned**2).sum(axis=1).mean()))
    if min(flange_turn, camera_turn) < LEAST_TURN or (second < 0.5 * LEAST_TURN and flange_turn < 2 * LEAST_TURN):
        if camera_turn < 0.3 * flange_turn:
            raise HandEyeError(
                f'the camera should turn with the flange but turned by {np.degrees(camera_turn):.1f} degrees '
                f'while the flange turned by {np.degrees(flange_turn):.1f}: is the camera on this arm?'
            )
        if flange_turn < 0.3 * camera_turn:
            raise HandEyeError(
                f'the flange should turn with the camera but turned by {np.degrees(flange_turn):.1f} degrees '
                f'while the camera turned by {np.degrees(camera_turn):.1f}: are these joint states of this arm?'
            )
    if second < 0.5 * LEAST_TURN:
        raise HandEyeError(
            f'the camera should turn by {np.degrees(LEAST_TURN):.0f} degrees about two axes or more '
            f'but turned by {np.degrees(second):.1f} about the second: move more'
        )
    if fit > _WORST_FIT:
        raise HandEyeError(
            f'the turns of the camera should be those of the flange but differ by {fit:.0%}: '
            'is the camera on this arm, and are these its joint states?'
        )
    flanges = arm.at(stamps + delay)
    lever, scale = _lever(flanges, poses, rotation, middle, weights)
    mount = se3.transform(rotation, lever)
    return Guess(mount, _reference_pose(flanges, poses, mount, scale, weights), scale, delay)


def _fits(
    arm: ArmTrack, stamps: Array, poses: Array, still: bool
) -> tuple[int, Array, list[tuple[float, Array, Array, float]]]:
    """The middle one of poses (n, 4, 4), the turns (n, 3) from it, and how they fit with each delay."""
    middle = int(np.argmin([_spread(poses, index) for index in range(len(poses))]))
    turned = _turns(poses, middle)
    delays = (0.0,) if still else _DELAYS
    return middle, turned, [_rotation_fit(arm, stamps, turned, middle, delay) for delay in delays]


def _spread(poses: Array, index: int) -> float:
    return float(np.median(np.linalg.norm(_turns(poses, index), axis=1)))


def _turns(poses: Array, middle: int) -> Array:
    """Rotation vectors (n, 3) of the poses in the frame of one of them."""
    return np.array([se3.rotation_log(poses[middle, :3, :3].T @ pose[:3, :3]) for pose in poses])


def _rotation_fit(
    arm: ArmTrack, stamps: Array, camera: Array, middle: int, delay: float
) -> tuple[float, Array, Array, float]:
    """Delay, rotation (3, 3) from camera to flange, weights (n,) and what remains, as a part of the turns."""
    flange = _turns(arm.at(stamps + delay), middle)
    usable = (np.linalg.norm(flange, axis=1) < _HALF_TURN) & (np.linalg.norm(camera, axis=1) < _HALF_TURN)
    weights = usable.astype(np.float64)
    size = max(float(np.median(np.linalg.norm(flange, axis=1))), 1e-6)
    rotation = np.eye(3)
    for _ in range(_ROUNDS):
        rotation = se3.nearest_rotation((flange * weights[:, None]).T @ camera)
        left = np.linalg.norm(flange - camera @ rotation.T, axis=1)
        typical = max(1.5 * float(np.median(left[usable])), 1e-4) if usable.any() else 1.0
        weights = usable / (1.0 + (left / typical) ** 2)
    return float(delay), rotation, weights, float(np.median(left)) / size


def _lever(flanges: Array, poses: Array, rotation: Array, middle: int, weights: Array) -> tuple[Array, float]:
    """Lever arm (3,) in metres, and metres in a metre of the estimates."""
    rows, right, gains = [], [], np.array(weights)
    for flange, pose in zip(flanges, poses, strict=True):
        motion = se3.inverse(flanges[middle]) @ flange
        seen = se3.inverse(poses[middle]) @ pose
        rows.append(np.column_stack([motion[:3, :3] - np.eye(3), -rotation @ seen[:3, 3]]))
        right.append(-motion[:3, 3])
    matrix, values = np.array(rows), np.array(right)
    answer = np.zeros(4)
    for _ in range(_ROUNDS):
        scaled = np.sqrt(gains)[:, None, None] * matrix
        answer = np.linalg.lstsq(scaled.reshape(-1, 4), (np.sqrt(gains)[:, None] * values).ravel(), rcond=None)[0]
        left = np.linalg.norm(matrix @ answer - values, axis=1)
        gains = weights / (1.0 + (left / max(1.5 * float(np.median(left)), 1e-5)) ** 2)
    scale = float(answer[3])
    if not 1e-3 < scale < 1e3:
        raise HandEyeError(
            'the motions of the image should go the way of those of the arm but do not: '
            'is the camera on this arm, and does the scene lie still?'
        )
    return answer[:3], scale


def _reference_pose(flanges: Array, poses: Array, mount: Array, scale: float, weights: Array) -> Array:
    """``base_T_reference`` (4, 4), the mean of what each image says of it."""
    said = []
    for flange, pose in zip(flanges, poses, strict=True):
        seen = pose.copy()
        seen[:3, 3] *= scale
        said.append(flange @ mount @ se3.inverse(seen))
    best = said[int(np.argmax(weights))]
    steps = np.array([se3.pose_vector(se3.inverse(best) @ one) for one in said])
    return best @ se3.from_pose_vector((weights[:, None] * steps).sum(axis=0) / weights.sum())
