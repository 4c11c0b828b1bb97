"""What a URDF says about how the robot looks: its boxes, cylinders and spheres."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.errors import DescriptionError
from cnn_vs_ros.foreign.urdf import numbers, parse_urdf
from cnn_vs_ros.geometry import se3

Array = NDArray[np.float64]

GREY = (200, 202, 205)


@dataclass(frozen=True)
class Shape:
    """One solid of a link: box (x, y, z), cylinder (radius, length) or sphere (radius,), metres, RGB colour."""

    link: str
    kind: str
    size: tuple[float, ...]
    link_T_shape: Array
    colour: tuple[int, int, int]


def robot_shapes(urdf: str) -> list[Shape]:
    """The primitive visuals of a URDF; meshes are left out. Raises DescriptionError when it is none."""
    robot = parse_urdf(urdf)
    colours = {item.get('name'): _colour(item) for item in robot.iterfind('material')}
    shapes = []
    for link in robot.iterfind('link'):
        for visual in link.iterfind('visual'):
            shape = _size(visual.find('geometry'))
            if shape is not None:
                material = visual.find('material')
                colour = None if material is None else _colour(material) or colours.get(material.get('name'))
                pose = _origin(visual.find('origin'))
                shapes.append(Shape(link.get('name', ''), *shape, pose, colour or GREY))
    return shapes


def robot_edges(urdf: str) -> list[tuple[str, str]]:
    """Parent and child link of every joint of a URDF. Raises DescriptionError when it is none."""
    ends = ((joint.find('parent'), joint.find('child')) for joint in parse_urdf(urdf).iterfind('joint'))
    return [(a.get('link', ''), b.get('link', '')) for a, b in ends if a is not None and b is not None]


def _size(geometry: ElementTree.Element | None) -> tuple[str, tuple[float, ...]] | None:
    if geometry is None:
        return None
    box, cylinder, sphere = (geometry.find(name) for name in ('box', 'cylinder', 'sphere'))
    if box is not None:
        return 'box', _sizes(box, 'size')
    if cylinder is not None:
        return 'cylinder', (*_sizes(cylinder, 'radius'), *_sizes(cylinder, 'length'))
    return None if sphere is None else ('sphere', _sizes(sphere, 'radius'))


def _sizes(element: ElementTree.Element, name: str) -> tuple[float, ...]:
    sizes = numbers(element.get(name))
    if not sizes or min(sizes) <= 0:
        raise DescriptionError(f'<{element.tag}> should have a positive {name} but has {element.get(name)!r}')
    return sizes


def _origin(element: ElementTree.Element | None) -> Array:
    """Pose (4, 4) of an origin: fixed-axis roll, pitch, yaw, then the translation."""
    if element is None:
        return np.eye(4)
    turns = zip(numbers(element.get('rpy', '0 0 0')), np.eye(3), strict=True)
    roll, pitch, yaw = (se3.rotation_exp(angle * axis) for angle, axis in turns)
    return se3.transform(yaw @ pitch @ roll, numbers(element.get('xyz', '0 0 0')))


def _colour(material: ElementTree.Element) -> tuple[int, int, int] | None:
    colour = material.find('color')
    if colour is None:
        return None
    values = numbers(colour.get('rgba'))
    if len(values) < 3:
        return None
    red, green, blue = (round(255 * min(1.0, max(0.0, value))) for value in values[:3])
    return red, green, blue
