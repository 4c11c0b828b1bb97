import numpy as np
import pytest

from cnn_vs_ros.errors import DepthError
from cnn_vs_ros.estimation.depth_calibration import (
    ARM_POSITION,
    ARM_ROTATION,
    DepthObservation,
    calibrate_depth,
    mean_pose,
)
from cnn_vs_ros.geometry import RelativePose, se3

DEPTH = 0.4
BASE_T_DESIRED = se3.from_pose_vector([0.5, 0.1, 0.4, 2.9, 0.3, -0.2])
START = se3.from_pose_vector([0.02, -0.01, 0.01, 0.1, -0.05, 0.4])
TRIANGLE = ((0, 0, 0), (0.04, 0, 0), (-0.02, 0.035, 0), (-0.02, -0.035, 0))

# A shift to the right looks much like a turn: the errors of tx and ry go together, those of ty and rx against.
SIGMA = np.diag([4e-4, 4e-4, 1e-4, 1e-3, 1e-3, 1e-4])
CORRELATION = np.eye(6)
CORRELATION[0, 4] = CORRELATION[4, 0] = -0.98
CORRELATION[1, 3] = CORRELATION[3, 1] = 0.98
COVARIANCE = SIGMA @ CORRELATION @ SIGMA


def observed(
    rng=None, assumed=0.25, offsets=TRIANGLE, turns=None, covariance=COVARIANCE, hand_eye=(0, 0, 0), told=None
):
    """Observations about START with errors drawn from their own covariances, none without a generator."""
    noise = rng.multivariate_normal if rng is not None else lambda mean, _: mean
    arm_covariance = np.diag(np.repeat([ARM_POSITION**2, ARM_ROTATION**2], 3))
    axes = se3.transform(se3.rotation_exp(hand_eye), np.zeros(3))
    observations = []
    for index, offset in enumerate(offsets):
        turn = np.zeros(3) if turns is None else turns[index]
        desired_T_camera = START @ se3.from_pose_vector([*offset, *turn])
        seen = desired_T_camera.copy()
        seen[:3, 3] *= assumed / DEPTH
        seen = seen @ se3.from_pose_vector(noise(np.zeros(6), covariance))
        arm = BASE_T_DESIRED @ desired_T_camera @ axes @ se3.from_pose_vector(noise(np.zeros(6), arm_covariance))
        observations.append(DepthObservation(arm, RelativePose(seen, covariance if told is None else told)))
    return observations


@pytest.mark.parametrize('assumed', [0.05, 0.25, 0.4, 3.0])
def test_without_noise_the_depth_is_exact_whatever_was_assumed(assumed):
    turns = [(0, 0, 0), (0.1, 0, 0), (0, 0.2, 0.1), (-0.1, 0, 0.3)]
    for observations in (observed(assumed=assumed), observed(assumed=assumed, turns=turns)):
        result = calibrate_depth(observations, assumed)
        assert result.depth == pytest.approx(DEPTH, rel=1e-7)
        assert result.disagreement < 1e-7


def test_one_motion_is_enough():
    for offset in np.eye(3) * 0.03:
        assert calibrate_depth(observed(offsets=((0, 0, 0), offset)), 0.25).depth == pytest.approx(DEPTH, rel=1e-6)


def test_the_standard_deviation_is_that_of_the_errors():
    rng = np.random.default_rng(0)
    results = [calibrate_depth(observed(rng), 0.25) for _ in range(120)]
    normalised = np.array([(result.depth - DEPTH) / result.sigma for result in results])
    # The result's inflation by the residuals only ever adds.
    assert 0.75 < normalised.std() < 1.05
    assert abs(normalised.mean()) < 0.2
    assert (np.abs(normalised) < 2).mean() > 0.93


def test_errors_greater_than_their_covariances_make_the_result_less_certain():
    rng = np.random.default_rng(1)
    honest = np.median([calibrate_depth(observed(rng), 0.25).sigma for _ in range(40)])
    results = [calibrate_depth(observed(rng, told=COVARIANCE / 25), 0.25) for _ in range(50)]
    assert np.median([result.sigma for result in results]) > 0.5 * honest
    assert np.std([(result.depth - DEPTH) / result.sigma for result in results]) < 1.6


def test_a_shift_taken_for_a_turn_is_set_right_by_what_the_arm_knows_of_the_turn():
    rng = np.random.default_rng(2)
    errors = np.array([calibrate_depth(observed(rng), 0.25).depth / DEPTH - 1 for _ in range(40)])
    independent = np.diag(np.diag(COVARIANCE))
    blind = np.array([calibrate_depth(observed(rng, told=independent), 0.25).depth / DEPTH - 1 for _ in range(40)])
    assert errors.std() < 0.5 * blind.std()


def test_the_depth_does_not_suffer_from_a_turned_hand_eye_calibration_which_is_measured():
    turned = np.array([0.01, -0.02, 0.015])
    quiet = 1e-4 * COVARIANCE
    result = calibrate_depth(observed(np.random.default_rng(3), hand_eye=turned, covariance=quiet), 0.25)
    assert result.depth == pytest.approx(DEPTH, rel=2e-3)
    assert result.hand_eye_angle == pytest.approx(np.linalg.norm(turned), rel=0.1)


@pytest.mark.parametrize(
    ('observations', 'sentence'),
    [
        (observed(offsets=TRIANGLE[:1]), 'from two places or more but was from 1'),
        (observed(offsets=((0, 0, 0),) * 3), 'moved by 0.00 mm'),
        (observed(offsets=((0, 0, 0),) * 2, turns=((0, 0, 0), (0.2, 0, 0))), 'a turn alone tells nothing'),
        (observed(offsets=((0, 0, 0), (0.002, 0, 0)), covariance=25 * COVARIANCE), 'move farther'),
        (observed(offsets=TRIANGLE, hand_eye=(0, 0, np.pi)), 'should go the way of those of the arm'),
    ],
)
def test_observations_that_tell_no_depth_are_refused_with_a_sentence(observations, sentence):
    with pytest.raises(DepthError, match=sentence):
        calibrate_depth(observations, 0.25)


def test_a_scene_that_moved_is_refused():
    observations = observed()
    moved = observations[2].pose.transform @ se3.from_pose_vector([0.012, 0, 0, 0, 0, 0])
    observations[2] = DepthObservation(observations[2].base_T_camera, RelativePose(moved, COVARIANCE))
    with pytest.raises(DepthError, match=r'should agree with those of the arm but differ by \d\d%'):
        calibrate_depth(observations, 0.25)


def test_the_mean_of_poses_is_between_them_and_no_surer_than_each():
    offsets = np.random.default_rng(4).normal(0, 1e-3, (20, 6))
    poses = [RelativePose(START @ se3.from_pose_vector(offset), COVARIANCE) for offset in offsets]
    mean = mean_pose(poses)
    difference = se3.pose_vector(se3.inverse(START) @ mean.transform)
    np.testing.assert_allclose(difference, offsets.mean(axis=0), atol=2e-6)
    np.testing.assert_allclose(mean.covariance, COVARIANCE)
