"""The laws of the servo task: when it moves, when it stops and how, and what it says."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from cnn_vs_ros.control import (
    AdaptiveGain,
    ConvergenceSettings,
    ExitSettings,
    FollowingSettings,
    GateSettings,
    JumpSettings,
    LostBehaviour,
    LostSettings,
    PbvsLaw,
    Servo,
    ServoSettings,
    ServoStatus,
    TwistLimits,
    Workspace,
)
from cnn_vs_ros.control.convergence import Convergence
from cnn_vs_ros.control.jump_guard import REACH
from cnn_vs_ros.control.motion_history import STANDSTILL
from cnn_vs_ros.control.servo_settings import SLOWEST
from cnn_vs_ros.errors import PoseError
from cnn_vs_ros.geometry import PoseStatus, RelativePose, se3
from test.laws import NoLaw

PERIOD = 0.02
START = se3.from_pose_vector([0.03, -0.02, 0.05, 0.1, -0.2, 0.4])
LOST = RelativePose(np.eye(4), status=PoseStatus.LOST)
LIMITS = TwistLimits(0.2, 1.0, 1.0, 5.0, 1.0, 5.0)
EXIT = ExitSettings(LIMITS)
RETREAT = LostSettings(LostBehaviour.RETREAT, 0.05, 0.04)


def settings(gain=2.0, **options) -> ServoSettings:
    options = {'exit': EXIT, 'latency_compensation': False, **options}
    return ServoSettings(PbvsLaw(gain), **options)


def make(gain=2.0, **options) -> Servo:
    return Servo(settings(gain, **options))


def clock(seconds: float, start: float = 0.0):
    return (start + index * PERIOD for index in range(1, round(seconds / PERIOD) + 1))


def begin(servo: Servo, now: float = 0.0, pose: RelativePose | None = None) -> None:
    """Start `servo`, which takes a fresh estimate."""
    servo.add_estimate(RelativePose(START) if pose is None else pose, now, now)
    assert servo.start(now) == ''


def moving(servo: Servo, seconds: float = 0.3) -> float:
    """Start `servo`, feed it the same pose for a while and return the time."""
    begin(servo)
    for now in clock(seconds):
        servo.add_estimate(RelativePose(START), now, now)
        twist = servo.update(now)
    assert np.linalg.norm(twist) > 0.1
    return now


def assert_smooth_stop(servo: Servo, start: float, status: ServoStatus, feed=lambda now: None) -> None:
    previous = servo.twist
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
    begin(servo, 0.0, RelativePose(pose))
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


def test_retuning_goes_on_with_the_episode_of_a_retreat():
    servo = make(lost=RETREAT)
    poses = search(servo, np.eye(4), 0.5)
    servo.retune(settings(lost=RETREAT))
    for now in clock(3.0, 0.5):
        servo.add_estimate(LOST, now, now)
        poses.append(poses[-1] @ se3.exp(servo.update(now) * PERIOD))
    assert poses[-1][2, 3] == pytest.approx(-0.04, abs=5e-4)


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


JUMPS = GateSettings(jump=JumpSettings(0.05, 0.35))


def test_a_jump_stops_smoothly_and_the_way_back_resumes():
    servo = make(gate=JUMPS)
    now = moving(servo)
    places = itertools.count(2)

    def jump(time: float) -> None:
        wild = START @ se3.from_pose_vector([0.05 * next(places) * (-1) ** round(time / PERIOD), 0, 0, 0, 0, 0])
        servo.add_estimate(RelativePose(wild), time, time)

    assert_smooth_stop(servo, now, ServoStatus.ERROR, jump)
    assert 'jumped' in servo.reason
    later = now + 1.5
    servo.update(later)
    assert servo.status is ServoStatus.STALE
    servo.add_estimate(RelativePose(START), later, later)
    servo.update(later + PERIOD)
    assert servo.status is ServoStatus.SERVOING


def test_a_push_within_reach_is_believed_without_a_step_in_the_velocity():
    servo = make(gate=JUMPS)
    now = moving(servo)
    elsewhere = START @ se3.from_pose_vector([0.1, 0, 0, 0, 0, 0])
    previous, statuses = servo.twist, set()
    for later in clock(1.0, now):
        servo.add_estimate(RelativePose(elsewhere), later, later)
        twist = servo.update(later)
        assert np.linalg.norm((twist - previous)[:3]) <= 1.0 * PERIOD * (1 + 1e-3)
        previous = twist
        statuses.add(servo.status)
    assert statuses == {ServoStatus.ERROR, ServoStatus.SERVOING}  # a jump, then believed


def test_a_picture_turned_by_half_is_never_followed_and_ends_the_task():
    servo = make(gate=JUMPS)
    now = moving(servo)
    turned = RelativePose(START @ se3.from_pose_vector([0, 0, 0, 0, 0, np.pi]))
    assert_smooth_stop(servo, now, ServoStatus.ERROR, lambda time: servo.add_estimate(turned, time, time))
    assert 'call ~/start' in servo.reason
    assert not servo.running
    begin(servo, now + 1.0, turned)  # who starts it knows where the camera is
    servo.add_estimate(turned, now + 1.02, now + 1.02)
    assert servo.update(now + 1.02).any()


def test_a_picture_turned_while_the_view_was_lost_is_not_followed_either():
    servo = make(gate=JUMPS)
    now = moving(servo)
    for later in clock(2.0, now):
        servo.add_estimate(LOST, later, later)
        servo.update(later)
    turned = RelativePose(START @ se3.from_pose_vector([0, 0, 0, 0, 0, np.pi]))
    for last in clock(1.0, later):
        servo.add_estimate(turned, last, last)
        assert not servo.update(last).any()
    assert servo.status is ServoStatus.ERROR
    assert not servo.running


def test_low_confidence_is_put_up_with_for_the_time_given():
    servo = make(gate=GateSettings(minimum_confidence=0.5, low_confidence_time=0.2))
    now = moving(servo)
    doubtful = RelativePose(START, confidence=0.4)
    for later in clock(0.18, now):
        servo.add_estimate(doubtful, later, later)
        assert servo.update(later).any()
        assert servo.status is ServoStatus.SERVOING
    assert_smooth_stop(servo, later, ServoStatus.LOST, lambda time: servo.add_estimate(doubtful, time, time))
    assert 'confidence 0.40 is under the minimum of 0.5' in servo.reason


def test_a_target_that_was_lost_needs_more_confidence_than_one_that_is_followed():
    servo = make(gate=GateSettings(minimum_confidence=0.1, first_confidence=0.5))
    now = moving(servo)
    for later in clock(0.2, now):
        servo.add_estimate(RelativePose(START, confidence=0.2), later, later)
        servo.update(later)
        assert servo.status is ServoStatus.SERVOING
    later += PERIOD
    servo.add_estimate(LOST, later, later)
    for confidence, status in ((0.2, ServoStatus.LOST), (0.6, ServoStatus.SERVOING), (0.2, ServoStatus.SERVOING)):
        later += PERIOD
        servo.add_estimate(RelativePose(START, confidence=confidence), later, later)
        servo.update(later)
        assert servo.status is status


def test_an_estimator_that_cannot_tell_is_let_in_but_does_not_say_that_it_has_arrived():
    servo = make(gate=GateSettings(minimum_confidence=0.5, first_confidence=0.9))
    now = moving(servo)
    servo.add_estimate(RelativePose(START, confidence=None), now + PERIOD, now + PERIOD)
    servo.update(now + PERIOD)
    assert servo.status is ServoStatus.SERVOING
    assert ServoSettings(full_speed_confidence=0.5).pace(None) == SLOWEST
    convergence = Convergence(ConvergenceSettings(hold_time=0.0, confidence=0.05))
    assert not any(convergence.update(RelativePose(np.eye(4), confidence=None), 0.1 * k) for k in range(5))


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


# What a start takes, and what ends a task


def test_a_start_takes_a_fresh_estimate():
    servo = make()
    assert 'a fresh estimate should have come' in servo.start(0.0)
    servo.add_estimate(RelativePose(START), 0.0, 0.0)
    assert 'no valid estimate has come' in servo.start(0.3)
    servo.reject_estimate('the estimator has no reference')
    assert 'the estimator has no reference' in servo.start(0.3)
    for now in clock(1.0, 0.3):
        servo.add_estimate(RelativePose(START), now, now)
        assert not servo.update(now).any()
    assert servo.status is ServoStatus.IDLE
    assert servo.start(now) == ''


@pytest.mark.parametrize('behaviour', LostBehaviour)
def test_a_start_out_of_view_is_one_where_the_target_is_looked_for(behaviour):
    servo = make(lost=LostSettings(behaviour))
    servo.add_estimate(LOST, 0.0, 0.4)  # it takes long to find nothing
    refusal = servo.start(0.5)
    assert (refusal == '') == (behaviour is not LostBehaviour.STOP)
    assert not refusal or 'should be in view to start' in refusal


def test_lost_is_judged_by_arrival_for_lost_timeout():
    servo = make(lost=RETREAT)
    begin(servo, 0.0, LOST)
    servo.update(0.02)
    for arrival in (0.4, 0.8, 1.2):  # each image takes 0.4 s
        servo.add_estimate(LOST, arrival - 0.4 + 0.01, arrival)
        for now in clock(0.38, arrival):
            servo.update(now)
            assert servo.status is ServoStatus.LOST
    for later in clock(1.2, now):
        servo.update(later)
    assert servo.status is ServoStatus.STALE


@pytest.mark.parametrize('feed', [None, LOST])
def test_out_of_patience_it_ends_and_only_a_start_begins_anew(feed):
    servo = make(patience=1.0)
    now = moving(servo)
    for later in clock(1.6, now):
        if feed is not None:
            servo.add_estimate(feed, later, later)
        servo.update(later)
    assert servo.status is ServoStatus.STOPPED
    assert 'for 1 s' in servo.reason
    for last in clock(1.0, later):
        servo.add_estimate(RelativePose(START), last, last)
        assert not servo.update(last).any()
    begin(servo, last + PERIOD)


def test_a_search_takes_no_patience_while_it_moves():
    servo = make(patience=1.0, lost=LostSettings(LostBehaviour.SEARCH, 0.05, 0.1, 0.3, 0.2))
    begin(servo, 0.0, LOST)
    moved = 0.0
    for now in clock(60.0):
        servo.add_estimate(LOST, now, now)
        if servo.update(now).any():
            moved = now
        if servo.status is ServoStatus.STOPPED:
            break
    assert moved > 10.0
    assert now == pytest.approx(moved + 1.0, abs=0.1)


def test_after_the_way_and_the_turn_that_are_allowed_it_ends():
    for bounds, turns in (({'travel': 0.05}, False), ({'turn': 0.3}, True)):
        servo = make(exit=replace(EXIT, **bounds))
        begin(servo)
        gone = np.zeros(2)
        for now in clock(2.0):
            servo.add_estimate(RelativePose(START), now, now)  # as if it fled
            twist = servo.update(now)
            gone += PERIOD * np.array([np.linalg.norm(twist[:3]), np.linalg.norm(twist[3:])])
        assert servo.status is ServoStatus.LIMITED
        assert 'since the start' in servo.reason
        limit = next(iter(bounds.values()))
        assert 0.9 * limit < gone[int(turns)] <= limit


@pytest.mark.parametrize('word', ['stale', 'error'])
def test_an_arm_that_is_not_driven_is_not_moved_and_soon_ends_the_task(word):
    servo = make(arm_patience=0.4)
    now = moving(servo)
    servo.arm.hear(word, 'joint_states are late', now)
    for later in clock(0.3, now):
        servo.add_estimate(RelativePose(START), later, later)
        servo.update(later)
    assert not servo.twist.any()
    assert servo.status is ServoStatus.ERROR
    assert 'joint_states are late' in servo.reason
    servo.arm.hear('servoing', '', later)
    servo.add_estimate(RelativePose(START), later + PERIOD, later + PERIOD)
    twist = servo.update(later + PERIOD)
    assert 0 < np.linalg.norm(twist[:3]) <= 1.0 * PERIOD * (1 + 1e-9)  # every return is a ramp
    servo.arm.hear(word, 'joint_states are late', later)
    for last in clock(0.6, later):
        servo.add_estimate(RelativePose(START), last, last)
        servo.update(last)
    servo.arm.hear('servoing', '', last)
    for still in clock(0.3, last):
        servo.add_estimate(RelativePose(START), still, still)
        assert not servo.update(still).any()
    assert servo.status is ServoStatus.ERROR
    assert 'call ~/start' in servo.reason


def test_an_arm_that_was_stopped_for_not_following_ends_the_task_at_once():
    servo = make(arm_patience=60.0)
    now = moving(servo)
    servo.arm.hear('stopped', 'elbow should have moved', now)
    servo.update(now + PERIOD)
    assert (servo.status, servo.running) == (ServoStatus.ERROR, False)
    assert 'elbow should have moved; call ~/start' in servo.reason
    servo.arm.hear('servoing', '', now + 2 * PERIOD)
    for later in clock(0.5, now + 2 * PERIOD):
        servo.add_estimate(RelativePose(START), later, later)
        servo.update(later)
    assert not servo.twist.any()
    assert servo.start(later) == ''


def test_with_an_arm_that_is_not_ready_it_does_not_start():
    servo = make()
    servo.arm.hear('idle', 'waiting for joint_states', 0.0)
    servo.add_estimate(RelativePose(START), 0.0, 0.0)
    assert 'waiting for joint_states' in servo.start(0.0)
    servo.arm.hear('servoing', '', 0.1)
    assert servo.start(0.1) == ''


def test_an_arm_that_is_not_driven_now_and_then_ends_the_task_in_the_end():
    servo = make(arm_patience=0.5)
    now = moving(servo)
    for _ in range(3):
        for word in ('error', 'servoing'):
            servo.arm.hear(word, 'it does not do what it should', now)
            for later in clock(0.2, now):
                servo.add_estimate(RelativePose(START), later, later)
                servo.update(later)
            now = later
    assert servo.status is ServoStatus.ERROR
    assert not servo.running


def test_with_nobody_to_take_the_twists_it_does_not_start():
    servo = make()
    servo.arm.see_listener(False, 0.0)
    servo.add_estimate(RelativePose(START), 0.0, 0.0)
    assert 'nobody takes the twists' in servo.start(0.0)
    servo.arm.see_listener(True, 0.1)
    assert servo.start(0.1) == ''


def test_an_arm_slowed_down_is_said_and_ends_the_task_in_the_end():
    servo = make(patience=1.0, following=FollowingSettings(0.2))
    now = moving(servo, 0.2)
    servo.arm.hear('limited', 'at a singularity', now)
    for later in clock(0.9, now):
        servo.add_estimate(RelativePose(START), later, later)
        servo.update(later)
    assert servo.status is ServoStatus.SERVOING
    assert 'at a singularity' in servo.reason
    for last in clock(0.5, later):
        servo.add_estimate(RelativePose(START), last, last)
        servo.update(last)
    assert servo.status is ServoStatus.LIMITED
    assert 'at a singularity' in servo.reason


def test_an_unknown_word_of_the_arm_changes_nothing():
    servo = make()
    servo.arm.hear('confused', 'by a stranger', 0.0)
    moving(servo)


# The camera goes where it is sent


WATCHED = FollowingSettings(0.2)


def follow(
    servo: Servo,
    pose: np.ndarray,
    seconds: float,
    *,
    lag=0.0,
    depth=1.0,
    noise=0.0,
    part=1.0,
    rate=30.0,
    slider=None,
    after=0.0,
):
    """A camera that lags by `lag` s, seen at `rate` with `noise` (m, and rad over 0.25 m); poses and statuses.

    `depth` scales the translations that are estimated, `part` is that of the twist which the arm makes. A robot's
    `slider`, percent, is told. It begins `after` so many seconds; from zero on `servo` is started.
    """
    random, sent, poses, following = np.random.default_rng(5), [], [pose], np.zeros(6)
    if not after:
        begin(servo, 0.0, RelativePose(pose))
    due = after
    for now in clock(seconds, after):
        if slider is not None:
            servo.arm.scaling.hear(slider, now)
        if now >= due:
            due += 1 / rate
            error = random.normal(0, 1, 6) * noise * np.array([1, 1, 1, 4, 4, 4])
            seen = poses[-1] @ se3.exp(error)
            seen[:3, 3] *= depth
            servo.add_estimate(RelativePose(seen), now, now)
        sent.append(servo.update(now))
        following = following + (sent[-1] - following) * min(1.0, PERIOD / lag if lag else 1.0)
        poses.append(poses[-1] @ se3.exp(part * following * PERIOD))
    return poses


@pytest.mark.parametrize(
    'arm',
    [
        {},
        {'lag': 0.15},
        {'depth': 0.4},
        {'depth': 2.0},
        {'noise': 3e-4},
        {'noise': 1e-3, 'lag': 0.1},
        {'part': 0.4},
        {'rate': 6.0},
    ],
)
def test_an_arm_that_follows_is_not_suspected(arm):
    generator = np.random.default_rng(1)
    slow = ExitSettings(TwistLimits(0.01, 0.04, 0.1, 0.5, 1.0, 5.0))
    for limits in (EXIT, slow):
        for _ in range(2):
            pose = se3.from_pose_vector(generator.normal(0, (0.04, 0.04, 0.02, 0.2, 0.2, 0.5)))
            gain = AdaptiveGain(2.0, 1.0, 10.0)
            servo = make(gain, exit=limits, following=WATCHED, latency_compensation=True, keep_servoing=True)
            follow(servo, pose, 6.0, **arm)
            assert servo.running, servo.reason


@pytest.mark.parametrize('part', [0.0, -1.0])
def test_an_arm_that_stands_or_goes_the_other_way_ends_the_task_within_half_a_second(part):
    servo = make(following=WATCHED, latency_compensation=True)
    poses = follow(servo, START, 0.9, part=part)
    assert servo.status is ServoStatus.ERROR
    assert not servo.running
    assert 'the arm should follow' in servo.reason
    assert not servo.twist.any()
    assert se3.pose_error(se3.inverse(poses[-1]) @ START)[0] < 0.1 * abs(part) + 1e-9


def test_a_frozen_picture_ends_the_task_soon():
    frozen = se3.from_pose_vector([0.02, 0.03, 0.0, 0, 0, 1.48])
    for limits in (EXIT, ExitSettings(TwistLimits(0.01, 0.05, 0.1, 0.5, 1.0, 5.0))):
        servo = make(exit=limits, following=WATCHED, latency_compensation=True)
        begin(servo, 0.0, RelativePose(frozen))
        turned = 0.0
        for now in clock(3.0):
            servo.add_estimate(RelativePose(frozen), now, now)
            turned += PERIOD * np.linalg.norm(servo.update(now))
        assert servo.status is ServoStatus.ERROR
        assert turned < 0.5


def test_the_watch_can_be_switched_off_to_follow_what_moves():
    servo = make(following=FollowingSettings(0.0))
    follow(servo, START, 2.0, part=0.0)
    assert servo.running


# Swinging about the goal


def test_a_gain_too_high_for_the_delay_is_lowered_until_it_arrives():
    servo = make(gain=20.0, following=WATCHED)
    poses = drive(servo, START, 12.0, delay=0.1)
    assert servo.status is ServoStatus.CONVERGED
    assert se3.pose_error(poses[-1])[0] < 5e-5


def test_while_it_goes_slower_it_says_so():
    servo = make(gain=20.0)
    drive(servo, START, 3.5, delay=0.1)
    assert 'it swung about the goal' in servo.reason


def test_where_lowering_does_not_help_it_ends():
    servo = make(gain=20.0, exit=ExitSettings(TwistLimits(0.4, 2.0, 1.0, 5.0, 1.0, 5.0)), gate=GateSettings(2.0))
    drive(servo, START, 60.0, delay=0.8)
    assert servo.status is ServoStatus.ERROR
    assert 'it swings about the goal' in servo.reason


def test_convergence_with_five_estimates_a_second():
    servo = make(gain=1.0, convergence=ConvergenceSettings(hold_time=0.1))
    pose = se3.from_pose_vector([0.01, 0, 0, 0, 0, 0.05])
    begin(servo, 0.0, RelativePose(pose))
    for index, now in enumerate(clock(30.0)):
        if index % 10 == 0:
            servo.add_estimate(RelativePose(pose), now - 0.03, now)
        pose = pose @ se3.exp(servo.update(now) * PERIOD)
        if servo.status is ServoStatus.CONVERGED:
            return
    raise AssertionError(f'{servo.status}, {servo.reason}')


def test_an_arm_that_stands_is_seen_with_five_estimates_a_second_as_well():
    servo = make(following=WATCHED, latency_compensation=True)
    follow(servo, START, 3.0, part=0.0, rate=4.5)
    assert servo.status is ServoStatus.ERROR
    assert 'the arm should follow' in servo.reason


def test_at_a_twentieth_of_the_speed_the_robot_is_not_suspected_and_time_goes_as_slowly():
    servo = make(following=WATCHED, latency_compensation=True, time_limit=2.0, exit=replace(EXIT, travel=0.1))
    follow(servo, START, 10.0, part=0.05, slider=5.0)
    assert servo.status is ServoStatus.SERVOING, servo.reason
    stands = make(following=WATCHED, latency_compensation=True)
    follow(stands, START, 10.0, part=0.0)  # the same where the robot says nothing
    assert stands.status is ServoStatus.ERROR


def test_a_paused_robot_is_waited_for_as_long_as_it_takes():
    servo = make(following=WATCHED, patience=1.0, arm_patience=0.5, time_limit=3.0)
    pose = follow(servo, START, 0.5)[-1]
    servo.arm.hear('limited', 'halted', 0.5)
    pose = follow(servo, pose, 20.0, part=0.0, slider=0.0, after=0.5)[-1]
    assert servo.running
    assert servo.status is ServoStatus.SERVOING
    assert 'paused' in servo.reason
    assert not servo.twist.any()
    servo.arm.hear('servoing', '', 20.6)
    follow(servo, pose, 0.3, slider=100.0, after=20.5)
    assert servo.status is ServoStatus.SERVOING
    assert servo.twist.any()
    assert 'paused' not in servo.reason


def swing(slider: float | None) -> Servo:
    """A task whose camera does half of each twist, late, and swings about the goal."""
    servo, poses = make(40.0), [START]
    begin(servo)
    for now in clock(3.5):
        if slider is not None:
            servo.arm.scaling.hear(slider, now)
        servo.add_estimate(RelativePose(poses[max(0, len(poses) - 6)]), now, now)
        poses.append(poses[-1] @ se3.exp(0.5 * PERIOD * servo.update(now)))
    return servo


def test_a_swing_at_half_the_speed_does_not_lower_the_gain():
    assert 'it swung about the goal' in swing(slider=None).reason
    servo = swing(slider=50.0)
    assert servo.running
    assert 'it swung about the goal' not in servo.reason


def test_a_pause_takes_none_of_the_patience():
    servo = make(patience=1.0)
    follow(servo, START, 0.5)
    for now in clock(5.9, 0.5):  # no estimate comes any more, and the robot goes on after 5 s
        servo.arm.scaling.hear(0.0 if now < 5.5 else 100.0, now)
        servo.update(now)
    assert servo.status is ServoStatus.STALE
    assert servo.running
