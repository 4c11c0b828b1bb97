from __future__ import annotations

import numpy as np
import pytest

from cnn_vs_ros.control import Retreat, TwistLimiter
from cnn_vs_ros.errors import ParameterError

DT = 0.02


def run(retreat: Retreat, limiter: TwistLimiter, seconds: float) -> np.ndarray:
    twists = []
    for _ in range(round(seconds / DT)):
        twists.append(limiter.limit(retreat.twist(DT), DT))
        retreat.record(twists[-1], DT)
    return np.array(twists)


def test_backs_along_the_optical_axis_by_the_distance_and_no_further():
    retreat = Retreat(speed=0.05, distance=0.1, deceleration=0.5)
    twists = run(retreat, TwistLimiter(1.0, 1.0, 0.5, 4.0), 20.0)
    assert not np.delete(twists, 2, axis=1).any()
    assert (twists[:, 2] <= 0).all()
    assert -twists[:, 2].min() == pytest.approx(0.05)
    travelled = -twists[:, 2].sum() * DT
    assert 0.098 < travelled <= 0.1 + 1e-9
    assert np.abs(twists[-1]).max() < 1e-6


def test_the_distance_is_for_the_whole_episode_until_reset():
    retreat, limiter = Retreat(0.05, 0.02), TwistLimiter(1.0, 1.0)
    run(retreat, limiter, 5.0)
    assert retreat.remaining == pytest.approx(0.0, abs=1e-9)
    retreat.reset()
    assert -run(retreat, limiter, 5.0)[:, 2].sum() * DT == pytest.approx(0.02)


def test_forward_motion_does_not_earn_distance():
    retreat = Retreat(0.05, 0.02)
    retreat.record(np.array([0, 0, 0.1, 0, 0, 0]), 1.0)
    assert retreat.remaining == 0.02


@pytest.mark.parametrize('values', [(0.0, 0.1), (0.1, -0.1), (np.nan, 0.1)])
def test_refuses_values_without_meaning(values):
    with pytest.raises(ParameterError, match='retreat'):
        Retreat(*values)
