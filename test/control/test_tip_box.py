from __future__ import annotations

import numpy as np
import pytest

from cnn_vs_ros.control.tip_box import TipBox
from cnn_vs_ros.errors import ParameterError


def test_the_tip_comes_to_rest_at_a_face_and_is_free_to_leave_it():
    box, position, dt = TipBox((-1, -1, 0), (1, 1, 1)), np.array([0.0, 0.0, 0.1]), 0.01
    for _ in range(1000):
        velocity = np.array([0.02, 0.0, -0.5])
        position = position + dt * velocity * box.scale(position, velocity)
        assert position[2] >= 0.0
    assert position[2] < 1e-6
    assert box.scale(position, np.array([0.0, 0.1, 0.5])) == 1.0


def test_outside_only_the_way_back_is_free():
    box = TipBox((-1, -1, 0), (1, 1, 1))
    assert box.scale(np.array([1.5, 0, 0.5]), np.array([0.1, 0, 0])) == 0.0
    assert box.scale(np.array([1.5, 0, 0.5]), np.array([-0.1, 0, 0])) == 1.0


@pytest.mark.parametrize(
    ('lower', 'upper'),
    [([0, 0], [1, 1]), ([0, 0, 0], [1, 1, 0]), ([0, 0, np.nan], [1, 1, 1]), ([0, 0, -np.inf], [1, 1, 1])],
)
def test_corners_without_a_box_are_refused(lower, upper):
    with pytest.raises(ParameterError, match='box should have'):
        TipBox(lower, upper)
