from __future__ import annotations

import itertools

import numpy as np
import pytest

from cnn_vs_ros.control import (
    Convergence,
    DemandShaping,
    JumpGuard,
    MotionHistory,
    PbvsLaw,
    Retreat,
    Search,
    Servo,
    ServoStatus,
    TwistLimiter,
    Workspace,
)
from cnn_vs_ros.errors import PoseError
from cnn_vs_ros.geometry import PoseStatus, RelativePose, se3

PERIOD = 0.02
START = se3.from_pose_vector([0.03, -0.02, 0.05, 0.1, -0.2, 0.4])
LOST = RelativePose(np.eye(4), status=PoseStatus.LOST)


def make(gain=2.0, **options) -> Servo:
    limiter = TwistLimiter(0.2, 1.0, 1.0, 5.0)
    return Servo(PbvsLaw(gain), limiter, Convergence(5e-5, 3.5e-4, 0.5), **options)


def clock(seconds: float, start: float = 0.0):
    return (start + index * PERIOD for index in range(1, round(seconds / PERIOD) + 1))


def moving(servo: Servo, seconds: float = 0.3) -> float:
    """Start `servo`, feed it the same pose for a while and return the time."""
    servo.start(0.0)
    for now in clock(seconds):
        servo.add_estimate(RelativePose(START), now, now)
        twist = servo.update(now)
    assert np.linalg.norm(twist) > 0.1
    return now


def assert_smooth_stop(servo: Servo, start: float, status: ServoStatus, feed=lambda now: None) -> None:
    previous = servo.limiter.twist
    for now in clock(0.5, start):
        feed(now)
        twist = servo.update(now)
        assert np.linalg.norm((twist - previous)[:3]) <= 1.0 * PERIOD * (1 + 1e-3)
        assert np.linalg.norm((twist - previous)[3:]) <= 5.0 * PERIOD * (1 + 1e-3)
        previous = twist
    assert servo.status is status
    assert not twist.any()


def drive(servo: Servo, pose: np.ndarray, seconds: float, delay: float = 0.0) -> list[np.ndarray]:
    """A camera that follows the servo exactly, seen at 50 Hz by an estimator that takes `delay` seconds."""
    servo.start(0.0)
    poses, pending = [pose], []
    for now in clock(seconds):
        pending.append((now, pose))
        while pending and pending[0][0] + delay <= now + 1e-9:
            stamp, seen = pending.pop(0)
            servo.add_estimate(RelativePose(seen), stamp, now)
        pose = pose @ se3.exp(servo.update(now) * PERIOD)
        poses.append(pose)
    return poses


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
    servo.start(8.0)
    servo.add_estimate(RelativePose(START), 8.02, 8.02)
    assert servo.update(8.04).any()
    assert servo.status is ServoStatus.SERVOING


def test_an_image_taken_before_start_does_not_count():
    servo = make()
    servo.start(10.0)
    servo.add_estimate(RelativePose(START), 9.99, 10.02)
    assert not servo.update(10.02).any()
    assert servo.status is ServoStatus.STALE


def test_stops_smoothly_when_no_estimate_comes_any_more():
    servo = make(pose_timeout=0.2)
    start = moving(servo)
    for now in clock(0.2, start):
        assert servo.status is ServoStatus.SERVOING
        servo.update(now - 1e-6)
    assert_smooth_stop(servo, now, ServoStatus.STALE)


def test_a_pause_of_the_caller_is_not_made_up_for_by_a_jump():
    servo = make(longest_step=PERIOD)
    now = moving(servo)
    assert_smooth_stop(servo, now + 5.0, ServoStatus.STALE)


def test_estimates_of_old_images_are_stale_however_often_they_come():
    servo = make(pose_timeout=0.2)
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
    servo = make(minimum_confidence=0.5)
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
    servo.start(0.0)
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


def test_retreats_while_lost_by_the_distance_and_servoes_when_found():
    servo = make(when_lost=Retreat(0.05, 0.04, 1.0))
    servo.start(0.0)
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
    assert servo.when_lost.remaining == 0.04


def test_searches_while_lost_comes_back_and_servoes_when_found():
    servo = make(when_lost=Search(0.2, 1.0, 0.04, 0.2, deceleration=1.0, angular_deceleration=4.0))
    servo.start(0.0)
    pose, farthest, aside = np.eye(4), 0.0, 0.0
    for now in clock(30.0):
        servo.add_estimate(LOST, now, now)
        pose = pose @ se3.exp(servo.update(now) * PERIOD)
        farthest, aside = min(farthest, pose[2, 3]), max(aside, se3.pose_error(pose)[1])
    assert farthest == pytest.approx(-0.04, abs=1e-3)
    assert aside == pytest.approx(0.2, abs=0.01)
    error = se3.pose_error(pose)
    assert error[0] < 1e-3
    assert error[1] < 5e-3
    assert servo.when_lost.done
    servo.add_estimate(RelativePose(START), now + PERIOD, now + PERIOD)
    assert not servo.when_lost.done


def test_does_not_retreat_when_estimates_only_stop_coming():
    servo = make(when_lost=Retreat(0.05, 0.04))
    start = moving(servo)
    for now in clock(0.2, start):
        servo.update(now)
    assert_smooth_stop(servo, now, ServoStatus.STALE)


def test_with_a_history_a_late_estimate_drives_as_a_punctual_one():
    # A gain times delay of 1.2 oscillates badly on late poses; with the motion since, it is as without delay.
    punctual = drive(make(gain=4.0), START, 4.0)
    late = drive(make(gain=4.0, history=MotionHistory(), pose_timeout=0.5), START, 4.3, delay=0.3)
    assert se3.pose_error(late[-1])[0] == pytest.approx(se3.pose_error(punctual[-1])[0], abs=2e-5)
    uncompensated = drive(make(gain=4.0, pose_timeout=0.5), START, 4.3, delay=0.3)
    assert se3.pose_error(uncompensated[-1])[0] > 1e-3


def test_halt_takes_the_camera_to_stand_still():
    servo = make(history=MotionHistory())
    now = moving(servo)
    servo.halt()
    np.testing.assert_array_equal(servo.limiter.twist, np.zeros(6))
    np.testing.assert_array_equal(servo.history.motion(0.0, now), np.eye(4))


def test_retuning_goes_on_from_the_present_state():
    servo = make(when_lost=Retreat(0.05, 0.04), history=MotionHistory())
    now = moving(servo)
    before, motion = servo.limiter.twist, servo.history.motion(0.0, now)
    servo.when_lost.record(np.array([0, 0, -0.01, 0, 0, 0]), 1.0)
    servo.retune(make(gain=0.5, when_lost=Retreat(0.05, 0.04), history=MotionHistory()))
    assert servo.when_lost.remaining == pytest.approx(0.03)
    np.testing.assert_array_equal(servo.history.motion(0.0, now), motion)
    after = servo.update(now + PERIOD)
    assert np.linalg.norm((after - before)[:3]) <= 1.0 * PERIOD * (1 + 1e-3)
    assert after.any()
    for later in clock(1.0, now + PERIOD):
        servo.add_estimate(RelativePose(START), later, later)
        twist = servo.update(later)
    # Image and twist are of one time here, so the history adds nothing: this is the law with the new gain.
    np.testing.assert_allclose(twist, make(gain=0.5).law.twist(START), atol=1e-9)


def test_beyond_the_workspace_it_stops_smoothly_until_the_next_start():
    servo = make(workspace=Workspace([0.2, 0.2, 0.2], 0.2))
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
    servo.start(now)
    servo.add_estimate(RelativePose(START), now + PERIOD, now + PERIOD)
    assert servo.update(now + 2 * PERIOD).any()


def test_after_the_time_limit_it_stops_smoothly_until_the_next_start():
    servo = make(time_limit=0.5)
    now = moving(servo, 0.5)
    assert_smooth_stop(
        servo, now, ServoStatus.LIMITED, lambda time: servo.add_estimate(RelativePose(START), time, time)
    )
    assert 'time limit of 0.5 s is over' in servo.reason


def test_a_jump_stops_smoothly_and_the_way_back_resumes():
    servo = make(jump_guard=JumpGuard(0.05, 0.35))
    now = moving(servo)
    places = itertools.count(1)

    def jump(time: float) -> None:
        wild = se3.from_pose_vector([0.1 * next(places), 0, 0, 0, 0, 0])
        servo.add_estimate(RelativePose(wild), time, time)

    assert_smooth_stop(servo, now, ServoStatus.ERROR, jump)
    assert 'jumped' in servo.reason
    later = now + 1.5
    servo.update(later)
    assert servo.status is ServoStatus.STALE
    servo.add_estimate(RelativePose(START), later, later)
    servo.update(later + PERIOD)
    assert servo.status is ServoStatus.SERVOING


def test_low_confidence_is_put_up_with_for_the_time_given():
    servo = make(minimum_confidence=0.5, low_confidence_time=0.2)
    now = moving(servo)
    doubtful = RelativePose(START, confidence=0.4)
    for later in clock(0.18, now):
        servo.add_estimate(doubtful, later, later)
        assert servo.update(later).any()
        assert servo.status is ServoStatus.SERVOING
    assert_smooth_stop(servo, later, ServoStatus.LOST, lambda time: servo.add_estimate(doubtful, time, time))
    assert 'confidence 0.40 is under the minimum of 0.5' in servo.reason


def test_no_twist_could_be_computed():
    servo = make()
    now = moving(servo)
    servo.fail('no twist: singular')
    assert (servo.status, servo.reason) == (ServoStatus.ERROR, 'no twist: singular')
    assert_smooth_stop(servo, now, ServoStatus.STALE)


def test_masked_components_neither_move_nor_keep_it_from_converging():
    servo = make(shaping=DemandShaping([True, True, True, False, False, False]))
    poses = drive(servo, START, 8.0)
    assert servo.status is ServoStatus.CONVERGED
    np.testing.assert_allclose(poses[-1][:3, :3], START[:3, :3], atol=1e-12)
    assert np.linalg.norm(poses[-1][:3, 3]) < 5e-5


def test_it_has_not_converged_while_it_moves():
    servo = make(rest_speeds=(0.002, 0.01))
    now = moving(servo)
    servo.limiter.max_linear_acceleration = 0.05  # so slow that it still moves when the goal was held long enough
    for later in clock(0.8, now):
        servo.add_estimate(RelativePose(np.eye(4)), later, later)
        servo.update(later)
    assert servo.convergence.update(RelativePose(np.eye(4)), later)
    assert np.linalg.norm(servo.limiter.twist[:3]) > 0.002
    assert servo.status is ServoStatus.SERVOING
    for time in clock(5.0, later):
        servo.add_estimate(RelativePose(np.eye(4)), time, time)
        servo.update(time)
    assert servo.status is ServoStatus.CONVERGED


def overshoot(poses: list[np.ndarray]) -> float:
    """How far the camera goes beyond the goal along the way from the start, m."""
    way = -START[:3, 3] / np.linalg.norm(START[:3, 3])
    return max(float(way @ pose[:3, 3]) for pose in poses)


def test_latency_compensation_lessens_the_overshoot_at_100_ms_of_delay():
    gain = 6.0
    without = overshoot(drive(make(gain), START, 4.0, delay=0.1))
    with_history = overshoot(drive(make(gain, history=MotionHistory()), START, 4.0, delay=0.1))
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
    servo.start(now)
    servo.update(now - 100.0)
    servo.update(now - 99.9)
    assert servo.reason == 'the clock went backwards'


def test_another_reference_is_no_step_in_the_velocity():
    servo = make(jump_guard=JumpGuard(0.05, 0.35))
    now = moving(servo)
    elsewhere = se3.from_pose_vector([-0.2, 0.1, -0.05, -0.3, 0.5, 0.2])
    previous, statuses = servo.limiter.twist, set()
    for later in clock(1.0, now):
        servo.add_estimate(RelativePose(elsewhere), later, later)
        twist = servo.update(later)
        assert np.linalg.norm((twist - previous)[:3]) <= 1.0 * PERIOD * (1 + 1e-3)
        assert np.linalg.norm((twist - previous)[3:]) <= 5.0 * PERIOD * (1 + 1e-3)
        previous = twist
        statuses.add(servo.status)
    assert statuses == {ServoStatus.ERROR, ServoStatus.SERVOING}  # a jump, then believed
    way = elsewhere[:3, :3].T @ elsewhere[:3, 3]
    assert twist[:3] @ way < -0.99 * np.linalg.norm(twist[:3]) * np.linalg.norm(way)
