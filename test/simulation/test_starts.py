from __future__ import annotations

import numpy as np
import pytest

from cnn_vs_ros.benchmark import LOWEST
from cnn_vs_ros.control.differential_ik import DifferentialIk
from cnn_vs_ros.errors import ParameterError
from cnn_vs_ros.geometry import se3
from cnn_vs_ros.run.paper import EXPERIMENTS
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
    with pytest.raises(ParameterError, match='no draw of it was'):
        draw_start(9, 0, accept=lambda pose: False)


def test_starts_near_a_pose_are_that_pose_and_draws_about_it():
    nominal = np.array([0.01, -0.24, -0.09, *np.radians([-10.0, -16.0, -43.0])])
    np.testing.assert_allclose(se3.pose_vector(starts.draw_start_near(nominal, 0, depth=0.8)), nominal, atol=1e-12)
    others = np.array([se3.pose_vector(starts.draw_start_near(nominal, s, depth=0.8)) for s in range(1, 400)])
    deviations = starts.SPREAD * (0.8, 0.8, 0.8, 1, 1, 1)
    np.testing.assert_allclose((others - nominal).std(axis=0), deviations, rtol=0.12)
    np.testing.assert_array_equal(starts.draw_start_near(nominal, 5), starts.draw_start_near(nominal, 5))
    for wrong in (np.zeros(5), np.full(6, np.nan)):
        with pytest.raises(ParameterError, match='six finite numbers'):
            starts.draw_start_near(wrong, 0)
    with pytest.raises(ParameterError, match='seed should not be negative'):
        starts.draw_start_near(nominal, -1)
    with pytest.raises(ParameterError, match='should be reachable'):
        starts.draw_start_near(nominal, 0, accept=lambda pose: False)


def test_a_farther_scene_is_met_from_farther_off():
    near, far = (se3.pose_vector(draw_start(6, 4, depth=depth)) for depth in (0.25, 0.8))
    np.testing.assert_allclose(far[:3], 3.2 * near[:3], rtol=1e-9)
    np.testing.assert_allclose(far[3:], near[3:], rtol=1e-9)


@pytest.mark.parametrize('experiment', EXPERIMENTS.values(), ids=list(EXPERIMENTS))
def test_the_starts_of_the_paper_are_in_reach(experiment):
    robot = SimulatedRobot(experiment.scene)
    for seed in range(4):
        desired_T_current = robot.move_to_start_near(experiment.start_vector, seed)
        np.testing.assert_allclose(robot.world_T_camera, starts.world_T_reference @ desired_T_current, atol=1e-6)


def test_a_camera_must_stay_over_the_table():
    assert starts.above_table(se3.transform(np.eye(3), (0, 0, 0.19)))
    assert not starts.above_table(se3.transform(np.eye(3), (0, 0, 0.21)))


@pytest.mark.parametrize(('batch', 'seed'), [(10, 0), (-1, 0), (0, -1)])
def test_starts_that_there_are_not(batch, seed):
    with pytest.raises(ParameterError, match='should'):
        draw_start(batch, seed)


def smallest_singular_value(ik, q) -> float:
    return float(np.linalg.svd(ik.jacobian(q), compute_uv=False)[-1])


def test_the_reference_looks_straight_down_from_its_depth_far_from_singularities(ik):
    q = starts.reference_joint_positions(ik)
    np.testing.assert_allclose(ik.pose(q), starts.world_T_reference, atol=1e-9)
    np.testing.assert_array_equal(starts.world_T_reference[:3, 2], (0, 0, -1))
    assert smallest_singular_value(ik, q) > 0.2


def test_every_start_of_the_hardest_batch_is_reached_clear_of_the_table(ik):
    robot = SimulatedRobot('low_texture')
    for seed in range(40):
        desired_T_current = robot.move_to_start(9, seed)
        np.testing.assert_array_equal(desired_T_current, draw_start(9, seed))
        np.testing.assert_allclose(robot.world_T_camera, starts.world_T_reference @ desired_T_current, atol=1e-6)
        assert robot.world_T_camera[2, 3] > LOWEST
        assert smallest_singular_value(ik, robot.joint_positions) > 0.08
