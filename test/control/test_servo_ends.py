"""What a start of the servo task takes, and what ends it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cnn_vs_ros.control import (
    FollowingSettings,
    LostBehaviour,
    LostSettings,
    ServoStatus,
)
from cnn_vs_ros.geometry import RelativePose
from test.control.servo_task import (
    EXIT,
    LOST,
    PERIOD,
    RETREAT,
    START,
    begin,
    clock,
    make,
    moving,
)


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
