"""The servo task beside what the arm makes of it: one that does not follow, swings, or is slowed down."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cnn_vs_ros.control import (
    AdaptiveGain,
    ConvergenceSettings,
    ExitSettings,
    FollowingSettings,
    GateSettings,
    Servo,
    ServoStatus,
    TwistLimits,
)
from cnn_vs_ros.geometry import RelativePose, se3
from test.control.servo_task import (
    EXIT,
    PERIOD,
    START,
    WATCHED,
    begin,
    clock,
    drive,
    make,
)


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
