"""The servo task while the target is lost: it waits, retreats, searches."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cnn_vs_ros.control import (
    LostBehaviour,
    LostSettings,
    Servo,
    ServoStatus,
    Workspace,
)
from cnn_vs_ros.geometry import RelativePose, se3
from test.control.servo_task import (
    EXIT,
    LIMITS,
    LOST,
    PERIOD,
    RETREAT,
    START,
    assert_smooth_stop,
    begin,
    clock,
    make,
    moving,
    settings,
)


def test_retreats_while_lost_by_the_distance_and_servoes_when_found():
    servo = make(lost=RETREAT)
    begin(servo, 0.0, LOST)
    travelled = np.zeros(6)
    for now in clock(3.0):
        servo.add_estimate(LOST, now, now)
        travelled += servo.update(now) * PERIOD
    np.testing.assert_allclose(travelled, [0, 0, -0.04, 0, 0, 0], atol=5e-4)
    assert servo.status is ServoStatus.LOST
    assert not np.abs(servo.update(now)).max() > 1e-6
    servo.add_estimate(RelativePose(START), now + PERIOD, now + PERIOD)
    servo.update(now + PERIOD)
    assert servo.status is ServoStatus.SERVOING


def search(servo: Servo, pose: np.ndarray, seconds: float) -> list[np.ndarray]:
    """Poses of a camera that follows while the target is lost."""
    poses = [pose]
    begin(servo, 0.0, LOST)
    for now in clock(seconds):
        servo.add_estimate(LOST, now, now)
        poses.append(poses[-1] @ se3.exp(servo.update(now) * PERIOD))
    return poses


def test_searches_while_lost_comes_back_and_servoes_when_found():
    servo = make(lost=LostSettings(LostBehaviour.SEARCH, 0.2, 0.04, 1.0, 0.2))
    poses = search(servo, np.eye(4), 30.0)
    assert min(pose[2, 3] for pose in poses) == pytest.approx(-0.04, abs=1e-3)
    assert max(se3.pose_error(pose)[1] for pose in poses) == pytest.approx(0.2, abs=0.01)
    error = se3.pose_error(poses[-1])
    assert error[0] < 1e-3
    assert error[1] < 5e-3
    servo.add_estimate(RelativePose(START), 30.02, 30.02)
    servo.update(30.02)
    assert servo.status is ServoStatus.SERVOING


@pytest.mark.parametrize(
    ('translation', 'angle', 'waits'), [(0.01, 0.04, True), (0.02, 0.0, False), (0.0, 0.06, False)]
)
def test_near_the_goal_what_covers_the_target_has_time_to_pass(translation, angle, waits):
    servo = make(lost=replace(RETREAT, goal_wait=0.7))
    found = RelativePose(se3.from_pose_vector([0, translation, 0, angle, 0, 0]))
    begin(servo, 0.0, found)
    servo.add_estimate(found, PERIOD, PERIOD)
    servo.update(PERIOD)
    moved = []
    for now in clock(1.4, PERIOD):
        servo.add_estimate(LOST, now, now)
        if servo.update(now).any() and now > 0.2:  # it has come to rest by then
            moved.append(now)
    began = moved[0]
    assert (began > 0.7) == waits
    assert servo.status is ServoStatus.LOST


def test_before_it_looks_for_the_target_it_stops_whatever_the_acceleration_is():
    slow = replace(EXIT, limits=replace(LIMITS, linear_acceleration=0.001, angular_acceleration=0.001))
    servo = make(lost=RETREAT)
    now = moving(servo)
    servo.retune(settings(exit=slow, lost=RETREAT))
    for later in clock(0.3, now):
        servo.add_estimate(LOST, later, later)
        twist = servo.update(later)
    assert np.linalg.norm(twist[:3]) < 1e-3
    assert twist[2] <= 0


def test_a_mask_holds_for_retreat_and_search():
    mask = (True, True, False, False, True, False)
    behaviours = LostBehaviour.RETREAT, LostBehaviour.SEARCH
    for behaviour in behaviours:
        servo = make(exit=replace(EXIT, mask=mask), lost=LostSettings(behaviour, 0.2, 0.04, 1.0, 0.2))
        begin(servo, 0.0, LOST)
        twists = []
        for now in clock(20.0):
            servo.add_estimate(LOST, now, now)
            twists.append(servo.update(now))
        assert not np.array(twists)[:, ~np.array(mask)].any()
    assert np.array(twists)[:, 4].any()  # what is left of the search
    assert not twists[-1].any()


def test_the_workspace_holds_for_a_search_and_its_stop():
    bounds = Workspace([0.1, 0.1, 0.02])
    for lost in (RETREAT, LostSettings(LostBehaviour.SEARCH, 0.2, 0.15, 1.0, 0.3)):
        servo = make(exit=replace(EXIT, workspace=bounds), lost=lost)
        begin(servo)
        pose, depths = np.eye(4), []
        for now in clock(6.0):
            servo.add_estimate(RelativePose(pose) if now < 0.1 else LOST, now, now)
            pose = pose @ se3.exp(servo.update(now) * PERIOD)
            depths.append(pose[2, 3])
        assert -0.02 - 1e-9 <= min(depths) < -0.01
        assert servo.status is ServoStatus.LIMITED
        assert 'workspace.z' in servo.reason


def test_does_not_retreat_when_estimates_only_stop_coming():
    servo = make(lost=RETREAT)
    start = moving(servo)
    for now in clock(0.2, start):
        servo.update(now)
    assert_smooth_stop(servo, now, ServoStatus.STALE)


def test_retuning_goes_on_with_the_episode_of_a_retreat():
    servo = make(lost=RETREAT)
    poses = search(servo, np.eye(4), 0.5)
    servo.retune(settings(lost=RETREAT))
    for now in clock(3.0, 0.5):
        servo.add_estimate(LOST, now, now)
        poses.append(poses[-1] @ se3.exp(servo.update(now) * PERIOD))
    assert poses[-1][2, 3] == pytest.approx(-0.04, abs=5e-4)
