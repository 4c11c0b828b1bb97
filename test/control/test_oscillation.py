"""Swinging without end is told from arriving, from noise and from one swing too many."""

from __future__ import annotations

import numpy as np
import pytest

from cnn_vs_ros.control import Oscillation

PERIOD = 0.02
TIMES = np.arange(0.0, 8.0, PERIOD)


def first(speeds) -> float | None:
    """Time at which an oscillation is seen in speeds along one screw."""
    watch = Oscillation(0.25)
    screw = np.array([0.2, 0.0, 0.1, 0.0, -0.5, 0.3])
    return next((float(t) for t, v in zip(TIMES, speeds, strict=True) if watch.update(t, v * screw)), None)


@pytest.mark.parametrize('period', [0.2, 0.4, 1.0, 2.0])
def test_a_lasting_swing_is_seen_after_a_few_times(period):
    seen = first(np.sin(2 * np.pi * TIMES / period))
    assert seen is not None
    assert seen <= 3.5 * period


@pytest.mark.parametrize('left', [0.3, 0.5, 0.65])
def test_a_swing_that_dies_away_is_an_arrival(left):
    assert first(left ** (3 * TIMES / 1.0) * np.sin(2 * np.pi * TIMES / 1.0)) is None


def test_a_straight_way_is_no_swing():
    assert first(np.exp(-TIMES)) is None


def test_noise_of_estimates_is_none_either():
    generator = np.random.default_rng(2)
    assert first(np.exp(-TIMES) + generator.normal(0, 0.03, TIMES.size)) is None
    assert first(generator.normal(0, 1.0, TIMES.size)) is None  # much faster than any loop swings
