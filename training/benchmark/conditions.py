"""The conditions of a run by name: what the camera sees, what disturbs its images, what it was told wrongly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.benchmark import CAMERA, DEPTH
from cnn_vs_ros.geometry import PinholeCamera, se3
from training.benchmark.altered_worlds import ChangedWorld, GripperWorld, LensWorld, MirrorWorld, ObliqueWorld
from training.benchmark.disturbances import DISTURBANCES, Disturbance
from training.benchmark.world import World
from training.errors import TrainingError

Array = NDArray[np.float64]

GRIPPER_SHARE = 0.3
MIRROR_SHARE = 0.5
CHANGED_SHARE = 0.6
DEPTH_FACTORS = (0.5, 3.0)
FOCAL_ERROR = 0.1
HAND_EYE_ERROR = float(np.deg2rad(5.0))
LENS = (0.05, 0.15)  # k1


@dataclass(frozen=True)
class Setting:
    """The surroundings of a run.

    `desired` is what the reference shows and `world` what the run's images show, before `disturb`; `camera` and
    `depth` are what the method is told; `hand_eye` (3, 3) takes a commanded motion to the frame that it is made
    in. `shared` says that the reference is that of every run of the scene; ``scene_T_desired`` (4, 4) is the
    desired camera where it is not the scene's.
    """

    desired: World
    world: World
    disturb: Disturbance = lambda view, step: view
    camera: PinholeCamera = CAMERA
    depth: float = DEPTH
    hand_eye: Array | None = None
    shared: bool = True
    scene_T_desired: Array = field(default_factory=lambda: np.eye(4))

    def moved(self, motion: Array) -> Array:
        """Motion (6,) that the camera makes when `motion` is commanded."""
        if self.hand_eye is None:
            return motion
        return np.concatenate([self.hand_eye @ motion[:3], self.hand_eye @ motion[3:]])

    @property
    def knows_the_camera(self) -> bool:
        """Whether the method was told the right focal length, so that its poses can be checked."""
        return self.camera.fx == CAMERA.fx


Condition = Callable[[World, int, np.ndarray], Setting]
"""The setting of a run: of the scene, the run's seed, and a picture (H, W) uint8 of something else."""


def _disturbed(name: str, world: World, seed: int, picture: np.ndarray) -> Setting:
    return Setting(world, world, DISTURBANCES[name](seed, picture))


def _oblique(degrees: float, world: World, seed: int, picture: np.ndarray) -> Setting:
    """The reference looks at the plane from the side, about an axis drawn for each run."""
    tilted = ObliqueWorld.tilted(world, np.deg2rad(degrees), seed)
    return Setting(tilted, tilted, shared=False, scene_T_desired=tilted.base_T_desired)


def _gripper(world: World, seed: int, picture: np.ndarray) -> Setting:
    """The camera's own gripper is in the way, in the reference and in every image alike."""
    held = GripperWorld.drawn(world, GRIPPER_SHARE, seed)
    return Setting(held, held, shared=False)


def _mirror(world: World, seed: int, picture: np.ndarray) -> Setting:
    """Half of the light is the mirror image of the arm with the camera, and of the ceiling."""
    shiny = MirrorWorld.drawn(world, MIRROR_SHARE, seed)
    return Setting(shiny, shiny, shared=False)


def _changed(world: World, seed: int, picture: np.ndarray) -> Setting:
    """Three fifths of the scene are replaced after the reference was taken."""
    # Mirrored, so that no camera can take it for the scene where the scene is of the same picture.
    flipped = np.ascontiguousarray(picture[:, ::-1])
    return Setting(world, ChangedWorld.drawn(world, flipped, CHANGED_SHARE, seed))


def _lens(world: World, seed: int, picture: np.ndarray) -> Setting:
    """The camera has a lens of known distortion."""
    k1 = float(np.random.default_rng((seed, 9)).uniform(*LENS))
    camera = replace(CAMERA, distortion=(k1, 0.0, 0.0, 0.0))
    distorted = LensWorld(world, camera)
    return Setting(distorted, distorted, camera=camera, shared=False)


def _wrong_depth(world: World, seed: int, picture: np.ndarray) -> Setting:
    """The depth that was told is wrong by a factor of 0.5 to 3."""
    low, high = np.log(DEPTH_FACTORS)
    factor = float(np.exp(np.random.default_rng((seed, 10)).uniform(low, high)))
    return Setting(world, world, depth=factor * DEPTH, shared=False)


def _calibration(world: World, seed: int, picture: np.ndarray) -> Setting:
    """The focal length is 10 % off, either way, and the hand-eye calibration turned by 5 degrees."""
    rng = np.random.default_rng((seed, 11))
    error = 1 + FOCAL_ERROR * rng.choice((-1.0, 1.0))
    camera = replace(CAMERA, fx=CAMERA.fx * error, fy=CAMERA.fy * error)
    axis = rng.standard_normal(3)
    turn = se3.rotation_exp(HAND_EYE_ERROR * axis / np.linalg.norm(axis))
    return Setting(world, world, camera=camera, hand_eye=turn, shared=False)


CONDITIONS: dict[str, Condition] = {
    **{name: partial(_disturbed, name) for name in DISTURBANCES},
    **{f'oblique_{angle}': partial(_oblique, angle) for angle in (20, 30, 45)},
    'gripper': _gripper,
    'mirror': _mirror,
    'changed': _changed,
    'lens': _lens,
    'wrong_depth': _wrong_depth,
    'calibration': _calibration,
}


NOMINAL_VIEWS = frozenset({*DISTURBANCES, 'changed', 'wrong_depth', 'calibration'})
"""Conditions whose reference shows what that of `nominal` shows."""


def condition(name: str) -> Condition:
    """Return the condition `name`. Raises TrainingError, with the valid names, for another."""
    if name not in CONDITIONS:
        raise TrainingError(f'condition should be one of {", ".join(CONDITIONS)} but is {name!r}')
    return CONDITIONS[name]
