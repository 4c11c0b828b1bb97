from __future__ import annotations

import numpy as np
import pytest

from cnn_vs_ros.control import Search, TwistLimiter
from cnn_vs_ros.errors import ParameterError
from cnn_vs_ros.geometry import se3

DT = 0.02
ANGLE = 0.3


def make(**changes) -> Search:
    values = {'speed': 0.05, 'angular_speed': 0.4, 'distance': 0.1, 'angle': ANGLE, 'patience': 0.2, 'rounds': 1}
    return Search(**{**values, **changes})


def run(search: Search, limiter: TwistLimiter, seconds: float = 120.0) -> tuple[np.ndarray, list[np.ndarray]]:
    """Twists asked for and poses come by, until the search is over."""
    pose, twists, poses = np.eye(4), [], []
    for _ in range(round(seconds / DT)):
        twists.append(limiter.limit(search.twist(DT), DT))
        pose = pose @ se3.exp(twists[-1] * DT)
        poses.append(pose)
        search.record(twists[-1], DT)
        if search.done:
            break
    return np.array(twists), poses


def braking(**changes) -> tuple[Search, TwistLimiter]:
    return make(deceleration=0.5, angular_deceleration=2.0, **changes), TwistLimiter(1.0, 1.0, 0.5, 2.0)


def test_backs_off_looks_round_and_comes_back():
    search, limiter = braking()
    _, poses = run(search, limiter)
    assert search.done
    positions = np.array([pose[:3, 3] for pose in poses])
    axes = np.array([pose[:3, 2] for pose in poses])
    assert positions[:, 2].min() == pytest.approx(-0.1, abs=2e-3)
    assert np.abs(positions[:, :2]).max() < 1e-3
    # Seen from the start the optical axis has pointed all round, as far aside as it was told to.
    aside = np.arctan2(np.hypot(axes[:, 0], axes[:, 1]), axes[:, 2])
    round_ = np.arctan2(axes[:, 1], axes[:, 0])[aside > 0.9 * ANGLE]
    assert aside.max() < ANGLE + 0.02
    assert np.histogram(round_, bins=8, range=(-np.pi, np.pi))[0].min() > 0
    error = se3.pose_error(poses[-1])
    assert error[0] < 1e-3
    assert error[1] < 5e-3
    assert np.abs(search.moved - poses[-1]).max() < 1e-9


def test_keeps_to_its_speeds_and_stops_at_the_end():
    search, limiter = braking()
    twists, _ = run(search, limiter)
    assert np.linalg.norm(twists[:, :3], axis=1).max() < 0.05 + 1e-9
    assert np.linalg.norm(twists[:, 3:], axis=1).max() < 0.4 + 1e-9
    assert not search.twist(DT).any()


def test_each_round_goes_farther_and_comes_back():
    search, limiter = braking(rounds=2)
    _, poses = run(search, limiter)
    depth = np.array([pose[2, 3] for pose in poses])
    home = np.flatnonzero(np.diff((depth > -1e-3).astype(int)) == 1)
    assert len(home) == 2
    assert depth[: home[0]].min() == pytest.approx(-0.05, abs=2e-3)
    assert depth[home[0] :].min() == pytest.approx(-0.1, abs=2e-3)


def test_a_reset_begins_anew_and_a_resumed_search_goes_on():
    search, limiter = braking()
    run(search, limiter, 1.5)
    other = make()
    other.resume(search)
    np.testing.assert_array_equal(other.moved, search.moved)
    assert other.twist(DT)[2] < 0
    search.reset()
    np.testing.assert_array_equal(search.moved, np.eye(4))


def test_one_call_a_step_goes_from_place_to_place():
    search = make(speed=0.025, angular_speed=0.15, patience=3)
    steps = []
    while not search.done:
        twist = search.twist(1.0)
        search.record(twist, 1.0)
        steps.append(twist)
        assert len(steps) < 100
    assert max(np.linalg.norm(step[:3]) for step in steps) == pytest.approx(0.025)
    assert sum(not step.any() for step in steps) == 2 * (3 - 1)  # the step that arrives counts


@pytest.mark.parametrize(
    'wrong', [{'speed': 0.0}, {'angular_speed': np.nan}, {'distance': -0.1}, {'angle': 2.0}, {'rounds': 0}]
)
def test_refuses_values_without_meaning(wrong):
    with pytest.raises(ParameterError, match='search'):
        make(**wrong)


def test_masked_components_are_no_part_of_the_way():
    mask = np.array([True, True, False, True, True, False])
    search, pose, twists = make(mask=mask), np.eye(4), []
    for _ in range(round(60.0 / DT)):
        twists.append(mask * search.twist(DT))
        pose = pose @ se3.exp(twists[-1] * DT)
        search.record(twists[-1], DT)
    assert search.done
    assert np.array(twists)[:, 3:5].any()
    assert np.abs(pose[:3, 3]).max() < 1e-9
