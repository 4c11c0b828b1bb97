"""Start poses of the benchmark, and the joint positions that put the camera somewhere.

At the reference pose (`scenes.world_T_reference`) the arm is far from singularities (elbow
bent by 105 degrees, wrist 2 at -90; the Jacobian's smallest singular value is 0.25) and wrist 3 can turn by more
than half a turn either way.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.benchmark import BATCHES, DEPTH, HARDEST, LOWEST
from cnn_vs_ros.control.differential_ik import DifferentialIk
from cnn_vs_ros.errors import ParameterError
from cnn_vs_ros.geometry import se3
from cnn_vs_ros.simulation.errors import SimulationError
from cnn_vs_ros.simulation.scenes import world_T_reference

Array = NDArray[np.float64]

SPREAD = np.array([0.02, 0.02, 0.02, *np.radians([2.0, 2.0, 2.0])])
"""Standard deviations of starts about a given one: translations in depths of the scene, rotations in radians."""
_SEED_POSITIONS = (-0.24, -1.33, 1.83, -2.07, -1.57, 1.33)
_TOLERANCE = 1e-9


def above_table(desired_T_current: Array, depth: float = DEPTH) -> bool:
    """Whether a camera there is at least LOWEST over a picture that is `depth` metres from the reference."""
    return depth - float(desired_T_current[2, 3]) >= LOWEST


def draw_start(
    batch: int, seed: int, accept: Callable[[Array], bool] = above_table, depth: float = DEPTH
) -> Array:
    """Pose desired_T_current (4, 4) from which run `seed` of `batch` starts (paper, section V-A).

    The six numbers [t; theta u] are Gaussian, with standard deviations that grow linearly from none in batch 0 to
    HARDEST in batch 9, the translations scaled with the scene's `depth`. A pose that `accept` refuses (too low;
    for a robot also out of reach) gives way to the next draw of the same generator.

    Raises:
        ParameterError: a batch outside 0..9, a negative seed, or no acceptable pose in 1000 draws.
    """
    if not 0 <= batch < BATCHES:
        raise ParameterError(f'start batch should be 0 to {BATCHES - 1} but is {batch}')
    deviations = HARDEST * batch / (BATCHES - 1)
    deviations[:3] *= depth / DEPTH
    return _draw(np.zeros(6), deviations, [batch, seed], accept, f'start of batch {batch}, seed {seed}')


def draw_start_near(
    nominal: Array, seed: int, accept: Callable[[Array], bool] = above_table, depth: float = DEPTH
) -> Array:
    """Pose desired_T_current (4, 4) near the start [t; theta u] `nominal` (6,): that itself for seed 0.

    Other seeds are Gaussian about it with SPREAD, redrawn as in `draw_start`.

    Raises:
        ParameterError: `nominal` is not six finite numbers, a negative seed, or no acceptable pose.
    """
    nominal = np.asarray(nominal, dtype=np.float64)
    if nominal.shape != (6,) or not np.isfinite(nominal).all():
        raise ParameterError(f'start pose should be six finite numbers [t; theta u] but is {nominal.tolist()}')
    deviations = SPREAD * (seed != 0)
    deviations[:3] *= depth
    return _draw(nominal, deviations, [BATCHES, seed], accept, f'start {seed} near {nominal.tolist()}')


def _draw(mean: Array, deviations: Array, seeds: list[int], accept: Callable[[Array], bool], what: str) -> Array:
    if seeds[-1] < 0:
        raise ParameterError(f'start seed should not be negative but is {seeds[-1]}')
    rng = np.random.default_rng(seeds)
    for _ in range(1000 if deviations.any() else 1):
        pose = se3.from_pose_vector(mean + rng.normal(0.0, 1.0, 6) * deviations)
        if accept(pose):
            return pose
    raise ParameterError(f'{what} should be reachable but no draw of it was')


def reference_joint_positions(ik: DifferentialIk) -> Array:
    """Joint positions (n,) of the reference pose."""
    return solve_joint_positions(ik, world_T_reference, np.array(_SEED_POSITIONS))


def camera_joint_positions(ik: DifferentialIk, world_T_camera: Array) -> Array:
    """Joint positions (n,) that put the camera at a pose (4, 4), followed from the reference pose.

    Following the straight path from the reference keeps to its branch of the inverse kinematics, and shows that a
    visual servo can come back along it.

    Raises:
        SimulationError: out of reach, or beyond the joint limits, somewhere on the way.
    """
    return followed_joint_positions(ik, reference_joint_positions(ik), world_T_camera)


def followed_joint_positions(ik: DifferentialIk, q: Array, base_T_tip: Array) -> Array:
    """Joint positions (n,) that put the tip at base_T_tip (4, 4), followed from joint positions `q` (n,).

    Raises:
        SimulationError: out of reach, or beyond the joint limits, somewhere on the way.
    """
    base_T_begin = ik.pose(q)
    offset = se3.pose_vector(se3.inverse(base_T_begin) @ base_T_tip)
    distance, angle = float(np.linalg.norm(offset[:3])), float(np.linalg.norm(offset[3:]))
    steps = math.ceil(max(distance / 0.02, angle / 0.15, 1.0))
    for fraction in np.linspace(0.0, 1.0, steps + 1)[1:]:
        q = solve_joint_positions(ik, base_T_begin @ se3.from_pose_vector(fraction * offset), q)
    return q


def solve_joint_positions(ik: DifferentialIk, base_T_tip: Array, guess: Array) -> Array:
    """Joint positions (n,) near `guess` that put the tip at base_T_tip (4, 4): damped Newton iteration.

    The residual twist (metres and radians) is below 1e-9.

    Raises:
        SimulationError: it does not converge, or ends outside the joint limits.
    """
    q = np.array(guess, dtype=np.float64)
    for _ in range(100):
        residual = se3.log(se3.inverse(ik.pose(q)) @ base_T_tip)
        if np.linalg.norm(residual) < _TOLERANCE:
            break
        jacobian = ik.jacobian(q)
        step = jacobian.T @ np.linalg.solve(jacobian @ jacobian.T + 1e-8 * np.eye(6), residual)
        q += step * min(1.0, 0.5 / np.abs(step).max())
    else:
        raise SimulationError(
            f'pose at {np.round(base_T_tip[:3, 3], 3).tolist()} m should be in reach of the arm but is not'
        )
    if not ik.within_limits(q):
        raise SimulationError(f'joint positions should be within their limits but the pose needs {q.tolist()}')
    return q
