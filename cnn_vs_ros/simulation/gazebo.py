"""A Gazebo world of a scene, as an SDF file: table, picture, objects and light of the MuJoCo model."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from transforms3d import euler

from cnn_vs_ros.foreign.images import write_image
from cnn_vs_ros.simulation.description import load_robot_description
from cnn_vs_ros.simulation.model import World, build_world
from cnn_vs_ros.simulation.offscreen import mujoco
from cnn_vs_ros.simulation.scenes import find_scene

Array = NDArray[np.float64]

WORLD_FILE = 'world.sdf'
_SYSTEMS = {
    'Physics': 'physics',
    'UserCommands': 'user-commands',
    'SceneBroadcaster': 'scene-broadcaster',
    'Sensors': 'sensors',
}
# Gazebo lights in linear light and by another model than MuJoCo: with these a matt surface that faces up has the
# same grey levels in both, to 0.7 % (measured on gz-sim 8.14 with ogre2).
_AMBIENT = 1.0
_DIFFUSE = 1.68  # times MuJoCo's
_PLANE = 'PLANE'
_SHAPES = {
    mujoco.mjtGeom.mjGEOM_BOX: 'box',
    mujoco.mjtGeom.mjGEOM_CYLINDER: 'cylinder',
    mujoco.mjtGeom.mjGEOM_ELLIPSOID: 'ellipsoid',
    mujoco.mjtGeom.mjGEOM_PLANE: _PLANE,
}


def write_world(scene: str, folder: Path) -> Path:
    """Write `world.sdf` with its textures into `folder`, which is made, and return the file's path.

    The world is taken from the compiled MuJoCo model of the scene, so that both simulators have the same.

    Raises:
        SimulationError: there is no such scene.
    """
    world = build_world(load_robot_description(), find_scene(scene))
    folder.mkdir(parents=True, exist_ok=True)
    sdf = ElementTree.Element('sdf', version='1.9')
    element = ElementTree.SubElement(sdf, 'world', name=scene)
    _add_physics(element)
    _add_light(element, world)
    model = ElementTree.SubElement(element, 'model', name='table')
    _add(model, 'static', 'true')
    link = ElementTree.SubElement(model, 'link', name='link')
    for geom in range(world.model.ngeom):
        if world.model.geom_bodyid[geom] == 0:
            _add_geom(link, world.model, geom, folder)
    ElementTree.indent(sdf)
    path = folder / WORLD_FILE
    path.write_text('<?xml version="1.0"?>\n' + ElementTree.tostring(sdf, encoding='unicode') + '\n')
    return path


def _add_physics(world: ElementTree.Element) -> None:
    physics = ElementTree.SubElement(world, 'physics', name='1ms', type='ignored')
    _add(physics, 'max_step_size', 0.001)
    _add(physics, 'real_time_factor', 1.0)
    for system, library in _SYSTEMS.items():
        names = {'filename': f'gz-sim-{library}-system', 'name': f'gz::sim::systems::{system}'}
        plugin = ElementTree.SubElement(world, 'plugin', names)
        if system == 'Sensors':
            _add(plugin, 'render_engine', 'ogre2')


def _add_light(world: ElementTree.Element, built: World) -> None:
    scene = ElementTree.SubElement(world, 'scene')
    _add(scene, 'ambient', *[_AMBIENT] * 3, 1)
    _add(scene, 'background', 0.90, 0.92, 0.95, 1)
    _add(scene, 'shadows', 'false')
    model, index = built.model, built.room_light
    light = ElementTree.SubElement(world, 'light', name='room_light', type='directional')
    _add(light, 'cast_shadows', 'false')
    _add(light, 'pose', *model.light_pos[index], 0, 0, 0)
    _add(light, 'diffuse', *(_DIFFUSE * model.light_diffuse[index]), 1)
    _add(light, 'specular', *model.light_specular[index], 1)
    _add(light, 'direction', *model.light_dir[index])


def _add_geom(link: ElementTree.Element, model: mujoco.MjModel, geom: int, folder: Path) -> None:
    name = model.geom(geom).name or f'part_{geom}'
    shape, size = _SHAPES[mujoco.mjtGeom(model.geom_type[geom])], model.geom_size[geom]
    rotation = np.empty(9)
    mujoco.mju_quat2Mat(rotation, model.geom_quat[geom])
    kinds = ('visual', 'collision') if model.geom_conaffinity[geom] else ('visual',)
    for kind in kinds:
        # In a link no two elements may have the same name, whatever they are.
        element = ElementTree.SubElement(link, kind, name=name if kind == 'visual' else f'{name}_{kind}')
        _add(element, 'pose', *model.geom_pos[geom], *euler.mat2euler(rotation.reshape(3, 3), 'sxyz'))
        geometry = ElementTree.SubElement(element, 'geometry')
        texture = _texture(model, geom, folder)
        if shape == _PLANE and texture and kind == 'visual':
            # A mesh, for it says which way up its texture is.
            mesh = ElementTree.SubElement(geometry, 'mesh')
            _add(mesh, 'uri', _write_rectangle(folder / f'{name}.obj', size[0], size[1]).name)
        else:
            _add_shape(geometry, shape, size)
        if kind == 'visual':
            _add_material(element, model.geom_rgba[geom], texture)


def _add_shape(geometry: ElementTree.Element, shape: str, size: Array) -> None:
    if shape == _PLANE:
        plane = ElementTree.SubElement(geometry, 'plane')
        _add(plane, 'normal', 0, 0, 1)
        _add(plane, 'size', *(2 * size[:2]))
        return
    element = ElementTree.SubElement(geometry, shape)
    if shape == 'box':
        _add(element, 'size', *(2 * size))
    elif shape == 'cylinder':
        _add(element, 'radius', size[0])
        _add(element, 'length', 2 * size[1])
    else:
        _add(element, 'radii', *size)


def _add_material(visual: ElementTree.Element, rgba: Array, texture: str | None) -> None:
    material = ElementTree.SubElement(visual, 'material')
    colour = (1, 1, 1, 1) if texture else tuple(rgba)
    _add(material, 'ambient', *colour)
    _add(material, 'diffuse', *colour)
    _add(material, 'specular', 0, 0, 0, 1)
    if texture:
        metal = ElementTree.SubElement(ElementTree.SubElement(material, 'pbr'), 'metal')
        _add(metal, 'albedo_map', texture)
        _add(metal, 'roughness', 1.0)
        _add(metal, 'metalness', 0.0)


def _texture(model: mujoco.MjModel, geom: int, folder: Path) -> str | None:
    """Name of the file that the geom's texture is written to; None where it has none."""
    material = model.geom_matid[geom]
    if material < 0:
        return None
    index = model.mat_texid[material, int(mujoco.mjtTextureRole.mjTEXROLE_RGB)]
    shape = tuple(int(sizes[index]) for sizes in (model.tex_height, model.tex_width, model.tex_nchannel))
    begin = int(model.tex_adr[index])
    pixels = model.tex_data[begin : begin + int(np.prod(shape))].reshape(shape)
    name = f'{model.material(material).name}.png'
    write_image(folder / name, pixels[..., ::-1])
    return name


def _write_rectangle(path: Path, half_width: float, half_height: float) -> Path:
    """Write a rectangle about the origin, facing z, whose texture has its top at +y."""
    corners = ((-1, -1), (1, -1), (1, 1), (-1, 1))
    lines = [f'v {x * half_width:.9g} {y * half_height:.9g} 0' for x, y in corners]
    lines += [f'vt {(x + 1) // 2} {(y + 1) // 2}' for x, y in corners]
    lines += ['vn 0 0 1', 'usemtl matt', 'f 1/1/1 2/2/1 3/3/1', 'f 1/1/1 3/3/1 4/4/1']
    # The visual's own material is the one that is shown, but a mesh without any is warned of.
    material = path.with_suffix('.mtl')
    material.write_text('newmtl matt\nKd 1 1 1\n')
    path.write_text('\n'.join([f'mtllib {material.name}', *lines]) + '\n')
    return path


def _add(parent: ElementTree.Element, tag: str, *values: object) -> None:
    words = (value if isinstance(value, str) else f'{float(value):.9g}' for value in values)  # type: ignore[arg-type]
    ElementTree.SubElement(parent, tag).text = ' '.join(words)
