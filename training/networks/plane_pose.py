"""The pose of a camera over a known plane, from where it sees the plane's points: least squares as a layer.

A pose is a rotation (B, 3, 3) and a translation (B, 3) of ``current_T_desired``, lengths in depths of the plane.
The plane is ``normal . x = 1`` in the desired camera. Everything is unrolled to what ONNX has.
"""

from __future__ import annotations

import torch
from torch import Tensor

NEAREST = 0.05
"""Depth that a point is taken to have at least, in depths of the plane."""
_DAMPING = 1e-6  # of the normal matrix's diagonal, where points are few

_GENERATORS = torch.tensor(
    [[0.0, 0, 0, 0, 0, -1, 0, 1, 0], [0, 0, 1, 0, 0, 0, -1, 0, 0], [0, -1, 0, 1, 0, 0, 0, 0, 0]]
)  # of the rotations about x, y, z

_LEVI_CIVITA = _GENERATORS.reshape(3, 3, 3)
_COFACTORS = 0.5 * torch.einsum('ikm,jln->klmnij', _LEVI_CIVITA, _LEVI_CIVITA).reshape(81, 9)

Pose = tuple[Tensor, Tensor]


def solve(matrix: Tensor, vector: Tensor) -> Tensor:
    """Solve positive definite systems (B, 6, 6), (B, 6), by blocks of three."""
    upper, across, lower = matrix[:, :3, :3], matrix[:, :3, 3:], matrix[:, 3:, 3:]
    first, second = vector[:, :3, None], vector[:, 3:, None]
    back = across.transpose(1, 2) @ inverse(upper)
    low = inverse(lower - back @ across) @ (second - back @ first)
    return torch.cat([inverse(upper) @ (first - across @ low), low], dim=1)[..., 0]


def inverse(matrix: Tensor) -> Tensor:
    """Return the inverses of (B, 3, 3), by cofactors."""
    flat = matrix.transpose(1, 2).reshape(-1, 9)
    cofactors = (flat[:, :, None] * flat[:, None, :]).reshape(-1, 81) @ _like(matrix, _COFACTORS)
    determinant = (matrix.reshape(-1, 9) * cofactors.reshape(-1, 3, 3).transpose(1, 2).reshape(-1, 9)).sum(
        dim=1
    ) / 3
    return (cofactors / determinant[:, None]).reshape(-1, 3, 3)


def rotation_exp(vector: Tensor) -> Tensor:
    """Return the rotations (B, 3, 3) of theta u (B, 3)."""
    angle = (vector.square().sum(dim=1) + 1e-12).sqrt()[:, None, None]
    cross = _cross_matrix(vector)
    half = torch.sin(0.5 * angle) / angle
    return _like(vector, torch.eye(3)) + torch.sin(angle) / angle * cross + 2 * half.square() * (cross @ cross)


def pose_vector(pose: Pose) -> Tensor:
    """Return [t; theta u] (B, 6) of ``desired_T_current``, the inverse; angles below 180 degrees."""
    rotation, translation = pose[0].transpose(1, 2), pose[1]
    trace = rotation[:, 0, 0] + rotation[:, 1, 1] + rotation[:, 2, 2]
    scalar = 0.5 * (1 + trace).clamp(min=1e-4).sqrt()
    axis = (rotation.reshape(-1, 9) @ _like(rotation, _GENERATORS.T)) / (4 * scalar[:, None])
    size = (axis.square().sum(dim=1) + 1e-12).sqrt()
    angle = 2 * torch.atan(size / scalar)
    return torch.cat([-(rotation @ translation[..., None])[..., 0], axis * (angle / size)[:, None]], dim=1)


def pose_of_vector(vector: Tensor) -> Pose:
    """Return the pose of [t; theta u] (B, 6) of ``desired_T_current``: the inverse of `pose_vector`."""
    rotation = rotation_exp(-vector[:, 3:])
    return rotation, -(rotation @ vector[:, :3, None])[..., 0]


def homography(pose: Pose, normal: Tensor) -> Tensor:
    """Return the maps (B, 3, 3) of rays of the desired camera to rays of the current one."""
    return pose[0] + pose[1][:, :, None] * normal


def transfer(matrix: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
    """Map points (B or 1, N, 2) on the image plane z = 1; return (B, N, 2) and their depth (B, N)."""
    mapped = points @ matrix[:, :, :2].transpose(1, 2) + matrix[:, None, :, 2]
    depth = mapped[..., 2]
    return mapped[..., :2] / depth.clamp(min=NEAREST)[..., None], depth


def similarity_pose(points: Tensor, seen: Tensor, weights: Tensor, scales: tuple[float, ...]) -> Pose:
    """Return the pose of a camera that faces the plane, whatever its roll.

    Args:
        points: (B or 1, N, 2) of the desired camera, on its image plane z = 1.
        seen: (B, N, 2) where the current camera sees them.
        weights: (B, N).
        scales: residuals that count for half, round by round (Cauchy).
    """
    robust = weights
    for scale in scales:
        total = robust.sum(dim=1)[:, None] + 1e-9
        share = (robust / total)[..., None]
        middle, seen_middle = (share * points).sum(dim=1), (share * seen).sum(dim=1)
        x, y = (points - middle[:, None]).unbind(dim=-1)
        u, v = (seen - seen_middle[:, None]).unbind(dim=-1)
        power = (share[..., 0] * (x * x + y * y)).sum(dim=1) + 1e-6
        cosine = (share[..., 0] * (x * u + y * v)).sum(dim=1) / power
        sine = (share[..., 0] * (x * v - y * u)).sum(dim=1) / power
        turned = torch.stack(
            [cosine[:, None] * x - sine[:, None] * y, sine[:, None] * x + cosine[:, None] * y], -1
        )
        squared = (turned + seen_middle[:, None] - seen).square().sum(dim=-1)
        robust = weights / (1 + squared / scale**2)
    size = (cosine.square() + sine.square() + 1e-12).sqrt()
    distance = 1 / size.clamp(0.2, 5.0)
    c, s, zero = cosine / size, sine / size, torch.zeros_like(size)
    rows = [torch.stack(row, dim=1) for row in ((c, -s, zero), (s, c, zero), (zero, zero, zero + 1))]
    rotation = torch.stack(rows, dim=1)
    ray = torch.cat([middle, torch.ones_like(middle[:, :1])], dim=1)
    place = distance[:, None] * torch.cat([seen_middle, torch.ones_like(seen_middle[:, :1])], dim=1)
    return rotation, place - (rotation @ ray[..., None])[..., 0]


def fit_pose(
    pose: Pose, points: Tensor, seen: Tensor, weights: Tensor, normal: Tensor, scales: tuple[Tensor | float, ...]
) -> Pose:
    """Refine `pose` by Gauss-Newton steps on the distances between points projected and seen.

    Arguments as of `similarity_pose`; a scale may be (B, N). One step is taken for each of `scales`.
    """
    rays = torch.cat([points, torch.ones_like(points[..., :1])], dim=-1)
    plane_points = rays / (rays @ normal)[..., None]
    for scale in scales:
        rotation, translation = pose
        placed = plane_points @ rotation.transpose(1, 2) + translation[:, None]
        depth = placed[..., 2].clamp(min=NEAREST)
        u, v = placed[..., 0] / depth, placed[..., 1] / depth
        left = seen - torch.stack([u, v], dim=-1)
        robust = weights * (placed[..., 2] > NEAREST) / (1 + left.square().sum(dim=-1) / scale**2)
        near, zero = 1 / depth, torch.zeros_like(u)
        across = torch.stack([near, zero, -u * near, -u * v, 1 + u * u, -v], dim=-1)
        down = torch.stack([zero, near, -v * near, -1 - v * v, u * v, u], dim=-1)
        jacobian = torch.cat([across, down], dim=1)
        weighted = jacobian * torch.cat([robust, robust], dim=1)[..., None]
        total = robust.sum(dim=1)[:, None, None] + 1e-9
        damping = _DAMPING * _like(points, torch.eye(6))
        normal_matrix = weighted.transpose(1, 2) @ jacobian / total + damping
        gradient = (weighted.transpose(1, 2) @ torch.cat(left.unbind(dim=-1), dim=1)[..., None] / total)[..., 0]
        step = solve(normal_matrix, gradient)
        step = step / (step.abs().amax(dim=1, keepdim=True) / 0.5).clamp(min=1.0)
        turn = rotation_exp(step[:, 3:])
        pose = turn @ rotation, (turn @ translation[..., None])[..., 0] + step[:, :3]
    return pose


def tilted(pose: Pose, points: Tensor, weights: Tensor, tilts: Tensor) -> Pose:
    """Return the poses (B T, ...) that see the middle of `points` where `pose` does, turned by `tilts` (T, 3)."""
    total = weights.sum(dim=1)[:, None] + 1e-9
    middle = ((weights / total)[..., None] * points).sum(dim=1)
    ray = torch.cat([middle, torch.ones_like(middle[:, :1])], dim=1)[..., None]
    place = pose[0] @ ray + pose[1][..., None]
    rotation = rotation_exp(tilts) @ pose[0][:, None]
    translation = (place[:, None] - rotation @ ray[:, None])[..., 0]
    return rotation.flatten(0, 1), translation.flatten(0, 1)


def support(pose: Pose, points: Tensor, seen: Tensor, weights: Tensor, normal: Tensor, scale: float) -> Tensor:
    """Return the weight (B,) of the points that `pose` explains; arguments as of `fit_pose`."""
    projected, depth = transfer(homography(pose, normal), points)
    explained = 1 / (1 + (projected - seen).square().sum(dim=-1) / scale**2)
    return (weights * (depth > NEAREST) * explained).sum(dim=1)


def _cross_matrix(vector: Tensor) -> Tensor:
    return (vector @ _like(vector, _GENERATORS)).reshape(-1, 3, 3)


def _like(values: Tensor, constant: Tensor) -> Tensor:
    return constant.to(values.device, values.dtype)
