"""Scenes with depth, drawn by MuJoCo: what a camera sees of solids that the estimator takes for a plane."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.benchmark import CAMERA
from cnn_vs_ros.simulation import load_robot_description, textures
from cnn_vs_ros.simulation.model import build_world
from cnn_vs_ros.simulation.offscreen import OffscreenRenderer, mujoco
from cnn_vs_ros.simulation.scenes import Scene, SceneObject, find_scene, world_T_reference

Array = NDArray[np.float64]

_FLIP = np.diag([1.0, -1.0, -1.0])  # a MuJoCo camera looks along -z, an optical frame along z


@dataclass
class ReliefWorld:
    """A MuJoCo scene before a camera that flies freely; the arm is not drawn.

    Belongs to the process that draws first, as its OpenGL context does.
    """

    scene: Scene
    _renderer: OffscreenRenderer | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self._world = build_world(load_robot_description(), self.scene, CAMERA)
        self._data = mujoco.MjData(self._world.model)
        mujoco.mj_forward(self._world.model, self._data)
        self._hide_the_arm()

    def image(self, current_T_desired: Array) -> np.ndarray:
        """Noiseless view, float32 (H, W) in grey levels, of a camera at ``current_T_desired`` (4, 4)."""
        if self._renderer is None:
            self._renderer = OffscreenRenderer(self._world.model)
        pose = world_T_reference @ np.linalg.inv(current_T_desired)
        camera = self._world.wrist_camera
        self._data.cam_xpos[camera] = pose[:3, 3]
        self._data.cam_xmat[camera] = (pose[:3, :3] @ _FLIP).ravel()
        drawn = self._renderer.render(self._data, camera, CAMERA.width, CAMERA.height)
        return cv2.cvtColor(drawn, cv2.COLOR_BGR2GRAY).astype(np.float32)

    def _hide_the_arm(self) -> None:
        model = self._world.model
        for geom in range(model.ngeom):
            if model.geom_bodyid[geom] != 0:
                model.geom_rgba[geom, 3] = 0.0


def _towers() -> Scene:
    """Few large solids, up to a quarter of the depth high, on a table with prints."""
    rng = np.random.default_rng(11)
    objects = []
    for index, (column, row) in enumerate(((-1, -1), (1, -1), (0, 0), (-1, 1), (1, 1))):
        position = (0.075 * column + rng.uniform(-0.015, 0.015), 0.055 * row + rng.uniform(-0.01, 0.01))
        size = (rng.uniform(0.04, 0.07), rng.uniform(0.04, 0.07), rng.uniform(0.03, 0.06))
        skin = partial(textures.stained, 200 + index)
        objects.append(SceneObject(('box', 'cylinder')[index % 2], position, size, rng.uniform(0, np.pi), skin))
    table = partial(textures.printed_table, 2160, 1560)
    return Scene('towers', 'large solids up to 6 cm high', table, 2400.0, None, tuple(objects))


def relief() -> ReliefWorld:
    """Return fifteen solids of 1.5 to 4 cm on a photograph."""
    return ReliefWorld(find_scene('relief'))


def towers() -> ReliefWorld:
    """Return five solids of 3 to 6 cm on a table with prints."""
    return ReliefWorld(_towers())
