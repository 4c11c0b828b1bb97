from __future__ import annotations

from cnn_vs_ros.simulation.lockstep import Lockstep

MS = 1_000_000


def test_nobody_is_waited_for_before_he_has_spoken():
    lockstep = Lockstep()
    lockstep.image_published(34 * MS)
    assert not lockstep.waits(34 * MS, wall=0.0)
    assert not lockstep.waits(900 * MS, wall=0.1)


def test_time_stands_still_until_the_newest_image_is_answered():
    lockstep = Lockstep()
    lockstep.estimate_received(1 * MS)
    assert not lockstep.waits(10 * MS, wall=0.0)
    lockstep.image_published(34 * MS)
    assert lockstep.waits(34 * MS, wall=0.0)
    lockstep.estimate_received(33 * MS)
    assert lockstep.waits(34 * MS, wall=0.1)
    lockstep.estimate_received(34 * MS)
    assert not lockstep.waits(34 * MS, wall=0.2)
    lockstep.estimate_received(20 * MS)  # a straggler
    assert not lockstep.waits(34 * MS, wall=0.3)


def test_time_stands_still_until_the_periods_command_has_come():
    lockstep = Lockstep(control_period=20 * MS)
    lockstep.command_received(100 * MS)
    assert not lockstep.waits(110 * MS, wall=0.0)
    assert lockstep.waits(120 * MS, wall=0.0)
    lockstep.command_received(120 * MS)
    assert not lockstep.waits(130 * MS, wall=0.0)


def test_a_silent_peer_is_forgiven_until_it_speaks_again():
    lockstep = Lockstep(control_period=20 * MS, timeout=1.0)
    lockstep.command_received(100 * MS)
    assert lockstep.waits(120 * MS, wall=50.0)
    assert lockstep.waits(120 * MS, wall=50.9)
    assert not lockstep.waits(120 * MS, wall=51.0)
    assert not lockstep.waits(500 * MS, wall=51.1)
    lockstep.command_received(500 * MS)
    assert not lockstep.waits(510 * MS, wall=51.2)
    assert lockstep.waits(520 * MS, wall=51.3)
    assert lockstep.waits(520 * MS, wall=52.2)  # its patience starts anew
    assert not lockstep.waits(520 * MS, wall=52.3)


def test_one_peer_may_be_silent_while_the_other_is_waited_for():
    lockstep = Lockstep(control_period=20 * MS, timeout=1.0)
    lockstep.command_received(100 * MS)
    lockstep.estimate_received(100 * MS)
    assert lockstep.waits(120 * MS, wall=0.0)
    assert not lockstep.waits(120 * MS, wall=1.0)
    lockstep.image_published(134 * MS)
    assert lockstep.waits(134 * MS, wall=1.1)
    lockstep.estimate_received(134 * MS)
    assert not lockstep.waits(134 * MS, wall=1.2)
