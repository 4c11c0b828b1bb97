"""Robot descriptions: XML of a bounded size that describes one tree of links."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree
from xml.parsers import expat

from cnn_vs_ros.errors import DescriptionError

MAX_CHARACTERS = 1 << 22
MAX_DEPTH = 64
MAX_ELEMENTS = 100_000
MAX_JOINTS = 500
"""Joints of a description, fixed ones among them: a model costs memory with the square of their number."""

_LARGEST = 1e6
"""Metres or radians that no robot has."""

_NUMBERS = {
    'origin': {'xyz': 3, 'rpy': 3},
    'axis': {'xyz': 3},
    'limit': {'lower': 1, 'upper': 1, 'velocity': 1, 'effort': 1},
    'inertia': {'ixx': 1, 'ixy': 1, 'ixz': 1, 'iyy': 1, 'iyz': 1, 'izz': 1},
    'mass': {'value': 1},
    'box': {'size': 3},
    'cylinder': {'radius': 1, 'length': 1},
    'sphere': {'radius': 1},
    'color': {'rgba': 4},
    'mimic': {'multiplier': 1, 'offset': 1},
    'dynamics': {'damping': 1, 'friction': 1},
    'calibration': {'rising': 1, 'falling': 1},
    'safety_controller': {'soft_lower_limit': 1, 'soft_upper_limit': 1, 'k_position': 1, 'k_velocity': 1},
}
"""Attributes that hold that many numbers, by element."""


def parse_xml(text: str) -> ElementTree.Element:
    """Root element of an XML text.

    Raises:
        DescriptionError: no XML, one that is too large or too deep, or one with a document type (entities grow).
    """
    if len(text) > MAX_CHARACTERS:
        raise DescriptionError(
            f'robot description should have at most {MAX_CHARACTERS} characters but has {len(text)}'
        )
    depth = count = 0

    def enter(*_: object) -> None:
        nonlocal depth, count
        depth, count = depth + 1, count + 1
        if depth > MAX_DEPTH or count > MAX_ELEMENTS:
            raise DescriptionError(
                f'robot description should have at most {MAX_ELEMENTS} elements in {MAX_DEPTH} levels but has more'
            )

    def leave(_: str) -> None:
        nonlocal depth
        depth -= 1

    def refuse(*_: object) -> None:
        raise DescriptionError('robot description should have no document type but has one')

    parser = expat.ParserCreate('utf-8')  # whatever the text says that it was before it was text
    parser.StartElementHandler, parser.EndElementHandler = enter, leave
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(text.encode(), True)
        return ElementTree.fromstring(text, ElementTree.XMLParser(encoding='utf-8'))
    except (expat.ExpatError, ElementTree.ParseError, ValueError) as error:
        if isinstance(error, DescriptionError):
            raise
        raise DescriptionError(f'robot description should be URDF but is not even XML: {error}') from error


def parse_urdf(text: str) -> ElementTree.Element:
    """Root element of a URDF whose links are one tree and whose numbers are numbers.

    Raises:
        DescriptionError: it is none, or has more joints than MAX_JOINTS.
    """
    robot = parse_xml(text)
    if robot.tag != 'robot':
        raise DescriptionError(f'robot description should have a <robot> element but has <{robot.tag[:60]}>')
    for element in robot.iter():
        for name, count in _NUMBERS.get(element.tag, {}).items():
            if name in element.attrib:
                _check_numbers(element, name, count)
    _check_tree(robot)
    return robot


def numbers(text: str | None) -> tuple[float, ...]:
    """Numbers of an attribute of a URDF. Raises DescriptionError where one is none, not finite or immense."""
    try:
        values = tuple(float(word) for word in (text or '').split())
    except ValueError as error:
        raise DescriptionError(f'robot description should have numbers but has {_short(text)}') from error
    if not all(math.isfinite(value) and abs(value) <= _LARGEST for value in values):
        raise DescriptionError(f'robot description should have numbers up to {_LARGEST:g} but has {_short(text)}')
    return values


def _check_numbers(element: ElementTree.Element, name: str, count: int) -> None:
    text = element.get(name)
    if len(numbers(text)) != count:
        raise DescriptionError(
            f'robot description should have {count} numbers as {name} of <{element.tag}> but has {_short(text)}'
        )


def _check_tree(robot: ElementTree.Element) -> None:
    joints = robot.findall('joint')
    if len(joints) > MAX_JOINTS:
        raise DescriptionError(f'robot description should have at most {MAX_JOINTS} joints but has {len(joints)}')
    links = [link.get('name') or '' for link in robot.iterfind('link')]
    if not links or '' in links or len(set(links)) != len(links):
        raise DescriptionError('robot description should have links, each with a name of its own, but has not')
    parents: dict[str, str] = {}
    names = set()
    for joint in joints:
        name = joint.get('name') or ''
        if not name or name in names:
            raise DescriptionError(f'each joint should have a name of its own but one is {_short(name)}')
        names.add(name)
        ends = [joint.find(end) for end in ('parent', 'child')]
        parent, child = ('' if end is None else end.get('link') or '' for end in ends)
        if not {parent, child} <= set(links):
            raise DescriptionError(
                f'joint {_short(name)} should be between two links of the description but is between '
                f'{_short(parent)} and {_short(child)}'
            )
        if child in parents:
            raise DescriptionError(f'link {_short(child)} should be the child of one joint but is that of two')
        parents[child] = parent
    for link in links:
        steps = 0
        while link in parents and steps <= len(parents):
            link, steps = parents[link], steps + 1
        if steps > len(parents):
            raise DescriptionError(f'the links should be a tree but {_short(link)} is among its own parents')
    roots = [link for link in links if link not in parents]
    if len(roots) != 1:
        raise DescriptionError(
            f'robot description should have one root link but has {", ".join(map(_short, roots[:5]))}'
        )


def _short(text: str | None) -> str:
    return repr(text if text is None or len(text) <= 60 else f'{text[:60]}...')
