from __future__ import annotations

import numpy as np
import pytest

from cnn_vs_ros.control import DifferentialIk
from cnn_vs_ros.control.collision import CollisionCheck
from cnn_vs_ros.errors import DescriptionError, ParameterError
from cnn_vs_ros.simulation import load_robot_description

URDF = load_robot_description()
IK = DifferentialIk(URDF)
POSTURE = np.array([-0.2403, -1.3321, 1.8345, -2.0732, -1.5708, 1.3305])
"""The reference posture of the simulated arm, 25 cm over the table."""


@pytest.fixture(scope='module')
def check() -> CollisionCheck:
    return CollisionCheck(IK, URDF, table=0.0)


def test_neighbours_are_left_out_and_parts_that_can_meet_are_not(check):
    pairs = {frozenset(name.rpartition('_')[0] or name for name in pair) for pair in check.pairs}
    assert frozenset(('wrist_1_link', 'wrist_2_link')) not in pairs
    assert frozenset(('upper_arm_link', 'camera_link')) in pairs
    assert frozenset(('base_link', 'camera_link')) in pairs
    assert any('table' in pair and 'camera_link_0' in pair for pair in check.pairs)


def test_far_from_everything_nothing_is_slowed(check):
    assert check.distances(POSTURE).min() > 0.05
    for velocities in np.vstack([np.eye(6), -np.eye(6)]):
        assert check.scale(POSTURE, velocities) == 1.0


@pytest.mark.parametrize('joint', ['table', 'itself'])
def test_an_arm_that_runs_at_something_halts_before_it_and_is_free_to_leave(check, joint):
    q, now = POSTURE.copy(), 0.0
    for _ in range(4000):
        if joint == 'table':
            down = np.append(IK.pose(q)[:3, :3].T @ [0.0, 0.0, -0.2], np.zeros(3))
            wanted = IK.joint_velocities(q, down)
        else:
            wanted = np.array([0.0, 0.0, 0.5, 0.0, 0.0, 0.0])  # folds the elbow
        q = q + 0.01 * wanted * check.scale(q, wanted)
        now += 0.01
        if check.scale(q, wanted) == 0.0:
            break
    least = check.distances(q).min()
    assert 0.0 < least < 0.015
    assert check.scale(q, -wanted) == 1.0


def test_what_cannot_be_checked_is_refused():
    bare = URDF.replace('<collision>', '<!--').replace('</collision>', '-->')
    with pytest.raises(DescriptionError, match='should have collision geometry but has none'):
        CollisionCheck(DifferentialIk(bare), bare)
    mesh = URDF.replace('<collision>', '<collision><geometry><mesh filename="package://no/no.stl"/></geometry>', 1)
    with pytest.raises(DescriptionError):
        CollisionCheck(IK, mesh)
    with pytest.raises(ParameterError, match='0 <= halt < slow'):
        CollisionCheck(IK, URDF, slow=0.01, halt=0.02)
