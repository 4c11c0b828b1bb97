from __future__ import annotations

import numpy as np
import pytest

from cnn_vs_ros.control.differential_ik import DifferentialIk
from cnn_vs_ros.errors import ParameterError
from cnn_vs_ros.geometry import se3
from cnn_vs_ros.simulation import SimulatedRobot, draw_start, load_robot_description, starts


@pytest.fixture(scope='module')
def ik() -> DifferentialIk:
    return DifferentialIk(load_robot_description())


def test_offsets_grow_linearly_from_none_to_the_papers():
    for batch in range(10):
        vectors = np.array([se3.pose_vector(draw_start(batch, seed)) for seed in range(400)])
        expected = np.array([0.04, 0.04, 0.02, *np.radians([20, 20, 50])]) * batch / 9
        np.testing.assert_allclose(vectors.std(axis=0), expected, rtol=0.12, atol=1e-12)
        np.testing.assert_allclose(vectors.mean(axis=0), 0, atol=expected.max() * 0.15 + 1e-12)


def test_a_start_is_that_of_its_batch_and_seed_alone():
    np.testing.assert_array_equal(draw_start(6, 3), draw_start(6, 3))
    assert np.abs(draw_start(6, 3) - draw_start(6, 4)).max() > 1e-3
    assert np.abs(draw_start(6, 3) - draw_start(7, 3)).max() > 1e-3


def test_a_refused_start_gives_way_to_the_next_draw():
    refused = []

    def third(pose: np.ndarray) -> bool:
        refused.append(pose)
        return len(refused) == 3

    pose = draw_start(9, 0, accept=third)
    np.testing.assert_array_equal(pose, refused[2])
    np.testing.assert_array_equal(refused[0], draw_start(9, 0))
    with pytest.raises(ParameterError, match='1000 draws were not'):
        draw_start(9, 0, accept=lambda pose: False)


def test_a_camera_must_stay_over_the_table():
    assert starts.above_table(se3.transform(np.eye(3), (0, 0, 0.19)))
    assert not starts.above_table(se3.transform(np.eye(3), (0, 0, 0.21)))


@pytest.mark.parametrize(('batch', 'seed'), [(10, 0), (-1, 0), (0, -1)])
def test_starts_that_there_are_not(batch, seed):
    with pytest.raises(ParameterError, match='should'):
        draw_start(batch, seed)


def test_the_reference_looks_straight_down_from_its_depth_far_from_singularities(ik):
    q = starts.reference_joint_positions(ik)
    np.testing.assert_allclose(ik.pose(q), starts.world_T_reference, atol=1e-9)
    np.testing.assert_array_equal(starts.world_T_reference[:3, 2], (0, 0, -1))
    assert ik.smallest_singular_value(q) > 0.2


def test_every_start_of_the_hardest_batch_is_reached_clear_of_the_table(ik):
    robot = SimulatedRobot('low_texture')
    for seed in range(40):
        desired_T_current = robot.move_to_start(9, seed)
        np.testing.assert_array_equal(desired_T_current, draw_start(9, seed))
        np.testing.assert_allclose(robot.world_T_camera, starts.world_T_reference @ desired_T_current, atol=1e-6)
        assert robot.world_T_camera[2, 3] > starts.LOWEST
        assert ik.smallest_singular_value(robot.joint_positions) > 0.08
