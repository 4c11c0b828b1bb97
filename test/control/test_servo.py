"""The laws of the servo task: when it moves, when it stops and how, and what it says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cnn_vs_ros.control import (
    AdaptiveGain,
    ConvergenceSettings,
    GateSettings,
    PbvsLaw,
    ServoStatus,
    TwistLimits,
    Workspace,
)
from cnn_vs_ros.control.jump_guard import REACH
from cnn_vs_ros.control.motion_history import STANDSTILL
from cnn_vs_ros.errors import PoseError
from cnn_vs_ros.geometry import RelativePose, se3
from test.control.servo_task import (
    EXIT,
    JUMPS,
    LOST,
    PERIOD,
    START,
    WATCHED,
    assert_smooth_stop,
    begin,
    clock,
    drive,
    make,
    moving,
    settings,
)
from test.laws import NoLaw


def test_nothing_moves_before_start():
    servo = make()
    for now in clock(0.3):
        servo.add_estimate(RelativePose(START), now, now)
        assert not servo.update(now).any()
    assert servo.status is ServoStatus.IDLE


def test_servoes_to_the_goal_and_says_so_and_keeps_still():
    servo = make()
    poses = drive(servo, START, 8.0)
    assert servo.status is ServoStatus.CONVERGED
    assert not servo.running
    translation, rotation = se3.pose_error(poses[-1])
    assert translation < 5e-5
    assert rotation < 3.5e-4
    servo.add_estimate(RelativePose(START), 8.02, 8.02)
    assert not servo.update(8.02).any()
    assert servo.status is ServoStatus.CONVERGED


def test_keep_servoing_follows_the_goal_when_it_moves():
    servo = make(keep_servoing=True)
    drive(servo, START, 8.0)
    servo.add_estimate(RelativePose(START), 8.02, 8.02)
    assert servo.update(8.02).any()
    assert servo.status is ServoStatus.SERVOING


def test_start_leaves_the_converged_state():
    servo = make()
    drive(servo, START, 8.0)
    begin(servo, 8.0)
    servo.add_estimate(RelativePose(START), 8.02, 8.02)
    assert servo.update(8.04).any()
    assert servo.status is ServoStatus.SERVOING


def test_an_image_taken_before_start_does_not_count():
    servo = make()
    begin(servo, 10.0)
    servo.add_estimate(RelativePose(START), 9.99, 10.02)
    assert not servo.update(10.02).any()
    assert servo.status is ServoStatus.STALE


def test_stops_smoothly_when_no_estimate_comes_any_more():
    servo = make(gate=GateSettings(pose_timeout=0.2))
    start = moving(servo)
    for now in clock(0.2, start):
        assert servo.status is ServoStatus.SERVOING
        servo.update(now - 1e-6)
    assert_smooth_stop(servo, now, ServoStatus.STALE)


def test_after_a_pause_of_the_caller_the_camera_stands_still_and_is_not_made_up_for():
    servo = make()
    now = moving(servo) + 0.15
    servo.add_estimate(RelativePose(START), now, now)
    twist = servo.update(now)  # whoever drives the arm has stopped it meanwhile
    assert 0 < np.linalg.norm(twist[:3]) <= EXIT.longest_step * 1.0 * (1 + 1e-9)


def test_a_pause_in_which_the_camera_was_stopped_is_neither_a_jump_nor_unfollowed():
    servo = make(gate=JUMPS, following=WATCHED, latency_compensation=True)
    now = moving(servo, 0.2)
    pose = START @ se3.exp(servo.twist * STANDSTILL)
    for later in clock(0.5, now + 2.0):
        servo.add_estimate(RelativePose(pose), later, later)
        pose = pose @ se3.exp(servo.update(later) * PERIOD)
    assert servo.status is ServoStatus.SERVOING, servo.reason


def test_estimates_that_come_before_the_twists_go_on_after_a_pause_are_no_jump():
    """A process that was held up takes the messages that wait before its timer."""
    servo = make(gate=JUMPS, following=WATCHED)
    now = moving(servo, 0.2)
    assert np.linalg.norm(servo.twist[:3]) * (2.0 - STANDSTILL) > REACH * JUMPS.jump.translation
    pose = START @ se3.exp(servo.twist * STANDSTILL)
    for later in clock(0.2, now + 2.0):
        servo.add_estimate(RelativePose(pose), later, later)
    servo.update(later)
    assert servo.status is ServoStatus.SERVOING, servo.reason


def test_estimates_of_old_images_are_stale_however_often_they_come():
    servo = make(gate=GateSettings(pose_timeout=0.2))
    now = moving(servo)
    assert_smooth_stop(
        servo, now, ServoStatus.STALE, lambda time: servo.add_estimate(RelativePose(START), time - 0.25, time)
    )


def test_resumes_after_staleness():
    servo = make()
    now = moving(servo) + 1.0
    servo.update(now)
    assert servo.status is ServoStatus.STALE
    servo.add_estimate(RelativePose(START), now, now)
    servo.update(now + PERIOD)
    assert servo.status is ServoStatus.SERVOING


def test_stops_smoothly_when_lost():
    servo = make()
    now = moving(servo)
    assert_smooth_stop(servo, now, ServoStatus.LOST, lambda time: servo.add_estimate(LOST, time, time))


def test_an_estimate_below_the_minimum_confidence_counts_as_lost():
    servo = make(gate=GateSettings(minimum_confidence=0.5))
    now = moving(servo)
    doubtful = RelativePose(START, confidence=0.4)
    assert_smooth_stop(servo, now, ServoStatus.LOST, lambda time: servo.add_estimate(doubtful, time, time))


def test_stops_smoothly_on_request():
    servo = make()
    now = moving(servo)
    servo.stop()
    feed = lambda time: servo.add_estimate(RelativePose(START), time, time)  # noqa: E731
    assert_smooth_stop(servo, now, ServoStatus.STOPPED, feed)


def test_a_pose_that_is_not_finite_stops_the_camera():
    servo = make()
    now = moving(servo)
    broken = START.copy()
    broken[0, 3] = np.nan

    def feed(time: float) -> None:
        with pytest.raises(PoseError, match='finite'):
            servo.add_estimate(RelativePose(broken), time, time)

    assert_smooth_stop(servo, now, ServoStatus.STALE, feed)


def test_a_stamp_in_the_future_is_refused_and_does_not_shadow_later_images():
    servo = make()
    now = moving(servo)
    with pytest.raises(PoseError, match='future'):
        servo.add_estimate(RelativePose(START), now + 100.0, now)
    servo.update(now + PERIOD)
    assert servo.status is ServoStatus.STALE
    servo.add_estimate(RelativePose(START), now + 2 * PERIOD, now + 2 * PERIOD)
    servo.update(now + 2 * PERIOD)
    assert servo.status is ServoStatus.SERVOING


def test_an_older_image_does_not_replace_a_newer_one():
    servo = make()
    begin(servo)
    servo.add_estimate(RelativePose(np.eye(4)), 0.1, 0.1)
    servo.add_estimate(RelativePose(START), 0.06, 0.12)
    assert not servo.update(0.12).any()


def test_a_clock_set_back_stops_and_then_starts_over():
    servo = make()
    moving(servo)
    servo.update(-50.0)
    assert servo.status is ServoStatus.STALE
    servo.add_estimate(RelativePose(START), -49.9, -49.9)
    servo.update(-49.9)
    assert servo.status is ServoStatus.SERVOING


@pytest.mark.parametrize(('ahead', 'status'), [(0.7, ServoStatus.SERVOING), (1.3, ServoStatus.STOPPED)])
def test_a_clock_set_forward_stops_and_by_more_than_the_patience_ends_the_task(ahead, status):
    servo = make(patience=1.0)
    start = moving(servo) + ahead
    stopped = False
    for now in clock(2.0, start):
        stopped |= not servo.update(now).any()
        servo.add_estimate(RelativePose(START), now, now)
    assert stopped
    assert servo.status is status
    assert servo.update(now).any() == (status is ServoStatus.SERVOING)
    if status is ServoStatus.STOPPED:
        assert 'call ~/start' in servo.reason
        begin(servo, now)
        assert servo.status is not ServoStatus.STOPPED


def test_with_compensation_a_late_estimate_drives_as_a_punctual_one():
    # A gain times delay of 1.2 oscillates badly on late poses; with the motion since, it is as without delay.
    patient = GateSettings(pose_timeout=0.5)
    punctual = drive(make(gain=4.0), START, 4.0)
    late = drive(make(gain=4.0, latency_compensation=True, gate=patient), START, 4.3, delay=0.3)
    assert se3.pose_error(late[-1])[0] == pytest.approx(se3.pose_error(punctual[-1])[0], abs=5e-5)


def test_halt_takes_the_camera_to_stand_still():
    servo = make()
    moving(servo)
    servo.halt()
    np.testing.assert_array_equal(servo.twist, np.zeros(6))


def test_retuning_goes_on_from_the_present_state():
    servo = make()
    now = moving(servo)
    before = servo.twist
    servo.retune(settings(gain=0.5))
    after = servo.update(now + PERIOD)
    assert np.linalg.norm((after - before)[:3]) <= 1.0 * PERIOD * (1 + 1e-3)
    assert after.any()
    for later in clock(1.0, now + PERIOD):
        servo.add_estimate(RelativePose(START), later, later)
        twist = servo.update(later)
    np.testing.assert_allclose(twist, PbvsLaw(0.5).twist(START), atol=1e-9)


def test_beyond_the_workspace_it_stops_smoothly_until_the_next_start():
    servo = make(exit=replace(EXIT, workspace=Workspace([0.2, 0.2, 0.2], 0.2)))
    now = moving(servo)
    far = se3.from_pose_vector([0.21, 0, 0, 0, 0, 0])
    assert_smooth_stop(
        servo, now, ServoStatus.LIMITED, lambda time: servo.add_estimate(RelativePose(far), time, time)
    )
    assert 'beyond workspace.x' in servo.reason
    now += 1.0
    servo.add_estimate(RelativePose(START), now, now)
    assert not servo.update(now).any()
    assert servo.status is ServoStatus.LIMITED
    begin(servo, now + PERIOD)
    servo.add_estimate(RelativePose(START), now + 2 * PERIOD, now + 2 * PERIOD)
    assert servo.update(now + 2 * PERIOD).any()


def test_after_the_time_limit_it_stops_smoothly_until_the_next_start():
    servo = make(time_limit=0.5)
    now = moving(servo, 0.5)
    assert_smooth_stop(
        servo, now, ServoStatus.LIMITED, lambda time: servo.add_estimate(RelativePose(START), time, time)
    )
    assert 'time limit of 0.5 s is over' in servo.reason


def test_no_twist_could_be_computed():
    servo = make()
    now = moving(servo)
    servo.retune(replace(servo.settings, law=NoLaw(AdaptiveGain(1.0, 1.0, 0.0))))
    twist = servo.twist
    assert np.linalg.norm(servo.update(now + PERIOD)) < np.linalg.norm(twist)
    assert (servo.status, servo.reason) == (ServoStatus.ERROR, 'no twist: singular')
    assert_smooth_stop(servo, now + PERIOD, ServoStatus.STALE)


def test_masked_components_neither_move_nor_keep_it_from_converging():
    servo = make(exit=replace(EXIT, mask=(True, True, True, False, False, False)))
    poses = drive(servo, START, 8.0)
    assert servo.status is ServoStatus.CONVERGED
    np.testing.assert_allclose(poses[-1][:3, :3], START[:3, :3], atol=1e-12)
    assert np.linalg.norm(poses[-1][:3, 3]) < 5e-5


def test_it_has_not_converged_while_it_moves():
    servo = make(convergence=ConvergenceSettings(hold_time=0.1, linear_velocity=0.002, angular_velocity=0.01))
    at_goal = RelativePose(np.eye(4))
    moving(servo)
    servo.retune(settings(convergence=servo.settings.convergence, exit=replace(EXIT, limits=TwistLimits())))
    begin(servo, 0.3)
    for now in clock(0.4, 0.3):  # the estimates say goal, the law is told to leave it
        servo.add_estimate(at_goal, now, now)
        servo._exit._limiter.resume([0.1, 0, 0, 0, 0, 0])
        assert servo.status is not ServoStatus.CONVERGED
    for later in clock(0.4, now):
        servo.update(later)
        servo.add_estimate(at_goal, later, later)
    assert servo.status is ServoStatus.CONVERGED


def overshoot(poses: list[np.ndarray]) -> float:
    """How far the camera goes beyond the goal along the way from the start, m."""
    way = -START[:3, 3] / np.linalg.norm(START[:3, 3])
    return max(float(way @ pose[:3, 3]) for pose in poses)


def test_latency_compensation_lessens_the_overshoot_at_100_ms_of_delay():
    gain = 6.0
    without = overshoot(drive(make(gain), START, 4.0, delay=0.1))
    with_history = overshoot(drive(make(gain, latency_compensation=True), START, 4.0, delay=0.1))
    assert without > 0.005
    assert with_history < 0.2 * without


def test_every_status_has_a_reason():
    servo = make()
    assert servo.reason
    now = moving(servo)
    assert servo.reason
    servo.reject_estimate('the estimator has no reference')
    servo.update(now + PERIOD)
    assert servo.reason == 'the estimator has no reference'
    servo.stop()
    assert servo.reason == 'stopped by request'
    begin(servo, now + PERIOD)
    servo.update(now - 100.0)
    servo.update(now - 99.9)
    assert servo.reason == 'the clock went backwards'
