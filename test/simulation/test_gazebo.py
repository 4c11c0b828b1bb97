from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import cv2
import numpy as np
import pytest

from cnn_vs_ros.geometry import se3
from cnn_vs_ros.simulation import SCENES, SimulationError
from cnn_vs_ros.simulation.gazebo import write_world


def pose(element: ElementTree.Element) -> np.ndarray:
    x, y, z, roll, pitch, yaw = map(float, element.findtext('pose').split())
    turns = [se3.rotation_exp(axis) for axis in ((0, 0, yaw), (0, pitch, 0), (roll, 0, 0))]
    return se3.transform(turns[0] @ turns[1] @ turns[2], (x, y, z))


@pytest.fixture(scope='module')
def relief(tmp_path_factory):
    folder = tmp_path_factory.mktemp('relief')
    return folder, ElementTree.parse(write_world('relief', folder)).getroot()


def test_the_file_has_what_gazebo_needs(relief):
    folder, sdf = relief
    assert (sdf.tag, sdf.get('version')) == ('sdf', '1.9')
    world = sdf.find('world')
    assert world.get('name') == 'relief'
    assert {plugin.get('name').rpartition('::')[2] for plugin in world.iterfind('plugin')} == {
        'Physics',
        'UserCommands',
        'SceneBroadcaster',
        'Sensors',
    }
    assert world.findtext('model/static') == 'true'
    assert min(len(world.findall(f'model/link/{tag}')) for tag in ('visual', 'collision')) > 5
    for file in [*world.iter('albedo_map'), *world.iter('uri')]:
        assert (folder / file.text).is_file()


def test_no_two_children_of_an_element_have_one_name(relief):
    """As libsdformat 14 checks it: a visual and a collision of one name are an error."""
    for parent in relief[1].iter():
        names = [child.get('name') for child in parent if child.get('name')]
        assert len(names) == len(set(names))


def test_the_picture_lies_where_the_simulators_does_with_its_top_up(relief):
    folder, sdf = relief
    scene = SCENES['relief']
    picture = next(item for item in sdf.iter('visual') if item.get('name') == 'picture')
    image = cv2.imread(str(folder / picture.findtext('material/pbr/metal/albedo_map')))
    np.testing.assert_array_equal(image, scene.texture())
    lines = [line.split() for line in (folder / picture.findtext('geometry/mesh/uri')).read_text().splitlines()]
    vertices = np.array([line[1:] for line in lines if line[0] == 'v'], float)
    texture = np.array([line[1:] for line in lines if line[0] == 'vt'], float)
    # From texture coordinates (v up) to pixels, to the picture's frame, to the world: there the mesh has them.
    height, width = image.shape[:2]
    pixels = np.column_stack([texture[:, 0] * width, (1 - texture[:, 1]) * height])
    metres = (pixels - (width / 2, height / 2)) / scene.pixels_per_metre
    expected = [scene.world_T_picture @ (*point, 0.0, 1.0) for point in metres]
    placed = [pose(picture) @ (*vertex, 1.0) for vertex in vertices]
    np.testing.assert_allclose(placed, expected, atol=1e-6)
    # It faces up: the face's corners turn counter-clockwise.
    corners = [np.array(placed[int(word.partition('/')[0]) - 1][:3]) for word in lines[-1][1:]]
    assert np.cross(corners[1] - corners[0], corners[2] - corners[1])[2] > 0


def test_the_objects_stand_where_the_simulators_do(relief):
    _, sdf = relief
    scene = SCENES['relief']
    visuals = {item.get('name'): item for item in sdf.iter('visual')}
    for index, thing in enumerate(scene.objects):
        visual = visuals[f'object_{index}']
        x, y = (scene.world_T_picture @ (*thing.position, 0.0, 1.0))[:2]
        np.testing.assert_allclose(pose(visual)[:2, 3], (x, y), atol=1e-6)
        assert visual.find(f'geometry/{thing.shape}') is not None
        if thing.shape == 'box':
            size = np.array(visual.findtext('geometry/box/size').split(), float)
            np.testing.assert_allclose(size, thing.size, atol=1e-6)
    assert sum(name.startswith('object_') for name in visuals) == len(scene.objects)


def test_an_unknown_scene_is_refused(tmp_path):
    with pytest.raises(SimulationError, match='scene should be one of'):
        write_world('beach', tmp_path)
