from __future__ import annotations

import numpy as np
import pytest

from cnn_vs_ros.control.motion_watch import MotionWatch

PERIOD = 0.02


def watch_arm(
    speed, *, lag: float, stops: float = np.inf, seconds: float = 3.0, limit: float = 0.4, turn: float = 0.0
):
    """First time at which the watch finds fault with an arm of one joint, None if never.

    The joint follows the commands as a first-order system of time constant `lag`, and not at all after `stops`.
    """
    watch, position, velocity = MotionWatch(['j'], limit, [bool(turn)]), 0.0, 0.0
    for now in np.arange(0.0, seconds, PERIOD):
        shown = (position + np.pi) % (2 * np.pi) - np.pi if turn else position
        if watch.observe(np.array([speed(now)]), np.array([shown]), now):
            return now
        velocity += (speed(now) - velocity) * (1.0 if lag == 0 else min(1.0, PERIOD / lag))
        position += PERIOD * velocity * (now < stops)
    return None


@pytest.mark.parametrize('lag', [0.0, 0.05, 0.1])
@pytest.mark.parametrize('amplitude', [0.005, 0.1, 3.0])
def test_an_arm_that_follows_with_a_lag_is_left_alone(lag, amplitude):
    for speed in (
        lambda now: amplitude,
        lambda now: amplitude * np.sin(4 * now),
        lambda now: amplitude * np.clip((1.2 - now) / 0.2, 0.0, 1.0),
        lambda now: amplitude * np.exp(-3 * now),
    ):
        assert watch_arm(speed, lag=lag) is None


@pytest.mark.parametrize('amplitude', [0.05, 0.5, 3.0])
def test_an_arm_that_does_not_move_is_found_soon(amplitude):
    found = watch_arm(lambda now: amplitude, lag=0.05, stops=1.0)
    assert found is not None
    assert 1.4 <= found <= 2.0
    assert watch_arm(lambda now: amplitude, lag=0.05, stops=0.0) <= 0.9


def test_an_arm_that_goes_the_other_way_or_by_itself_is_found():
    watch = MotionWatch(['a', 'b'], 0.4)
    said = [
        watch.observe(np.array([0.0, 0.2]), np.array([0.0, -0.2 * now]), now) for now in np.arange(0, 1, PERIOD)
    ]
    assert 'b should have moved by 0.1' in said[-1]
    assert 'is the controller active' in said[-1]
    watch.reset()
    said = [watch.observe(np.zeros(2), np.array([0.3 * now, 0.0]), now) for now in np.arange(0, 1, PERIOD)]
    assert 'a should stand but moved by 0.150 in 0.50 s: does somebody else' in said[-1]


def test_a_joint_without_bounds_may_pass_the_seam():
    assert watch_arm(lambda now: 2.5, lag=0.0, turn=1.0) is None


def test_a_short_disagreement_is_put_up_with():
    assert watch_arm(lambda now: 0.5 if now < 0.3 else 0.0, lag=0.0, stops=0.0, limit=1.0) is None


def test_what_moved_the_arm_before_its_first_command_is_no_fault():
    """A jog to the start, which ends a tenth of a second before the servo task begins."""
    watch, position = MotionWatch(['j'], 0.3), 0.0
    for now in np.arange(0.0, 2.0, PERIOD):
        jogged = 0.1 if 0.6 <= now < 0.9 else 0.0
        speed = -0.1 if now >= 1.0 else 0.0
        position += PERIOD * (10 * jogged + speed)
        said = watch.observe(np.array([speed]), np.array([position]), now)
        assert not said or now < 1.0


def test_what_moves_the_arm_between_two_motions_is_no_fault():
    """A reset of a simulated arm, or a jog, a fifth of a second after the last command."""
    watch = MotionWatch(['j'], 0.3)
    position, moved = 0.0, {True: 0.0, False: -0.13}
    for now in np.arange(0.0, 2.0, PERIOD):
        command = 0.0 if 1.0 <= now < 1.2 else 0.1
        shown = position + moved[now < 1.1]
        assert not watch.observe(np.array([command]), np.array([shown]), now)
        position += PERIOD * command


def test_an_arm_that_lags_behind_may_begin_anew_while_it_still_comes_to_rest():
    assert watch_arm(lambda now: 3.0 if now < 1.0 else 0.0 if now < 1.15 else 0.02, lag=0.1, limit=0.3) is None


def test_joints_stand_that_have_not_moved_for_a_while():
    watch = MotionWatch(['a', 'b'], 0.3, [False, True])
    assert not watch.stands
    for now in np.arange(0.0, 2.0, PERIOD):
        positions = np.array([0.1 * min(now, 1.0), np.pi - 1e-3 * np.sign(np.sin(20 * now))])
        positions[1] = (positions[1] + np.pi) % (2 * np.pi) - np.pi  # it trembles at the seam
        watch.observe(np.zeros(2), positions, now)
        assert watch.stands == (now > 1.16)
    watch.reset()
    assert not watch.stands
