"""Pose of the camera from point correspondences on a plane."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.errors import PoseError
from cnn_vs_ros.geometry import PinholeCamera, pose_from_homography, se3

Array = NDArray[np.float64]

_MIN_POINTS = 8
_ITERATIONS = 12
_ANNEALED = 6  # iterations over which the robust scale shrinks to its final value


@dataclass(frozen=True)
class PlanePose:
    """``current_T_desired`` (4, 4) and the summed weight of the correspondences that agree with it."""

    current_T_desired: Array
    support: float


def solve_plane_pose(
    desired: Array,
    current: Array,
    weights: Array,
    camera: PinholeCamera,
    depth: float,
    *,
    inlier_pixels: float,
    start: Array | None = None,
) -> PlanePose | None:
    """Pose from pixels `desired` (N, 2) and `current` (N, 2) of points of the plane, with `weights` (N,).

    From `start` (a ``current_T_desired``) or, without one, from a RANSAC homography on the heavier
    correspondences; then robust Gauss-Newton on the reprojection error. None when no pose is supported.
    """
    if len(desired) < _MIN_POINTS:
        return None
    if start is None:
        heaviest = np.argsort(-weights)[:150]
        cv2.setRNGSeed(0)
        homography, _ = cv2.findHomography(
            desired[heaviest].astype(np.float32),
            current[heaviest].astype(np.float32),
            cv2.RANSAC,
            2.0 * inlier_pixels,
            maxIters=600,
            confidence=0.999,
        )
        if homography is None:
            return None
        try:
            start = pose_from_homography(homography, camera, depth)
        except (PoseError, np.linalg.LinAlgError):
            return None
    return _gauss_newton(desired, current, weights, camera, depth, inlier_pixels, start)


def _gauss_newton(
    desired: Array,
    current: Array,
    weights: Array,
    camera: PinholeCamera,
    depth: float,
    inlier_pixels: float,
    pose: Array,
) -> PlanePose | None:
    points = camera.rays(desired) * depth
    support = 0.0
    for iteration in range(_ITERATIONS):
        scale = inlier_pixels * (1.0 + 3.0 * max(0.0, 1.0 - iteration / _ANNEALED))
        residual, jacobian = _reprojection(points, current, camera, pose)
        squared = (residual**2).sum(axis=1)
        robust = weights / np.square(1.0 + squared / scale**2)
        weighted = jacobian * robust[:, None, None]
        information = np.einsum('nij,nik->jk', weighted, jacobian)
        gradient = np.einsum('nij,ni->j', weighted, residual)
        damping = 1e-6 * np.diag(np.diag(information)) + 1e-9 * np.eye(6)
        try:
            step = -np.linalg.solve(information + damping, gradient)
        except np.linalg.LinAlgError:
            return None
        if not np.isfinite(step).all() or np.abs(step).max() > 10:
            return None
        pose = se3.exp(step) @ pose
        support = float(weights[squared < (2 * scale) ** 2].sum())
    # The plane must stay in front of the current camera.
    if (pose[:3, :3] @ (0, 0, depth) + pose[:3, 3])[2] < 0.02 * depth:
        return None
    return PlanePose(pose, support)


def _reprojection(points: Array, current: Array, camera: PinholeCamera, pose: Array) -> tuple[Array, Array]:
    """Residuals (N, 2) in pixels and their Jacobians (N, 2, 6) for a left perturbation of the pose."""
    moved = points @ pose[:3, :3].T + pose[:3, 3]
    z = np.maximum(moved[:, 2], 1e-3)
    x, y = moved[:, 0] / z, moved[:, 1] / z
    residual = np.stack([x * camera.fx + camera.cx, y * camera.fy + camera.cy], axis=1) - current
    zero = np.zeros_like(x)
    jacobian = np.stack(
        [
            np.stack([1 / z, zero, -x / z, -x * y, 1 + x * x, -y], axis=1) * camera.fx,
            np.stack([zero, 1 / z, -y / z, -1 - y * y, x * y, x], axis=1) * camera.fy,
        ],
        axis=1,
    )
    return residual, jacobian
