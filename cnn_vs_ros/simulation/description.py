"""The robot description: one xacro file that MuJoCo, Pinocchio, RViz and Gazebo all read."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

from cnn_vs_ros.errors import DescriptionError
from cnn_vs_ros.foreign.urdf import parse_urdf
from cnn_vs_ros.resources import resource_path

ARM = 'description/arm.urdf.xacro'

_XACRO = '{http://www.ros.org/wiki/xacro}'


@dataclass(frozen=True)
class JointLimits:
    """Limits of one joint: positions in radians, speed in radians a second."""

    name: str
    lower: float
    upper: float
    velocity: float


def load_robot_description(path: str | Path | None = None, **xacro_args: object) -> str:
    """Return the URDF of a xacro file (by default this package's arm), expanded with the given arguments.

    The arm takes `camera_xyz` and `camera_rpy` (pose of camera_link on the tool flange, metres and radians, three
    numbers in a string), the intrinsics `camera_width`, `camera_height`, `camera_fx`, `camera_fy`, `camera_cx` and
    `camera_cy` (pixels), and `hardware`: none, mock or gazebo.

    Raises:
        DescriptionError: the file is missing, is not valid xacro or has no such argument.
    """
    path = Path(path) if path is not None else resource_path(ARM)
    if not path.is_file():
        raise DescriptionError(f'robot description should be a xacro file but there is none at {path}')
    mappings = {name: str(value) for name, value in xacro_args.items()}
    declared = _declared_arguments(path)
    unknown = sorted(set(mappings) - declared)
    if unknown:
        raise DescriptionError(
            f'{path.name} takes the xacro arguments {", ".join(sorted(declared)) or "none"} '
            f'but got {", ".join(unknown)}'
        )
    import xacro  # an extra, which those who only name the scenes need not have

    try:
        return str(xacro.process_file(str(path), mappings=mappings).toprettyxml(indent='  '))
    except Exception as error:  # xacro raises many kinds, some of them bare
        raise DescriptionError(f'robot description {path.name} should be valid xacro but: {error}') from error


def joint_limits(urdf: str) -> list[JointLimits]:
    """Limits of the revolute joints of a URDF, in the order they are written.

    Raises:
        DescriptionError: the text is no URDF or a revolute joint has no limits.
    """
    limits = []
    for joint in parse_urdf(urdf).iterfind('joint'):
        if joint.get('type') != 'revolute':
            continue
        limit = joint.find('limit')
        if limit is None:
            raise DescriptionError(f'revolute joint {joint.get("name")!r} should have a limit but has none')
        values = {name: float(limit.get(name, 0.0)) for name in ('lower', 'upper', 'velocity')}
        limits.append(JointLimits(joint.get('name', ''), **values))
    return limits


def _declared_arguments(path: Path) -> set[str]:
    """Arguments that a xacro file and those it includes from its own folder take."""
    try:
        root = ElementTree.parse(path).getroot()
    except ElementTree.ParseError as error:
        raise DescriptionError(
            f'robot description {path.name} should be xacro but is not even XML: {error}'
        ) from error
    declared = {name for arg in root.iter(f'{_XACRO}arg') if (name := arg.get('name'))}
    for include in root.iter(f'{_XACRO}include'):
        included = path.parent / include.get('filename', '')
        if included.is_file():
            declared |= _declared_arguments(included)
    return declared
