"""Which estimates the servo task believes: no jumps, no turned pictures, no low confidence."""

from __future__ import annotations

import itertools

import numpy as np

from cnn_vs_ros.control import (
    ConvergenceSettings,
    GateSettings,
    ServoSettings,
    ServoStatus,
)
from cnn_vs_ros.control.convergence import Convergence
from cnn_vs_ros.control.servo_settings import SLOWEST
from cnn_vs_ros.geometry import RelativePose, se3
from test.control.servo_task import (
    JUMPS,
    LOST,
    PERIOD,
    START,
    assert_smooth_stop,
    begin,
    clock,
    make,
    moving,
)


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
