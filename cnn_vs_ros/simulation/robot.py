"""The simulated robot: an arm that takes velocities or positions, with a camera at its wrist, over a scene."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cnn_vs_ros import frames
from cnn_vs_ros.benchmark import CAMERA, DEPTH
from cnn_vs_ros.control.differential_ik import DifferentialIk
from cnn_vs_ros.geometry import PinholeCamera, se3
from cnn_vs_ros.simulation import starts
from cnn_vs_ros.simulation.description import load_robot_description
from cnn_vs_ros.simulation.errors import SimulationError
from cnn_vs_ros.simulation.model import AMBIENT, TIMESTEP, build_world
from cnn_vs_ros.simulation.noise import NoiseBank
from cnn_vs_ros.simulation.offscreen import OffscreenRenderer, mujoco
from cnn_vs_ros.simulation.perturbations import MovingLights, MovingOccluders
from cnn_vs_ros.simulation.scenes import find_scene, world_T_reference

Array = NDArray[np.float64]


class SimulatedRobot:
    """MuJoCo arm, wrist camera and scene, stepped by whoever holds it.

    Args:
        scene: name of a scene (see `scenes.SCENES`).
        urdf: robot description; by default this package's arm.
        noise: standard deviation of the image noise in grey levels; 0 for none.
        seed: of the noise and of the perturbations.
        camera: intrinsics of the wrist camera.
        intermittent_occluders: whether the moving occluders come and go.

    The first image makes the OpenGL context: the thread that renders first is the only one that may render.

    Raises:
        SimulationError: unknown scene; on the first image, no off-screen rendering on this machine.
        DescriptionError: a robot description that cannot be simulated.
    """

    def __init__(
        self,
        scene: str = 'photo',
        *,
        urdf: str | None = None,
        noise: float = 2.0,
        seed: int = 0,
        camera: PinholeCamera = CAMERA,
        intermittent_occluders: bool = False,
    ) -> None:
        self.scene = find_scene(scene)
        self.urdf = urdf if urdf is not None else load_robot_description()
        self.camera = camera
        self._world = build_world(self.urdf, self.scene, camera)
        self._model = self._world.model
        self._data = mujoco.MjData(self._model)
        self._renderer: OffscreenRenderer | None = None
        self._noise = NoiseBank(camera.width, camera.height, noise, seed) if noise > 0 else None
        self._lights = MovingLights(seed, self.scene.world_T_picture[:3, 3], scale=self.scene.depth / DEPTH)
        self._occluders = MovingOccluders(
            seed,
            (camera.width / 2 / camera.fx, camera.height / 2 / camera.fy),
            intermittent=intermittent_occluders,
        )
        self._room_brightness = self._model.light_diffuse[self._world.room_light].copy()
        joints = [self._model.joint(limit.name) for limit in self._world.joints]
        self._positions = np.array([joint.qposadr[0] for joint in joints])
        self._velocities = np.array([joint.dofadr[0] for joint in joints])
        self._goal: tuple[Array, float] | None = None
        self._speeds = np.array([limit.velocity for limit in self._world.joints])
        self._steps = 0
        self.set_perturbations(False)
        self.set_joint_positions(np.zeros(len(joints)))

    @property
    def joint_names(self) -> list[str]:
        """Names of the n joints, in the order of every joint vector here."""
        return [limit.name for limit in self._world.joints]

    @property
    def joint_positions(self) -> Array:
        """Positions (n,), radians."""
        return self._data.qpos[self._positions].copy()

    @property
    def joint_velocities(self) -> Array:
        """Velocities (n,), radians a second."""
        return self._data.qvel[self._velocities].copy()

    @property
    def time(self) -> float:
        """Simulated seconds since the robot was made."""
        return self._steps * TIMESTEP

    @property
    def world_T_camera(self) -> Array:
        """Pose (4, 4) of the camera's optical frame in the world frame, which is base_link's."""
        return self._pose(self._world.optical_frame)

    def link_pose(self, name: str) -> Array:
        """Pose (4, 4) of a link of the robot description in the world frame.

        Raises:
            SimulationError: there is no such link.
        """
        try:
            return self._pose(self._model.body(name).id)
        except KeyError as error:
            raise SimulationError(f'link should be one of the robot description but is {name!r}') from error

    def set_joint_positions(self, positions: ArrayLike) -> None:
        """Put the arm at joint positions (n,) at once, at rest and with no velocity commanded.

        Raises:
            SimulationError: wrong length, not finite, or outside the joints' limits.
        """
        positions = self.checked(positions, 'joint positions')
        for limit, position in zip(self._world.joints, positions, strict=True):
            if not limit.lower <= position <= limit.upper:
                raise SimulationError(
                    f'{limit.name} should be in {limit.lower:.3f}..{limit.upper:.3f} rad but is {position:.3f}'
                )
        self._data.qpos[self._positions] = positions
        self._data.qvel[:] = 0.0
        self._data.act[:] = positions
        self._data.ctrl[:] = 0.0
        self._goal = None
        mujoco.mj_forward(self._model, self._data)

    def move_to_reference(self) -> None:
        """Put the arm at the reference pose: the camera straight over the picture."""
        self.set_joint_positions(starts.reference_joint_positions(self._kinematics))

    def move_camera_to(self, world_T_camera: Array) -> None:
        """Put the arm where the camera has that pose (4, 4) in the world.

        Raises:
            SimulationError: the pose is out of reach, or the arm would touch the table there.
        """
        before = self.joint_positions
        self.set_joint_positions(starts.camera_joint_positions(self._kinematics, world_T_camera))
        if self._data.ncon:
            self.set_joint_positions(before)
            raise SimulationError('pose should leave the arm clear of the table but it would touch it')

    def move_to_start(self, batch: int, seed: int) -> Array:
        """Put the arm at start `seed` of `batch` (see `starts.draw_start`); return desired_T_current (4, 4).

        Raises:
            ParameterError: there is no such batch or seed.
        """
        return starts.draw_start(batch, seed, self._reaches, self.scene.depth)

    def move_to_start_near(self, nominal: ArrayLike, seed: int) -> Array:
        """Put the arm near the start [t; theta u] `nominal` (6,) (see `starts.draw_start_near`); return the pose.

        Raises:
            ParameterError: not such a pose, a negative seed, or out of reach.
        """
        return starts.draw_start_near(np.asarray(nominal), seed, self._reaches, self.scene.depth)

    def _reaches(self, desired_T_current: Array) -> bool:
        if not starts.above_table(desired_T_current, self.scene.depth):
            return False
        try:
            self.move_camera_to(world_T_reference @ desired_T_current)
        except SimulationError:
            return False
        return True

    @cached_property
    def _kinematics(self) -> DifferentialIk:
        return DifferentialIk(self.urdf, frames.CAMERA)

    def command_velocity(self, velocities: ArrayLike) -> None:
        """Command joint velocities (n,), radians a second, held until the next command; clipped at the limits.

        Raises:
            SimulationError: wrong length or not finite.
        """
        self._data.ctrl[:] = self.checked(velocities, 'joint velocities')
        self._goal = None

    def command_position(self, positions: ArrayLike, seconds: float = 0.0) -> None:
        """Command joint positions (n,), radians, to be at after `seconds`, or when the speed limits allow it.

        Raises:
            SimulationError: wrong length or not finite.
        """
        self._goal = self.checked(positions, 'joint positions'), self.time + seconds

    def step(self, seconds: float = TIMESTEP) -> None:
        """Simulate for `seconds`, rounded to whole steps of 2 ms (at least one)."""
        count = max(1, round(seconds / TIMESTEP))
        if self._goal is not None:
            goal, due = self._goal
            left = max(due - self.time, count * TIMESTEP)
            self._data.ctrl[:] = np.clip((goal - self._data.act) / left, -self._speeds, self._speeds)
        mujoco.mj_step(self._model, self._data, count)
        self._steps += count
        # Positions of bodies and cameras otherwise lag the joints by a step.
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_camlight(self._model, self._data)

    def set_perturbations(self, lights: bool = True, occluders: bool | None = None) -> None:
        """Switch moving lights and moving occluders (by default as the lights) on or off."""
        self._lights_on, self._occluders_on = lights, lights if occluders is None else occluders
        model, world = self._model, self._world
        model.light_active[world.spotlights] = self._lights_on
        # The room dims, so that its light and the spotlights together do not wash out the scene.
        model.light_diffuse[world.room_light] = self._room_brightness * (0.2 if self._lights_on else 1.0)
        model.vis.headlight.ambient[:] = AMBIENT * (0.6 if self._lights_on else 1.0)
        model.geom_rgba[world.occluder_geoms, 3] = 1.0 if self._occluders_on else 0.0

    @property
    def perturbed(self) -> bool:
        """Whether any perturbation is switched on."""
        return self._lights_on or self._occluders_on

    def render(self) -> np.ndarray:
        """Image (height, width, 3), BGR uint8, of the wrist camera now."""
        image = self._draw(self._world.wrist_camera, self.camera.width, self.camera.height)
        return self._noise.add(image) if self._noise is not None else image

    def render_overview(self, width: int = 960, height: int = 720) -> np.ndarray:
        """Image (height, width, 3), BGR uint8, of the whole scene from the side, at most 1280x960; no noise."""
        return self._draw(self._world.overview_camera, width, height)

    def close(self) -> None:
        """Free the renderer; the robot can still be stepped."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None

    def _draw(self, camera: int, width: int, height: int) -> np.ndarray:
        if self._renderer is None:
            self._renderer = OffscreenRenderer(self._model)
        self._place_perturbations()
        return self._renderer.render(self._data, camera, width, height)

    def _place_perturbations(self) -> None:
        model, data, world = self._model, self._data, self._world
        if self._lights_on:
            for index, light in zip(world.spotlights, self._lights.at(self.time), strict=True):
                model.light_diffuse[index] = light.colour
                data.light_xpos[index], data.light_xdir[index] = light.position, light.direction
        if self._occluders_on:
            world_T_camera = self.world_T_camera
            present = self._occluders.present(self.time)
            for index, camera_T_occluder in enumerate(self._occluders.at(self.time)):
                geom, pose = world.occluder_geoms[index], world_T_camera @ camera_T_occluder
                model.geom_rgba[geom, 3] = float(present[index])
                data.geom_xpos[geom], data.geom_xmat[geom] = pose[:3, 3], pose[:3, :3].ravel()

    def _pose(self, body: int) -> Array:
        return se3.transform(self._data.xmat[body].reshape(3, 3), self._data.xpos[body])

    def checked(self, values: ArrayLike, name: str) -> Array:
        """Return `values` as a finite joint vector (n,), or raise SimulationError, which calls them `name`."""
        vector = np.asarray(values, dtype=np.float64)
        count = len(self._world.joints)
        if vector.shape != (count,):
            raise SimulationError(f'{name} should be a vector of shape ({count},) but got shape {vector.shape}')
        if not np.isfinite(vector).all():
            raise SimulationError(f'{name} should be finite but got {vector.tolist()}')
        return vector
