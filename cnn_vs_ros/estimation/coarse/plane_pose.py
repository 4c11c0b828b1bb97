"""Pose of the camera, and slope of the plane, from point correspondences on a plane."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.errors import PoseError
from cnn_vs_ros.estimation.plane import STEEPEST, ScenePlane, held
from cnn_vs_ros.geometry import PinholeCamera, decompose_homography, map_pixels, pose_from_homography, se3

Array = NDArray[np.float64]

_MIN_POINTS = 8
_HEAVIEST, _DRAWS = 150, 1000  # correspondences of the robust homography, and draws of four of them
_ITERATIONS = 12
_ANNEALED = 6  # iterations over which the robust scale shrinks to its final value
_WILD = 40.0  # depths or radians of a step that leads nowhere
_SETTLED = 3e-4  # share of the depth, radians or slope: a twentieth of a pixel, which no match is good for
_MOST_SLOPE_STEP = 0.3
# Half of the inlier distance is one standard deviation of a correspondence. Few matches say little of the slope,
# many do: the prior must not hold them back.
_DEVIATION = 0.5
_CORRELATED = 0.5
_NEAREST = 0.02  # depths of the scene; the plane must stay that far in front of the current camera


@dataclass(frozen=True)
class PlanePose:
    """``current_T_desired`` (4, 4), the plane's `slope` (2,) and the summed weight of what agrees with both."""

    current_T_desired: Array
    slope: Array
    support: float


def solve_plane_pose(
    desired: Array,
    current: Array,
    weights: Array,
    camera: PinholeCamera,
    plane: ScenePlane,
    *,
    inlier_pixels: float,
    start: PlanePose | None = None,
) -> PlanePose | None:
    """Pose from pixels `desired` (N, 2) and `current` (N, 2) of points of the plane, with `weights` (N,).

    From `start` or, without one, from a robust homography of the heavier correspondences; then robust Gauss-Newton
    on the reprojection error, over the pose and the slope, which is drawn to the belief in `plane`. None when no
    pose is supported.
    """
    if len(desired) < _MIN_POINTS:
        return None
    if start is None:
        heaviest = np.argsort(-weights)[:_HEAVIEST]
        homography, _ = cv2.findHomography(
            desired[heaviest].astype(np.float32),
            current[heaviest].astype(np.float32),
            cv2.USAC_MAGSAC,
            2.0 * inlier_pixels,
            maxIters=_DRAWS,
            confidence=0.999,
        )
        start = None if homography is None else plane_pose_of(homography, camera, plane, inlier_pixels)
        if start is None:
            return None
    return _gauss_newton(desired, current, weights, camera, plane, inlier_pixels, start)


def plane_pose_of(
    homography: Array, camera: PinholeCamera, plane: ScenePlane, inlier_pixels: float
) -> PlanePose | None:
    """Pose and slope of a homography (3, 3) from desired to current pixels; None where it is no view of a plane.

    A homography of matches is uncertain, and that of small motions says nothing of the slope: where a pose over
    the believed plane explains it to a few `inlier_pixels`, that is taken. Else it is decomposed, and of the two
    planes that it leaves open the one nearer to the belief is.
    """
    try:
        pose = pose_from_homography(homography, camera, plane.depth, plane.normal)
        if _distance(plane.homography(pose, camera), homography, camera) < 2.0 * inlier_pixels:
            return PlanePose(pose, plane.slope, 0.0)
        decompositions = decompose_homography(homography, camera, plane.depth)
    except (PoseError, np.linalg.LinAlgError, cv2.error):
        return None
    best, least = PlanePose(pose, plane.slope, 0.0), np.inf
    for candidate, normal in decompositions:
        away = normal[:2] - plane.slope
        surprise = float(away @ plane.information @ away)
        if surprise < least and np.linalg.norm(normal[:2]) < STEEPEST:
            best, least = PlanePose(candidate, normal[:2], 0.0), surprise
    return best


def _distance(first: Array, second: Array, camera: PinholeCamera) -> float:
    """Pixels, in the median, between where two homographies take a grid of pixels."""
    across, down = np.meshgrid(np.linspace(0.1, 0.9, 4) * camera.width, np.linspace(0.1, 0.9, 4) * camera.height)
    pixels = np.column_stack([across.ravel(), down.ravel()])
    return float(np.median(misses(first, pixels, map_pixels(second, pixels))))


def misses(homography: Array, desired: Array, current: Array) -> Array:
    """Pixels (N,) by which a homography misses `current` (N, 2) from `desired` (N, 2); infinite at infinity."""
    with np.errstate(invalid='ignore'):
        apart = np.linalg.norm(map_pixels(homography, desired) - current, axis=1)
    return np.asarray(np.nan_to_num(apart, nan=np.inf))


def _gauss_newton(
    desired: Array,
    current: Array,
    weights: Array,
    camera: PinholeCamera,
    plane: ScenePlane,
    inlier_pixels: float,
    start: PlanePose,
) -> PlanePose | None:
    rays = camera.rays(desired).T
    current = current.T
    pose, slope, support = start.current_T_desired, start.slope, 0.0
    deviation = _CORRELATED * (_DEVIATION * inlier_pixels) ** 2
    for iteration in range(_ITERATIONS):
        scale = inlier_pixels * (1.0 + 3.0 * max(0.0, 1.0 - iteration / _ANNEALED))
        residual, jacobian = _reprojection(rays, current, camera, pose, slope, plane.depth)
        squared = residual[0] ** 2 + residual[1] ** 2
        robust = weights / np.square(1.0 + squared / scale**2)
        weighted = (jacobian * robust).reshape(8, -1)
        information = weighted @ jacobian.reshape(8, -1).T
        gradient = weighted @ residual.ravel()
        prior = deviation * plane.drawn_to(slope)
        information[6:, 6:] += prior
        gradient[6:] += prior @ (slope - plane.slope)
        information.flat[::9] = 1.000001 * information.flat[::9] + 1e-9  # the diagonal
        try:
            step = -np.linalg.solve(information, gradient)
        except np.linalg.LinAlgError:
            return None
        if (
            not np.isfinite(step).all()
            or max(np.abs(step[:3]).max() / plane.depth, np.abs(step[3:6]).max()) > _WILD
        ):
            return None
        pose = se3.exp(step[:6]) @ pose
        slope = held(slope + np.clip(step[6:], -_MOST_SLOPE_STEP, _MOST_SLOPE_STEP))
        support = float(weights[squared < (2 * scale) ** 2].sum())
        if iteration >= _ANNEALED and max(np.abs(step[:3]).max() / plane.depth, np.abs(step[3:]).max()) < _SETTLED:
            break
    # The plane must stay in front of the current camera.
    if (pose[:3, :3] @ (0, 0, plane.depth) + pose[:3, 3])[2] < _NEAREST * plane.depth:
        return None
    return PlanePose(pose, slope, support)


def _reprojection(
    rays: Array, current: Array, camera: PinholeCamera, pose: Array, slope: Array, depth: float
) -> tuple[Array, Array]:
    """Residuals (2, N) in pixels and Jacobians (8, 2, N) for a left perturbation of the pose, and the slope.

    `rays` (3, N) of the desired camera, `current` (2, N) in pixels.
    """
    rotation, translation = pose[:3, :3], pose[:3, 3:]
    rho = np.maximum((np.array([*slope, 1.0]) @ rays) / depth, 1e-3 / depth)
    moved = rotation @ rays + rho * translation
    z = np.maximum(moved[2], 1e-3)
    shown = moved[:2] / z
    x, y = shown
    focal = np.array([[camera.fx], [camera.fy]])
    residual = shown * focal + np.array([[camera.cx], [camera.cy]]) - current
    jacobian = np.zeros((8, *residual.shape))
    jacobian[0, 0] = jacobian[1, 1] = rho / z
    jacobian[2] = -shown * jacobian[0, 0]
    jacobian[3], jacobian[4] = -y * shown, x * shown
    jacobian[3, 1] -= 1.0
    jacobian[4, 0] += 1.0
    jacobian[5, 0], jacobian[5, 1] = -y, x
    jacobian[6:] = (translation[:2] - shown * translation[2]) / (z * depth) * rays[:2, None]
    jacobian *= focal
    return residual, jacobian
