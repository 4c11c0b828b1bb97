"""The MuJoCo model: the arm of the URDF, its velocity-controlled joints, its camera, and a scene on a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros import frames
from cnn_vs_ros.benchmark import CAMERA, DEPTH
from cnn_vs_ros.errors import DescriptionError
from cnn_vs_ros.geometry import PinholeCamera, se3
from cnn_vs_ros.simulation import textures
from cnn_vs_ros.simulation.description import JointLimits, joint_limits
from cnn_vs_ros.simulation.offscreen import mujoco
from cnn_vs_ros.simulation.perturbations import LIGHT_COUNT, OCCLUDER_COUNT, OCCLUDER_RADIUS
from cnn_vs_ros.simulation.scenes import Scene, SceneObject

Array = NDArray[np.float64]

WRIST_CAMERA = 'wrist_camera'
OVERVIEW_CAMERA = 'overview_camera'
ROOM_LIGHT = 'room_light'

AMBIENT = 0.42
_FLOOR = -0.75  # metres
TIMESTEP = 0.002
# A stiff position loop whose set point integrates the velocity command: what an industrial drive does. Plain
# velocity actuators would sag under gravity.
_STIFFNESS = (2e4, 2e4, 1e4, 2e3, 2e3, 2e3)
_ARMATURE = (1.0, 1.0, 1.0, 0.2, 0.2, 0.2)
_ARM = 2
"""Collision bit: the arm collides with the table and what stands on it, not with itself."""


@dataclass(frozen=True)
class World:
    """A compiled model with the ids that the robot needs."""

    model: mujoco.MjModel
    joints: list[JointLimits]
    wrist_camera: int
    overview_camera: int
    optical_frame: int
    room_light: int
    spotlights: list[int]
    occluder_geoms: list[int]


def build_world(urdf: str, scene: Scene, camera: PinholeCamera = CAMERA) -> World:
    """Compile the MuJoCo model of a robot description and a scene.

    Raises:
        DescriptionError: the URDF has no revolute joint or no camera_optical_frame, or MuJoCo cannot read it.
    """
    joints = joint_limits(urdf)
    if not joints:
        raise DescriptionError('robot description should have revolute joints but has none')
    # MuJoCo's own element in the URDF is the only way to keep the visual shapes and the fixed frames.
    compiler = '<mujoco><compiler fusestatic="false" discardvisual="false"/></mujoco></robot>'
    try:
        spec = mujoco.MjSpec.from_string(urdf.replace('</robot>', compiler))
    except ValueError as error:
        raise DescriptionError(f'robot description should be a URDF that MuJoCo reads but: {error}') from error
    optical_frame = spec.body(frames.CAMERA)
    if optical_frame is None:
        raise DescriptionError(f'robot description should have the link {frames.CAMERA} but has none')
    _set_options(spec)
    _separate_collision_from_visual(spec)
    _add_drives(spec, joints)
    _add_wrist_camera(optical_frame, camera)
    _add_room(spec, scene)
    _add_picture(spec, scene)
    _add_perturbations(spec)
    model = spec.compile()
    return World(
        model,
        joints,
        wrist_camera=model.camera(WRIST_CAMERA).id,
        overview_camera=model.camera(OVERVIEW_CAMERA).id,
        optical_frame=model.body(frames.CAMERA).id,
        room_light=model.light(ROOM_LIGHT).id,
        spotlights=[model.light(f'spotlight_{i}').id for i in range(LIGHT_COUNT)],
        occluder_geoms=[model.geom(f'occluder_{i}').id for i in range(OCCLUDER_COUNT)],
    )


def _set_options(spec: mujoco.MjSpec) -> None:
    spec.option.timestep = TIMESTEP
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.stat.extent = 1.0
    spec.stat.center = (0.4, 0.0, 0.2)
    spec.visual.map.znear = 0.01
    spec.visual.map.zfar = 12.0
    spec.visual.global_.offwidth, spec.visual.global_.offheight = 1280, 960
    spec.visual.quality.offsamples = 0
    spec.visual.quality.shadowsize = 2048
    # The headlight moves with the camera; only its ambient part, which does not, is kept.
    spec.visual.headlight.ambient = (AMBIENT,) * 3
    spec.visual.headlight.diffuse = (0.0, 0.0, 0.0)
    spec.visual.headlight.specular = (0.0, 0.0, 0.0)


def _separate_collision_from_visual(spec: mujoco.MjSpec) -> None:
    for geom in spec.geoms:
        collides = bool(geom.contype)
        geom.contype, geom.conaffinity = (_ARM, 0) if collides else (0, 0)
        geom.group = 3 if collides else 0


def _add_drives(spec: mujoco.MjSpec, joints: list[JointLimits]) -> None:
    # The integral action of a real drive, which holds the arm against gravity without sagging.
    for body in spec.bodies:
        body.gravcomp = 1.0
    for index, joint in enumerate(joints):
        stiffness = _STIFFNESS[min(index, len(_STIFFNESS) - 1)]
        armature = _ARMATURE[min(index, len(_ARMATURE) - 1)]
        spec.joint(joint.name).armature = armature
        drive = spec.add_actuator(name=joint.name, target=joint.name, trntype=mujoco.mjtTrn.mjTRN_JOINT)
        drive.set_to_intvelocity(stiffness, 2.0 * np.sqrt(stiffness * armature))
        drive.actlimited, drive.actrange = True, (joint.lower, joint.upper)
        drive.ctrllimited, drive.ctrlrange = True, (-joint.velocity, joint.velocity)


def _add_wrist_camera(optical_frame: mujoco.MjsBody, camera: PinholeCamera) -> None:
    pixel = 1e-5
    optical_frame.add_camera(
        name=WRIST_CAMERA,
        quat=(0, 1, 0, 0),  # MuJoCo's cameras look along -z with y up
        resolution=(camera.width, camera.height),
        sensor_size=(camera.width * pixel, camera.height * pixel),
        focal_pixel=(camera.fx, camera.fy),
        principal_pixel=((camera.width - 1) / 2 - camera.cx, (camera.height - 1) / 2 - camera.cy),
    )


def _add_image(spec: mujoco.MjSpec, name: str, image: np.ndarray, gloss: float = 0.0) -> str:
    """Add a texture and a material, matt or glossy, that shows the BGR image, top upwards; return its name."""
    texture = spec.add_texture(name=name, type=mujoco.mjtTexture.mjTEXTURE_2D)
    texture.height, texture.width, texture.nchannel = image.shape
    texture.data = np.ascontiguousarray(image[..., ::-1]).tobytes()
    material = spec.add_material(name=name, specular=gloss, shininess=0.7 * gloss, reflectance=0.0)
    slots = [''] * int(mujoco.mjtTextureRole.mjNTEXROLE)
    slots[int(mujoco.mjtTextureRole.mjTEXROLE_RGB)] = name
    material.textures = slots
    return name


def _add_room(spec: mujoco.MjSpec, scene: Scene) -> None:
    spec.add_texture(
        name='sky',
        type=mujoco.mjtTexture.mjTEXTURE_SKYBOX,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_GRADIENT,
        rgb1=(0.90, 0.92, 0.95),
        rgb2=(0.62, 0.66, 0.72),
        width=256,
        height=256,
    )
    world = spec.worldbody
    world.add_light(
        name=ROOM_LIGHT,
        type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL,
        pos=(0.3, -0.6, 2.0),
        dir=np.array((0.15, 0.25, -1.0)) / np.linalg.norm((0.15, 0.25, -1.0)),
        diffuse=(0.55, 0.55, 0.55),
        specular=(0.15, 0.15, 0.15),
    )
    board = _add_image(spec, 'board', textures.wood(900, 700, seed=7))
    box, plane = mujoco.mjtGeom.mjGEOM_BOX, mujoco.mjtGeom.mjGEOM_PLANE
    solid = {'contype': 0, 'conaffinity': _ARM}
    steel: dict[str, Any] = {'type': box, 'rgba': (0.30, 0.31, 0.33, 1), **solid}
    world.add_geom(type=plane, size=(4, 4, 0.5), pos=(0, 0, _FLOOR), rgba=(0.55, 0.57, 0.60, 1), **solid)
    top = DEPTH - scene.depth
    beside = 0.0
    if top < 0:  # the arm stands on a pillar of its own beside a lower table
        world.add_geom(size=(0.1, 0.1, -_FLOOR / 2), pos=(0, 0, _FLOOR / 2), **steel)
        beside = 0.48
    world.add_geom(type=box, size=(0.75, 0.65, 0.02), pos=(0.4 + beside, 0, top - 0.02), material=board, **solid)
    length = (top - 0.04 - _FLOOR) / 2
    for x in (-0.27, 1.07):
        for y in (-0.57, 0.57):
            world.add_geom(size=(0.03, 0.03, length), pos=(x + beside, y, _FLOOR + length), **steel)
    eye, target = np.array((1.35, -0.95, 0.85)), np.array((0.33, 0.02, 0.22))
    if top < 0:
        eye, target = np.array((1.9, -1.5, 1.0)), np.array((0.4, 0.0, 0.0))
    backwards = (eye - target) / np.linalg.norm(eye - target)
    right = np.cross((0, 0, 1), backwards)
    right /= np.linalg.norm(right)
    rotation = np.column_stack([right, np.cross(backwards, right), backwards])
    world.add_camera(name=OVERVIEW_CAMERA, pos=eye, quat=_wxyz(rotation), fovy=42)


def _add_picture(spec: mujoco.MjSpec, scene: Scene) -> None:
    image = scene.texture()
    height, width = image.shape[:2]
    column, row = scene.centre if scene.centre is not None else ((width - 1) / 2, (height - 1) / 2)
    from_centre = ((width - 1) / 2 - column, (height - 1) / 2 - row)
    middle = scene.world_T_picture @ (*(np.array(from_centre) / scene.pixels_per_metre), 0.0, 1.0)
    # A plane shows the side that its z axis leaves: the picture frame turned about its x axis.
    upright = scene.world_T_picture[:3, :3] @ np.diag([1.0, -1.0, -1.0])
    spec.worldbody.add_geom(
        name='picture',
        type=mujoco.mjtGeom.mjGEOM_PLANE,
        # The third size is the spacing of the vertices at which light is computed.
        size=(width / scene.pixels_per_metre / 2, height / scene.pixels_per_metre / 2, 0.02),
        pos=middle[:3],
        quat=_wxyz(upright),
        material=_add_image(spec, 'picture', image),
        contype=0,
        conaffinity=0,
    )
    for index, thing in enumerate(scene.objects):
        _add_object(spec, f'object_{index}', thing, scene.world_T_picture)


def _add_object(spec: mujoco.MjSpec, name: str, thing: SceneObject, world_T_picture: Array) -> None:
    half = np.array(thing.size) / 2
    kinds = {
        'box': (mujoco.mjtGeom.mjGEOM_BOX, half),
        'cylinder': (mujoco.mjtGeom.mjGEOM_CYLINDER, np.array((half[0], half[2], 0.0))),
        # Half sunk, so that it stands as high as it is said to.
        'ellipsoid': (mujoco.mjtGeom.mjGEOM_ELLIPSOID, half * (1, 1, 2)),
    }
    kind, size = kinds[thing.shape]
    depth = -thing.base - (0.0 if thing.shape == 'ellipsoid' else half[2])
    place = world_T_picture @ se3.transform(se3.rotation_exp((0, 0, thing.yaw)), (*thing.position, depth))
    spec.worldbody.add_geom(
        name=name,
        type=kind,
        size=size,
        pos=place[:3, 3],
        quat=_wxyz(place[:3, :3] @ np.diag([1.0, -1.0, -1.0])),
        material=_add_image(spec, name, thing.skin(), thing.gloss),
        contype=0,
        conaffinity=_ARM,
    )


def _add_perturbations(spec: mujoco.MjSpec) -> None:
    """Lights and occluders, switched off until the robot is told otherwise."""
    for index in range(LIGHT_COUNT):
        spec.worldbody.add_light(
            name=f'spotlight_{index}',
            type=mujoco.mjtLightType.mjLIGHT_SPOT,
            active=False,
            pos=(0.5, 0, 0.7),
            dir=(0, 0, -1),
            cutoff=60,
            exponent=50,  # cos^50: a Gaussian of 8 degrees, 10 cm on the table
            specular=(0, 0, 0),
        )
    radius, thin = OCCLUDER_RADIUS, 0.0005
    box = (radius * np.sqrt(np.pi / 4) * 1.25, radius * np.sqrt(np.pi / 4) / 1.25, thin)
    shapes = (
        (mujoco.mjtGeom.mjGEOM_BOX, box),
        (mujoco.mjtGeom.mjGEOM_ELLIPSOID, (radius * 1.2, radius / 1.2, 4 * thin)),
        (mujoco.mjtGeom.mjGEOM_CYLINDER, (radius, thin, 0.0)),
    )
    for index in range(OCCLUDER_COUNT):
        kind, size = shapes[index % len(shapes)]
        body = spec.worldbody.add_body(name=f'occluder_{index}', mocap=True, pos=(0, 0, -2))
        skin = _add_image(spec, f'occluder_{index}', textures.stained(index))
        geom = {'contype': 0, 'conaffinity': 0, 'group': 0, 'rgba': (1, 1, 1, 0)}
        body.add_geom(name=f'occluder_{index}', type=kind, size=size, material=skin, **geom)


def _wxyz(rotation: Array) -> Array:
    x, y, z, w = se3.quaternion_xyzw(rotation)
    return np.array((w, x, y, z))
