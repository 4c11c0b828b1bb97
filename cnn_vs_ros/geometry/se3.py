"""Rigid motions: rotations, poses and twists.

A pose ``a_T_b`` is a (4, 4) homogeneous matrix that maps coordinates in frame b to frame a.
Six-vectors are translation first: a pose vector is ``[t; theta u]``, a twist ``[v; omega]``.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from transforms3d import quaternions

from cnn_vs_ros.errors import PoseError

Array = NDArray[np.float64]

_SMALL_ANGLE = 1e-4


def as_vector(value: ArrayLike, size: int, name: str) -> Array:
    """Return `value` as a finite float vector of `size` entries, or raise PoseError."""
    vector = np.asarray(value, dtype=np.float64)
    if vector.shape != (size,):
        raise PoseError(f'{name} should be a vector of shape ({size},) but got shape {vector.shape}')
    if not np.isfinite(vector).all():
        raise PoseError(f'{name} should be finite but got {vector.tolist()}')
    return vector


def as_transform(value: ArrayLike, name: str = 'transform') -> Array:
    """Return `value` as a (4, 4) rigid transform, or raise PoseError."""
    matrix = np.asarray(value, dtype=np.float64)
    if matrix.shape != (4, 4):
        raise PoseError(f'{name} should have shape (4, 4) but got shape {matrix.shape}')
    if not np.isfinite(matrix).all():
        raise PoseError(f'{name} should be finite but holds NaN or infinity')
    rotation = matrix[:3, :3]
    orthogonal = np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-6) and np.linalg.det(rotation) > 0
    if not orthogonal or not np.allclose(matrix[3], (0, 0, 0, 1)):
        raise PoseError(f'{name} should be a rotation and a translation but its matrix is not rigid')
    return matrix


def skew(vector: ArrayLike) -> Array:
    """Cross-product matrix: ``skew(a) @ b == cross(a, b)``. Shape (3,) to (3, 3)."""
    x, y, z = np.asarray(vector, dtype=np.float64)
    return np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])


def rotation_exp(theta_u: ArrayLike) -> Array:
    """Rotation matrix (3, 3) of the axis-angle vector theta u (3,), in radians (Rodrigues)."""
    return cv2.Rodrigues(as_vector(theta_u, 3, 'theta_u'))[0]


def rotation_log(rotation: ArrayLike) -> Array:
    """Axis-angle vector theta u (3,) of a rotation (3, 3), with theta in [0, pi] radians."""
    matrix = np.asarray(rotation, dtype=np.float64)
    # sin(theta) u; OpenCV's conversion rounds angles under 1e-5 to zero, so it serves only near half a turn.
    sine = 0.5 * np.array([matrix[2, 1] - matrix[1, 2], matrix[0, 2] - matrix[2, 0], matrix[1, 0] - matrix[0, 1]])
    length = float(np.linalg.norm(sine))
    cosine = 0.5 * (float(np.trace(matrix)) - 1.0)
    if cosine < 0.0 and length < 1e-3:
        return cv2.Rodrigues(matrix)[0].ravel()
    return sine if length < 1e-12 else sine * (np.arctan2(length, cosine) / length)


def transform(rotation: ArrayLike, translation: ArrayLike) -> Array:
    """Pose (4, 4) of a rotation (3, 3) and a translation (3,) in metres."""
    pose = np.eye(4)
    pose[:3, :3] = rotation
    pose[:3, 3] = translation
    return pose


def inverse(pose: Array) -> Array:
    """``b_T_a`` from ``a_T_b``, both (4, 4)."""
    rotation = pose[:3, :3]
    return transform(rotation.T, -rotation.T @ pose[:3, 3])


def nearest_rotation(matrix: Array) -> Array:
    """Rotation (3, 3) nearest to a matrix (3, 3), in the least-squares sense."""
    u, _, vt = np.linalg.svd(matrix)
    return np.asarray(u @ np.diag([1.0, 1.0, np.linalg.det(u @ vt)]) @ vt)


def normalised(pose: Array) -> Array:
    """Nearest rigid pose (4, 4) to a product of many, whose rounding errors grow from product to product."""
    return transform(nearest_rotation(pose[:3, :3]), pose[:3, 3])


def pose_vector(pose: Array) -> Array:
    """``[t; theta u]`` (6,) of a pose (4, 4), as in equation 4 of the paper."""
    return np.concatenate([pose[:3, 3], rotation_log(pose[:3, :3])])


def from_pose_vector(vector: ArrayLike) -> Array:
    """Pose (4, 4) of ``[t; theta u]`` (6,)."""
    vector = as_vector(vector, 6, 'pose vector')
    return transform(rotation_exp(vector[3:]), vector[:3])


def _left_jacobian(theta_u: Array) -> Array:
    theta = float(np.linalg.norm(theta_u))
    cross = skew(theta_u)
    if theta < _SMALL_ANGLE:
        return np.eye(3) + 0.5 * cross + cross @ cross / 6.0
    return (
        np.eye(3) + (1.0 - np.cos(theta)) / theta**2 * cross + (theta - np.sin(theta)) / theta**3 * cross @ cross
    )


def exp(xi: ArrayLike) -> Array:
    """Exponential of se(3): the pose (4, 4) reached by following the twist `xi` (6,) for unit time."""
    xi = as_vector(xi, 6, 'xi')
    return transform(rotation_exp(xi[3:]), _left_jacobian(xi[3:]) @ xi[:3])


def log(pose: Array) -> Array:
    """Logarithm of SE(3): the twist (6,) whose exponential is `pose` (4, 4)."""
    theta_u = rotation_log(pose[:3, :3])
    return np.concatenate([np.linalg.solve(_left_jacobian(theta_u), pose[:3, 3]), theta_u])


def adjoint(a_T_b: Array) -> Array:
    """Adjoint (6, 6) of ``a_T_b``: takes a twist expressed in b to the same motion's twist in a."""
    rotation = a_T_b[:3, :3]
    result = np.zeros((6, 6))
    result[:3, :3] = rotation
    result[:3, 3:] = skew(a_T_b[:3, 3]) @ rotation
    result[3:, 3:] = rotation
    return result


def pose_error(pose: Array) -> tuple[float, float]:
    """Size of a pose (4, 4): its translation in metres and its rotation angle in radians."""
    return float(np.linalg.norm(pose[:3, 3])), float(np.linalg.norm(rotation_log(pose[:3, :3])))


def quaternion_xyzw(rotation: Array) -> Array:
    """Unit quaternion (4,) in ROS order (x, y, z, w), w >= 0, of a rotation (3, 3)."""
    w, x, y, z = quaternions.mat2quat(rotation)
    return np.array((x, y, z, w))


def rotation_from_quaternion_xyzw(quaternion: ArrayLike) -> Array:
    """Rotation (3, 3) of a quaternion (4,) in ROS order (x, y, z, w), normalised here."""
    x, y, z, w = q = as_vector(quaternion, 4, 'quaternion')
    if float(np.linalg.norm(q)) < 1e-6:
        raise PoseError(f'quaternion should have unit length but got {q.tolist()}')
    return np.asarray(quaternions.quat2mat((w, x, y, z)))
