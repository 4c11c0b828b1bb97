from __future__ import annotations

import math

import numpy as np
import pytest

from cnn_vs_ros.control.servo_lead import PATIENCE, ServoLead

NAMES = ['elbow_joint', 'wrist_1_joint']
PERIOD = 0.02


def lead_after(velocity: float, followed: float, seconds: float, turns: float = 0.0) -> tuple[ServoLead, float]:
    """Servo at a joint velocity for some time, with an arm that makes a part of it."""
    lead, arm, now = ServoLead(0.05), 0.0, 0.0
    for now in np.arange(0.0, seconds, PERIOD):
        arm += followed * velocity * PERIOD
        lead.measure(NAMES, [arm + turns * math.tau, 1.0], now)
        points = velocity * (now + np.linspace(-0.1, 0.1, 5))
        lead.command(NAMES, np.column_stack([points, np.ones(5)]), now)
    return lead, float(now)


def test_an_arm_that_follows_is_not_lost_however_fast():
    for velocity in (0.001, -0.1, 3.0):
        lead, now = lead_after(velocity, followed=1.0, seconds=2.0)
        assert not lead.lost(now)


def test_an_arm_that_stands_is_lost_with_the_joint_and_the_distance():
    lead, now = lead_after(0.2, followed=0.0, seconds=1.2)
    assert lead.lost(now) == 'elbow_joint is 0.22 from where MoveIt Servo has it'
    lead.forget()
    assert not lead.lost(now)


def test_it_takes_the_tolerance_and_the_patience():
    lead, now = lead_after(0.2, followed=0.0, seconds=0.3)
    assert not lead.lost(now)
    lead, now = lead_after(3.0, followed=0.0, seconds=PATIENCE / 2)
    assert not lead.lost(now)


def test_a_joint_that_is_counted_a_turn_further_follows():
    lead, now = lead_after(0.2, followed=1.0, seconds=1.2, turns=1.0)
    assert not lead.lost(now)


def test_neither_old_commands_nor_old_states_count():
    lead, now = lead_after(0.2, followed=0.0, seconds=1.2)
    assert not lead.lost(now + 1.0)
    lead.command(NAMES, np.full((3, 2), 5.0), now + 1.0)
    lead.command(NAMES, np.full((3, 2), 5.0), now + 1.4)
    assert not lead.lost(now + 1.4)


def test_a_trajectory_without_positions_and_other_joints_say_nothing():
    lead = ServoLead(0.05)
    for now in np.arange(0.0, 1.0, PERIOD):
        lead.measure(['another_joint'], [4.0], now)
        lead.command(NAMES, [(), ()], now)
        lead.command(NAMES, [(2.0, 2.0)], now)
        assert not lead.lost(now)


def test_the_joints_that_servo_moves_are_told_from_those_of_a_gripper():
    lead = ServoLead(0.05)
    assert lead.measure(['finger_joint'], [0.0], 0.0)  # Servo has moved none yet
    lead.command(NAMES, [(0.0, 1.0)], 0.1)
    assert lead.measure(NAMES[:1], [0.0], 0.2)
    assert not lead.measure(['finger_joint'], [0.0], 0.2)


@pytest.mark.parametrize('positions', [[(1.0, 2.0), (1.0,)], [(1.0, float('inf'))], [(float('nan'), 1.0)]])
def test_what_is_no_trajectory_of_these_joints_says_nothing(positions):
    lead = ServoLead(0.05)
    lead.measure(NAMES, [0.0] * 2, 0.0)
    lead.command(NAMES, positions, 0.0)
    lead.command(NAMES, positions, 0.4)
    assert not lead.lost(0.4)


@pytest.mark.parametrize('position', [float('nan'), float('inf')])
def test_a_joint_that_is_nowhere_hides_no_other_that_was_left_behind(position):
    lead = ServoLead(0.05)
    for now in np.arange(0.0, 1.0, PERIOD):
        assert lead.measure([NAMES[0]], [position], now) == (now == 0.0)
        lead.measure([NAMES[1]], [0.0], now)
        lead.command(NAMES, [(0.0, now)], now)
    assert NAMES[1] in lead.lost(now)
