"""The best that any method can do at the goal: the Cramer-Rao bound of the pose from one image of a scene."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.benchmark import CAMERA, DEPTH
from training.benchmark.methods.photometric import intensity_jacobian
from training.benchmark.scenes import scene
from training.benchmark.world import NOISE, PlanarWorld, World

_DRAWS = 20_000


def pose_covariance(world: World) -> NDArray[np.float64]:
    """Least covariance (6, 6) of ``[t; theta u]`` at the goal, m^2 and rad^2: ``2 sigma^2 (L^T L)^-1``.

    L (H*W, 6) is the interaction matrix of the intensities of all pixels; both images have noise of sigma grey
    levels. The plane is fronto-parallel.
    """
    view = world.image(np.eye(4)).astype(np.float64)
    across, down = CAMERA.fx * np.gradient(view, axis=1), CAMERA.fy * np.gradient(view, axis=0)
    interaction = intensity_jacobian(np.asarray(across), np.asarray(down), CAMERA, DEPTH)
    return np.asarray(np.linalg.inv(interaction.T @ interaction) * 2 * NOISE**2)


def median_error(covariance: NDArray[np.float64]) -> float:
    """Median length in metres of the translation of errors with a covariance (6, 6)."""
    draws = np.random.default_rng(0).multivariate_normal(np.zeros(3), covariance[:3, :3], _DRAWS)
    return float(np.median(np.linalg.norm(draws, axis=1)))


@cache
def bound_mm(scene_name: str) -> float | None:
    """Median error in mm of the best estimate from one image; None for a scene that is no plane."""
    world = scene(scene_name)
    return 1e3 * median_error(pose_covariance(world)) if isinstance(world, PlanarWorld) else None
