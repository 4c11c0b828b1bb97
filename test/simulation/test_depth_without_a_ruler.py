"""The depth found by known motions of the simulated arm, with rendered images and the shipped estimator."""

import numpy as np
import pytest

from cnn_vs_ros.control import DifferentialIk, ProbingLimits, ProbingMotion
from cnn_vs_ros.estimation import PoseEstimator, Reference
from cnn_vs_ros.estimation.depth_calibration import DepthObservation, calibrate_depth, mean_pose
from cnn_vs_ros.geometry import se3
from cnn_vs_ros.simulation import SimulatedRobot
from cnn_vs_ros.simulation.scenes import world_T_reference

LIMITS = ProbingLimits(linear_velocity=0.06, linear_acceleration=0.5, samples=2, settle_time=0.1)
PERIOD, IMAGE_EVERY = 0.02, 4


def probe(robot, kinematics, estimator, assumed):
    """Observations of a whole probing motion."""
    pose = lambda: kinematics.pose(robot.joint_positions)  # noqa: E731
    motion = ProbingMotion(pose(), assumed, LIMITS, robot.time)
    count = 0
    while not motion.finished:
        if count % IMAGE_EVERY == 0:
            motion.add_estimate(estimator.estimate(robot.render()), robot.time)
        twist = motion.update(robot.time, pose())
        robot.command_velocity(kinematics.joint_velocities(robot.joint_positions, twist))
        robot.step(PERIOD)
        count += 1
    return [DepthObservation(place.base_T_camera, mean_pose(place.poses)) for place in motion.places]


@pytest.mark.parametrize(('scene', 'depth', 'assumed'), [('photo', 0.25, 1.0), ('poster', 0.80, 0.2)])
def test_the_depth_is_found_to_two_per_cent_whatever_was_assumed(scene, depth, assumed):
    robot = SimulatedRobot(scene, seed=3)
    robot.move_to_reference()
    estimator = PoseEstimator.load()
    estimator.set_reference(Reference(robot.render(), robot.camera, assumed))
    robot.move_to_start(1, 3)
    result = calibrate_depth(
        probe(robot, DifferentialIk(robot.urdf, 'camera_optical_frame'), estimator, assumed), assumed
    )
    robot.close()
    assert result.depth == pytest.approx(depth, rel=0.02)
    assert result.sigma < 0.01 * depth
    assert result.hand_eye_angle < np.radians(1.0)


def test_the_plane_of_an_oblique_reference_is_found_with_its_depth_whatever_was_assumed():
    robot = SimulatedRobot('photo', seed=3)
    turn = se3.rotation_exp(np.radians([25.0, -15.0, 0.0]))
    middle = np.array([0.0, 0.0, robot.scene.depth])
    robot.move_camera_to(world_T_reference @ se3.transform(turn, middle - turn @ middle))
    estimator = PoseEstimator.load()
    estimator.set_reference(Reference(robot.render(), robot.camera, 1.0))
    result = calibrate_depth(probe(robot, DifferentialIk(robot.urdf, 'camera_optical_frame'), estimator, 1.0), 1.0)
    robot.close()
    assert result.depth == pytest.approx(robot.scene.depth, rel=0.02)
    found, true_normal = estimator.believed_plane, turn[2]
    error = np.arccos(found.unit_normal @ true_normal)
    assert error < np.radians(1.0)
    assert found.sigma < np.radians(3.0)
