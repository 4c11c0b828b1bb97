import numpy as np
import pytest

from cnn_vs_ros.control import DifferentialIk
from cnn_vs_ros.errors import DescriptionError
from cnn_vs_ros.simulation.description import load_robot_description

pytest.importorskip('viser', reason='viser is not installed')
from cnn_vs_ros.view.robot_shapes import GREY, robot_edges, robot_shapes

LINK = """
<robot name="r"><material name="red"><color rgba="1 0 0 1"/></material>
<link name="a"><visual><origin xyz="1 2 3" rpy="0 0 1.5707963267948966"/><geometry><box size="1 2 3"/></geometry>
<material name="red"/></visual>
<visual><geometry><mesh filename="package://nothing/a.stl"/></geometry></visual>
<visual><geometry><cylinder radius="0.1" length="2"/></geometry></visual></link></robot>
"""


def test_primitives_are_read_with_their_place_and_colour_and_meshes_left_out():
    box, cylinder = robot_shapes(LINK)
    assert (box.link, box.kind, box.size, box.colour) == ('a', 'box', (1.0, 2.0, 3.0), (255, 0, 0))
    np.testing.assert_allclose(box.link_T_shape @ (1, 0, 0, 1), (1, 3, 3, 1), atol=1e-12)
    assert (cylinder.kind, cylinder.size, cylinder.colour) == ('cylinder', (0.1, 2.0), GREY)


def test_every_shape_and_joint_of_the_arm_has_a_link_with_a_pose():
    urdf = load_robot_description()
    poses = DifferentialIk(urdf).link_poses(np.zeros(6))
    assert len(robot_shapes(urdf)) > 10
    assert {shape.link for shape in robot_shapes(urdf)} <= set(poses)
    assert {link for edge in robot_edges(urdf) for link in edge} <= set(poses)


def test_the_pose_of_the_tip_is_among_those_of_the_links():
    ik, q = DifferentialIk(load_robot_description()), np.linspace(-1, 1, 6)
    np.testing.assert_allclose(ik.link_poses(q)['camera_optical_frame'], ik.pose(q), atol=1e-12)


def test_what_is_no_xml_is_refused():
    with pytest.raises(DescriptionError, match='not even XML'):
        robot_shapes('nothing')
