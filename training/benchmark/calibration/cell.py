"""A simulated cell: the shipped arm, a camera mounted at random, a plane at random; no physics, no GL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros import frames
from cnn_vs_ros.benchmark import CAMERA
from cnn_vs_ros.calibration.motion import CalibrationMotion, MotionLimits
from cnn_vs_ros.calibration.recording import ASSUMED_DEPTH, IMAGE_PERIOD, ArmTrack, Recording
from cnn_vs_ros.control import DifferentialIk
from cnn_vs_ros.estimation import Reference
from cnn_vs_ros.geometry import PinholeCamera, se3
from cnn_vs_ros.simulation.description import load_robot_description
from training.benchmark.scenes import TEXTURES
from training.benchmark.world import NOISE, PlanarWorld, Sensor

Array = NDArray[np.float64]

POSTURE = np.array([-0.24, -1.33, 1.83, -2.07, -1.57, 1.33])
SCENES = 'prints', 'coffee', 'gravel', 'tissue', 'circuit', 'galaxies'
_FARTHEST_MOUNT = 0.12
_STEEPEST = np.radians(25.0)
_MARGIN = 60
"""Pixels beyond each side of the image that a lens may show."""


@dataclass(frozen=True)
class Trouble:
    """What is not as it should be: joint noise in radians, k1 of the lens, stamps that are late by seconds."""

    joint_noise: float = 0.0
    k1: float = 0.0
    late: float = 0.0


@dataclass(frozen=True)
class Cell:
    """An arm, its camera's true `mount` (4, 4), and the plane before it: `base_T_scene` (4, 4), z into it."""

    mount: Array
    base_T_scene: Array
    depth: float
    normal: Array
    world: PlanarWorld
    trouble: Trouble
    seed: int

    @cached_property
    def kinematics(self) -> DifferentialIk:
        """The arm's, to its flange."""
        return DifferentialIk(load_robot_description(), frames.FLANGE)

    @cached_property
    def _sensor(self) -> Sensor:
        return Sensor(self.seed, NOISE, CAMERA)

    @cached_property
    def _bend(self) -> tuple[np.ndarray, np.ndarray]:
        """Where each pixel of the bent image is in the straight, larger one."""
        columns, rows = np.meshgrid(np.arange(CAMERA.width), np.arange(CAMERA.height))
        pixels = np.stack([columns, rows], -1).reshape(-1, 1, 2).astype(np.float64)
        flat = cv2.undistortPoints(
            pixels, CAMERA.matrix, np.array([self.trouble.k1, 0, 0, 0, 0]), P=self.world.camera.matrix
        )
        flat = flat.reshape(CAMERA.height, CAMERA.width, 2).astype(np.float32)
        return flat[..., 0].copy(), flat[..., 1].copy()

    def image(self, base_T_flange: Array) -> np.ndarray:
        """Picture uint8 (H, W) from where the flange is."""
        view = self.world.image(se3.inverse(base_T_flange @ self.mount) @ self.base_T_scene)
        if self.trouble.k1:
            view = cv2.remap(view, *self._bend, cv2.INTER_LINEAR)
        return self._sensor.expose(view)


def draw_cell(seed: int, trouble: Trouble) -> Cell:
    """Cell with a mount within 12 cm, turned anyhow, 0.2 to 0.8 m before a plane tilted up to 25 degrees."""
    rng = np.random.default_rng([seed, 18])
    axis = rng.standard_normal(3)
    turn = se3.rotation_exp(axis / np.linalg.norm(axis) * rng.uniform(0, np.pi))
    lever = rng.uniform(-_FARTHEST_MOUNT, _FARTHEST_MOUNT, 3)
    mount = se3.transform(turn, lever)
    depth = float(rng.uniform(0.2, 0.8))
    around, tilt = rng.uniform(0, 2 * np.pi), rng.uniform(0, _STEEPEST)
    lean = se3.rotation_exp(tilt * np.array([np.cos(around), np.sin(around), 0.0]))
    kinematics = DifferentialIk(load_robot_description(), frames.FLANGE)
    base_T_camera = kinematics.pose(POSTURE) @ mount
    camera = CAMERA
    if trouble.k1:
        camera = PinholeCamera(
            CAMERA.width + 2 * _MARGIN,
            CAMERA.height + 2 * _MARGIN,
            CAMERA.fx,
            CAMERA.fy,
            CAMERA.cx + _MARGIN,
            CAMERA.cy + _MARGIN,
        )
    texture = TEXTURES[SCENES[seed % len(SCENES)]]()
    # As fine as the camera sees it, so that all distances show alike; mirrored beyond its edges.
    world = PlanarWorld(texture, camera, depth, camera.fx / depth, endless=True)
    scene = se3.transform(lean, np.array([0.0, 0.0, depth]))
    # The plane's own frame is at `world.depth` before the camera that looks straight at it.
    base_T_scene = base_T_camera @ scene @ se3.transform(np.eye(3), (0.0, 0.0, -depth))
    return Cell(mount, base_T_scene, depth, lean[:, 2], world, trouble, seed)


class Session:
    """A session on the arm of a cell, in simulated time: what a node would record."""

    PERIOD = 0.02
    """Seconds between joint states, and between commands."""

    def __init__(self, cell: Cell, limits: MotionLimits, image_period: float = IMAGE_PERIOD) -> None:
        self._cell, self._limits, self._every = cell, limits, round(image_period / self.PERIOD)
        self._rng = np.random.default_rng([cell.seed, 19])
        self._positions, self._count = POSTURE.copy(), 0
        self.times: list[float] = []
        self.flanges: list[Array] = []
        self.images: list[np.ndarray] = []
        self.stamps: list[float] = []
        self.reference = Reference(cell.image(cell.kinematics.pose(POSTURE)), CAMERA, ASSUMED_DEPTH)
        self._motion: CalibrationMotion | None = None

    @property
    def seconds(self) -> float:
        """Simulated seconds so far."""
        return self._count * self.PERIOD

    @property
    def arm(self) -> ArmTrack:
        """Where the joint states said that the flange was."""
        return ArmTrack(self.times, self.flanges)

    @property
    def recording(self) -> Recording:
        """What was recorded so far."""
        return Recording(self.reference, self.images, np.array(self.stamps), self.arm)

    def go(self, places: Sequence[Array]) -> None:
        """Go to places (4, 4) in the flange's frame at the start, and back."""
        kinematics = self._cell.kinematics
        if self._motion is None:
            self._motion = CalibrationMotion(self._feel(), places, self._limits, self.seconds)
        else:
            self._motion.extend(places, self.seconds)
        while not self._motion.finished:
            felt = self._feel()
            self.times.append(self.seconds)
            self.flanges.append(felt)
            if self._count % self._every == 0:
                self.images.append(self._cell.image(kinematics.pose(self._positions)))
                self.stamps.append(self.seconds + self._cell.trouble.late)
            self._motion.see(self.seconds)
            twist = self._motion.update(self.seconds, felt)
            self._positions = self._positions + self.PERIOD * kinematics.joint_velocities(self._positions, twist)
            self._count += 1

    def _feel(self) -> Array:
        noise = self._cell.trouble.joint_noise * self._rng.standard_normal(len(POSTURE))
        return self._cell.kinematics.pose(self._positions + noise)
