from __future__ import annotations

import numpy as np
import pytest

from cnn_vs_ros.control import Convergence, ConvergenceSettings
from cnn_vs_ros.errors import ParameterError
from cnn_vs_ros.geometry import PoseStatus, RelativePose, se3

PERIOD = 1 / 30


def pose(translation=(0.0, 0.0, 0.0), theta_u=(0.0, 0.0, 0.0)) -> RelativePose:
    return RelativePose(se3.from_pose_vector([*translation, *theta_u]))


def make() -> Convergence:
    return Convergence(ConvergenceSettings(translation=5e-5, rotation=3.5e-4, hold_time=0.5))


def first_convergence(poses) -> float | None:
    convergence = make()
    times = (index * PERIOD for index in range(len(poses)))
    return next(
        (time for sample, time in zip(poses, times, strict=True) if convergence.update(sample, time)), None
    )


def test_converges_after_the_hold_time_and_not_before():
    assert first_convergence([pose()] * 40) == pytest.approx(0.5, abs=PERIOD)


def test_noise_of_the_estimate_does_not_hide_convergence():
    noise = np.random.default_rng(0).normal(0, (2e-5, 2e-5, 2e-5, 1e-4, 1e-4, 1e-4), (60, 6))
    assert first_convergence([pose(sample[:3], sample[3:]) for sample in noise]) < 0.7


@pytest.mark.parametrize('offset', [((0, 0, 6e-5), (0, 0, 0)), ((0, 0, 0), (0, 4e-4, 0))])
def test_a_mean_beyond_a_threshold_is_not_convergence(offset):
    assert first_convergence([pose(*offset)] * 60) is None


def test_an_oscillation_about_the_goal_is_not_convergence():
    assert first_convergence([pose((3e-4 * (-1) ** index, 0, 0)) for index in range(60)]) is None


def test_a_slow_passage_through_the_goal_is_not_convergence():
    # 2 mm/s: within the thresholds for 0.05 s only.
    assert first_convergence([pose((0.01 - 2e-3 * index * PERIOD, 0, 0)) for index in range(300)]) is None


@pytest.mark.parametrize('interruption', [pose((1e-3, 0, 0)), RelativePose(np.eye(4), status=PoseStatus.LOST)])
def test_the_hold_time_starts_anew_after_an_interruption(interruption):
    poses = [pose()] * 10 + [interruption] + [pose()] * 30
    assert first_convergence(poses) == pytest.approx(11 * PERIOD + 0.5, abs=PERIOD)


def test_a_clock_set_back_starts_the_hold_time_anew():
    convergence = make()
    convergence.update(pose(), 100.0)
    assert not any(convergence.update(pose(), time) for time in (1.0, 1.1, 1.2, 1.4))
    assert convergence.update(pose(), 1.5)


@pytest.mark.parametrize('hold_time', [0.0, 0.05, 0.3])
def test_three_estimates_tell_however_short_the_hold_time_and_slow_the_camera_are(hold_time):
    convergence = Convergence(ConvergenceSettings(hold_time=hold_time))
    assert [convergence.update(pose(), time) for time in (0.0, 0.2, 0.4)] == [False, False, True]


def test_of_a_long_gap_nothing_is_known():
    convergence = make()
    assert not any(convergence.update(pose(), time) for time in (0.0, 0.2, 1.3, 1.5))


def test_refuses_values_without_meaning():
    with pytest.raises(ParameterError, match='thresholds'):
        ConvergenceSettings(0.0, 1e-3, 0.5)


def test_poses_that_the_estimator_does_not_vouch_for_are_no_arrival():
    convergence = Convergence(ConvergenceSettings(5e-5, 3.5e-4, 0.5, confidence=0.05))
    doubtful, sure = (RelativePose(np.eye(4), confidence=value) for value in (0.04, 0.06))
    times = np.arange(0, 3, PERIOD)
    assert not any(convergence.update(doubtful, float(time)) for time in times)
    assert any(convergence.update(sure, 3 + float(time)) for time in times)
