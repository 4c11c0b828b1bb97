"""When and where disturbances act, without rendering."""

import numpy as np

from cnn_vs_ros.simulation.perturbations import MovingLights, MovingOccluders

TIMES = np.arange(0, 60, 0.05)


def stretches(present):
    """Durations (s) of the unbroken stretches of a boolean series over TIMES but those at its ends."""
    edges = np.flatnonzero(np.diff(present.astype(int)))
    return np.diff(edges) * 0.05


def test_occluders_are_always_there_unless_they_come_and_go():
    assert all(all(MovingOccluders(3).present(float(time))) for time in TIMES)


def test_intermittent_occluders_stay_and_leave_for_the_times_promised():
    occluders = MovingOccluders(3, intermittent=True)
    present = np.array([occluders.present(float(time)) for time in TIMES])
    for column in present.T:
        lengths = stretches(column)
        first = bool(column[np.flatnonzero(np.diff(column.astype(int)))[0] + 1])
        there, away = (lengths[::2], lengths[1::2]) if first else (lengths[1::2], lengths[::2])
        assert (there > 2.9).all()
        assert (there < 6.1).all()
        assert (away > 0.9).all()
        assert (away < 3.1).all()
    assert 0 < present.all(axis=1).mean() < 1  # not all at once


def test_whether_they_come_and_go_changes_nothing_of_how_they_move():
    steady, intermittent = MovingOccluders(5), MovingOccluders(5, intermittent=True)
    for time in (0.0, 7.3):
        np.testing.assert_array_equal(steady.at(time), intermittent.at(time))


def test_lights_of_a_farther_scene_are_the_same_lights_farther_off():
    near, far = MovingLights(1, (0, 0, 0)), MovingLights(1, (0, 0, 0), scale=3.2)
    for one, other in zip(near.at(4.0), far.at(4.0), strict=True):
        np.testing.assert_allclose(other.position, 3.2 * one.position)
        np.testing.assert_allclose(other.direction, one.direction, atol=1e-12)
        np.testing.assert_array_equal(other.colour, one.colour)
