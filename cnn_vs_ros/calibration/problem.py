"""The least-squares problem: where points of a nearly plane scene are seen by a camera on an arm.

A point of the reference at the normalised place x and the inverse depth ``rho = (m . x) (1 + r)``, with m the
plane and r its relief, is seen in image i from ``base_T_flange_i X``, with the mount X. What the arm says of the
flange errs by a small motion that is the same for all points of an image: these motions are eliminated from the
normal equations (a Schur complement), so that many points do not make an image surer than its arm pose.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.calibration.recording import ArmTrack
from cnn_vs_ros.calibration.tracks import Tracks
from cnn_vs_ros.errors import HandEyeError
from cnn_vs_ros.geometry import PinholeCamera, se3

Array = NDArray[np.float64]

REFERENCE, MOUNT, PLANE = slice(0, 6), slice(6, 12), slice(12, 15)
INVERSE_DEPTH = 14
"""Of the plane, along the optical axis."""

DELAY, FOCAL, CENTRE, BEND = 15, 16, slice(17, 19), 19
SHARED = 20
"""Parameters that all points share; after them come three of each point: relief and two of its place."""

OF_POINT = 3
_LARGE = 1e12
"""Information that holds a parameter where it is."""

_PRIORS = np.concatenate(
    [
        np.full(3, 3.0),
        np.full(3, 3.0),
        np.full(3, 3.0),
        np.full(3, 3.0),
        np.full(3, 100.0),
        [0.3, 0.3],
        np.full(2, 100.0),
        [1.0],
    ]
)
"""Standard deviations of what is shared before anything is known, so wide that they only keep it regular."""


@dataclass(frozen=True)
class State:
    """What is looked for.

    `base_T_reference` and the `mount` ``flange_T_camera`` (4, 4); `plane` m (3,) in 1/m; `delay` in seconds, to
    be added to the stamps; `focal` (a factor), `centre` (2,) in pixels and `bend` (k1) are changes of the camera;
    `relief` (p,) and `places` (p, 2), pixels, are changes of the points.
    """

    base_T_reference: Array
    mount: Array
    plane: Array
    delay: float
    focal: float
    centre: Array
    bend: float
    relief: Array
    places: Array

    def moved(self, step: Array) -> State:
        """Return the state after a step of all parameters."""
        of_points = step[SHARED:].reshape(-1, OF_POINT)
        return replace(
            self,
            base_T_reference=se3.normalised(self.base_T_reference @ se3.from_pose_vector(step[REFERENCE])),
            mount=se3.normalised(self.mount @ se3.from_pose_vector(step[MOUNT])),
            plane=self.plane + step[PLANE],
            delay=self.delay + float(step[DELAY]),
            focal=self.focal * float(np.exp(step[FOCAL])),
            centre=self.centre + step[CENTRE],
            bend=self.bend + float(step[BEND]),
            relief=np.clip(self.relief + of_points[:, 0], -0.9, 9.0),
            places=self.places + of_points[:, 1:],
        )


@dataclass(frozen=True)
class Noise:
    """Standard deviations: pixels of a point, metres and radians of a flange pose, relief as part of the depth."""

    pixel: float = 0.5
    position: float = 1e-3
    rotation: float = 2e-3
    relief: float = 0.01

    @property
    def information(self) -> Array:
        """Information (6, 6) of a flange pose."""
        return np.diag(np.repeat([self.position**-2, self.rotation**-2], 3))


@dataclass(frozen=True)
class Known:
    """What is known before: the depth of the reference and the mount (4, 4), with their standard deviations.

    Those are metres, and metres and radians; None is what nothing is known of.
    """

    depth: float | None = None
    depth_sigma: float = 0.002
    mount: Array | None = None
    mount_sigma: tuple[float, float] = (5e-3, 0.02)

    def __post_init__(self) -> None:
        if not (self.depth_sigma > 0 and (self.depth is None or self.depth > 0)):
            raise HandEyeError(
                'a depth that is known, and its standard deviation, should be positive but are '
                f'{self.depth} and {self.depth_sigma}'
            )

    @property
    def of_depth(self) -> tuple[float, float]:
        """Inverse depth, and its information."""
        if self.depth is None:
            return 1.0, 0.0
        return 1.0 / self.depth, (self.depth**2 / self.depth_sigma) ** 2

    def of_mount(self, mount: Array) -> tuple[Array, Array]:
        """Small motion (6,) from the mount that is known to another one, and the information (6,) of it."""
        if self.mount is None:
            return np.zeros(6), np.zeros(6)
        information = np.repeat(self.mount_sigma, 3) ** -2.0
        return se3.pose_vector(se3.inverse(self.mount) @ mount), information


@dataclass(frozen=True)
class Linearised:
    """The problem about a state.

    `residuals` (n, p, 2) in pixels, and their derivatives by what is shared (n, p, 2, SHARED),
    by the points' own (n, p, 2, 3) and by the flange poses (n, p, 2, 6).
    """

    residuals: Array
    shared: Array
    own: Array
    flange: Array


@dataclass(frozen=True)
class Normal:
    """Normal equations without the flange poses: `information` (k, k) and `gradient` (k,).

    `slack` (n, 6) is what is left to the flange poses at a step of zero, with their covariances (n, 6, 6) where
    all else is known, and `slack_by_step` (n, 6, k) how it changes with a step.
    """

    information: Array
    gradient: Array
    slack: Array
    slack_covariance: Array
    slack_by_step: Array

    @property
    def covariance(self) -> Array:
        """Covariance (k, k) of a step."""
        return np.asarray(np.linalg.inv(self.information))

    @property
    def slack_variances(self) -> Array:
        """Variances (n, 6) of what is left to the flange poses, with what is not known of all else."""
        spread = ((self.slack_by_step @ self.covariance) * self.slack_by_step).sum(axis=-1)
        return np.asarray(np.einsum('nkk->nk', self.slack_covariance) + spread)


class Problem:
    """Residuals over a State, for `free` shared parameters (a boolean mask (SHARED,)).

    `known` is what is known of them before.
    """

    def __init__(
        self,
        tracks: Tracks,
        arm: ArmTrack,
        stamps: Array,
        camera: PinholeCamera,
        free: NDArray[np.bool_],
        known: Known = Known(),
    ) -> None:
        self.tracks, self._arm, self._camera, self._free = tracks, arm, camera, free
        self._stamps, self._known = stamps[tracks.image], known
        self._inverse_depth, self._depth_gain = known.of_depth

    def linearise(self, state: State) -> Linearised:
        """Residuals, predicted minus seen, and derivatives."""
        camera, tracks = self._camera, self.tracks
        focal = np.array([camera.fx, camera.fy]) * state.focal
        centre = np.array([camera.cx, camera.cy]) + state.centre
        distorted = (tracks.points + state.places - centre) / focal
        place = distorted
        for _ in range(3):
            place = distorted / (1.0 + state.bend * (place**2).sum(axis=1, keepdims=True))
        squared = (place**2).sum(axis=1)
        ray = np.column_stack([place, np.ones(len(place))])
        relief = 1.0 + state.relief
        rho = (ray @ state.plane) * relief
        point = ray / rho[:, None]  # (p, 3) in the reference
        flange = self._arm.at(self._stamps + state.delay)
        camera_T_flange = se3.inverse(state.mount)
        camera_T_reference = camera_T_flange @ np.linalg.inv(flange) @ state.base_T_reference
        turn = camera_T_reference[:, :3, :3]
        here = point @ turn.transpose(0, 2, 1) + camera_T_reference[:, None, :3, 3]  # (n, p, 3)
        depth = here[..., 2]
        depth = np.where(np.abs(depth) < 1e-6, 1e-6, depth)
        flat = here[..., :2] / depth[..., None]
        square = (flat**2).sum(axis=-1)
        bent = flat * (1.0 + state.bend * square)[..., None]
        residuals = bent * focal + centre - tracks.pixels

        by_flat = (1.0 + state.bend * square)[..., None, None] * np.eye(2)
        by_flat = by_flat + 2 * state.bend * flat[..., :, None] * flat[..., None, :]
        by_flat = focal[:, None] * by_flat
        flat_by_here = np.zeros((*flat.shape, 3))
        flat_by_here[..., 0, 0] = flat_by_here[..., 1, 1] = 1.0 / depth
        flat_by_here[..., 2] = -flat / depth[..., None]
        by_here = by_flat @ flat_by_here  # (n, p, 2, 3)

        n, p = residuals.shape[:2]
        by_mount = np.concatenate([-by_here, by_here @ _cross(here)], axis=-1)
        at_flange = here @ state.mount[:3, :3].T + state.mount[:3, 3]
        turned = by_here @ camera_T_flange[:3, :3]
        by_pose = np.concatenate([-turned, turned @ _cross(at_flange)], axis=-1)
        by_point = by_here @ turn[:, None]  # of a point in the reference
        shared = np.zeros((n, p, 2, SHARED))
        shared[..., REFERENCE] = np.concatenate([by_point, -by_point @ _cross(point)], axis=-1)
        shared[..., MOUNT] = by_mount
        along = by_point @ ray[:, :, None]  # (n, p, 2, 1)
        shared[..., PLANE] = -along * (ray * (relief / rho**2)[:, None])[:, None, :]
        shared[..., DELAY] = np.einsum('npaj,nj->npa', by_pose, self._arm.twists(self._stamps + state.delay))
        # Of the place in the reference (p, 3, 2).
        point_by_place = np.zeros((p, 3, 2))
        point_by_place[:, 0, 0] = point_by_place[:, 1, 1] = 1.0 / rho
        point_by_place -= ray[:, :, None] * (state.plane[:2] * (relief / rho**2)[:, None])[:, None, :]
        bends = (1.0 + state.bend * squared)[:, None, None] * np.eye(2)
        unbent = np.linalg.inv(bends + 2 * state.bend * place[:, :, None] * place[:, None, :])
        by_place = by_point @ point_by_place @ unbent  # of the place as the lens shows it
        shared[..., FOCAL] = bent * focal - (by_place @ distorted[:, :, None])[..., 0]
        shared[..., CENTRE] = np.eye(2) - by_place / focal
        bending = (by_place @ (place * squared[:, None])[:, :, None])[..., 0]
        shared[..., BEND] = focal * flat * square[..., None] - bending
        shared[..., ~self._free] = 0.0
        own = np.empty((n, p, 2, OF_POINT))
        own[..., 0] = -along[..., 0] / (rho * relief)[:, None]
        own[..., 1:] = by_place / focal
        return Linearised(residuals, shared, own, by_pose)

    def normal(self, state: State, about: Linearised, weights: Array, trust: Array, noise: Noise) -> Normal:
        """Normal equations; `weights` (n, p) of points and `trust` (n,) of flange poses are 0 to 1."""
        n, p = weights.shape
        rows = _rows(about.flange), _rows(about.shared), about.residuals.reshape(n, -1, 1)
        flange, shared, left = rows
        gains = np.repeat(weights / noise.pixel**2, 2, axis=1)[..., None]
        own = about.own
        weighted_own = own * gains.reshape(n, p, 2, 1)
        weighted = gains * shared
        size = SHARED + OF_POINT * p
        information, gradient = np.zeros((size, size)), np.zeros(size)
        information[:SHARED, :SHARED] = np.tensordot(weighted, shared, axes=((0, 1), (0, 1)))
        by_point = _of_points(about.shared).transpose(0, 2, 1), _of_points(weighted_own)
        cross = (by_point[0] @ by_point[1]).transpose(1, 0, 2).reshape(SHARED, -1)
        information[:SHARED, SHARED:], information[SHARED:, :SHARED] = cross, cross.T
        blocks = _of_points(own).transpose(0, 2, 1) @ by_point[1]
        for index in range(p):
            here = slice(SHARED + OF_POINT * index, SHARED + OF_POINT * (index + 1))
            information[here, here] = blocks[index]
        gradient[:SHARED] = np.tensordot(weighted, left, axes=((0, 1), (0, 1)))[:, 0]
        gradient[SHARED:] = (weighted_own.swapaxes(2, 3) @ about.residuals[..., None]).sum(axis=0).ravel()
        # The flange poses, eliminated.
        across = flange.transpose(0, 2, 1)
        of_pose = across @ (gains * flange) + trust[:, None, None] * noise.information
        with_points = about.flange.swapaxes(2, 3) @ weighted_own
        mixed = np.concatenate([across @ weighted, with_points.swapaxes(1, 2).reshape(n, 6, -1)], axis=-1)
        pull = across @ (gains * left)
        covariance: Array = np.asarray(np.linalg.inv(of_pose))
        by_step = covariance @ mixed
        information -= np.tensordot(mixed, by_step, axes=((0, 1), (0, 1)))
        gradient -= np.tensordot(by_step, pull[..., 0], axes=((0, 1), (0, 1)))
        self._add_priors(state, information, gradient, noise)
        return Normal(information, gradient, -(covariance @ pull)[..., 0], covariance, -by_step)

    def cost(self, state: State, about: Linearised, weights: Array, trust: Array, noise: Noise) -> float:
        """Weighted sum of squares, at the flange poses that are best for it, and of what was known before."""
        n = len(weights)
        flange, left = _rows(about.flange), about.residuals.reshape(n, -1, 1)
        gains = np.repeat(weights / noise.pixel**2, 2, axis=1)[..., None]
        across = flange.transpose(0, 2, 1)
        of_pose = across @ (gains * flange) + trust[:, None, None] * noise.information
        pull = across @ (gains * left)
        value = float((gains * left**2).sum()) - float((pull * np.linalg.solve(of_pose, pull)).sum())
        return value + self._prior_cost(state, noise)

    def _prior_cost(self, state: State, noise: Noise) -> float:
        """Sum of squares of what was known before."""
        relief = 3.0 * np.log1p((state.relief / noise.relief) ** 2 / 3.0)
        off = state.plane[2] - self._inverse_depth
        moved, held = self._known.of_mount(state.mount)
        return (
            float((state.places**2).sum()) / noise.pixel**2
            + float(relief.sum())
            + self._depth_gain * float(off**2)
            + float(held @ moved**2)
        )

    def _add_priors(self, state: State, information: Array, gradient: Array, noise: Noise) -> None:
        diagonal = np.einsum('kk->k', information)
        diagonal[:SHARED] += np.where(self._free, _PRIORS**-2.0, _LARGE)
        diagonal[INVERSE_DEPTH] += self._depth_gain
        gradient[INVERSE_DEPTH] += self._depth_gain * (state.plane[2] - self._inverse_depth)
        moved, held = self._known.of_mount(state.mount)
        diagonal[MOUNT] += held
        gradient[MOUNT] += held * moved
        # Student's t: a point far off the plane is not drawn to it.
        gains = 1.0 / (noise.relief**2 * (1.0 + (state.relief / noise.relief) ** 2 / 3.0))
        diagonal[SHARED::OF_POINT] += gains
        gradient[SHARED::OF_POINT] += gains * state.relief
        for axis in (0, 1):
            diagonal[SHARED + 1 + axis :: OF_POINT] += noise.pixel**-2
            gradient[SHARED + 1 + axis :: OF_POINT] += state.places[:, axis] / noise.pixel**2


def _rows(derivatives: Array) -> Array:
    """Derivatives (n, p, 2, k) of each image, as (n, 2 p, k)."""
    return derivatives.reshape(len(derivatives), -1, derivatives.shape[-1])


def _of_points(derivatives: Array) -> Array:
    """Derivatives (n, p, 2, k) of each point, as (p, 2 n, k)."""
    return derivatives.swapaxes(0, 1).reshape(derivatives.shape[1], -1, derivatives.shape[-1])


def _cross(vectors: Array) -> Array:
    """Matrices (..., 3, 3) of cross products."""
    x, y, z = np.moveaxis(vectors, -1, 0)
    zero = np.zeros_like(x)
    return np.stack([np.stack([zero, -z, y], -1), np.stack([z, zero, -x], -1), np.stack([-y, x, zero], -1)], -2)
