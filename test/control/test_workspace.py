from __future__ import annotations

import numpy as np
import pytest

from cnn_vs_ros.control import Workspace
from cnn_vs_ros.errors import ParameterError
from cnn_vs_ros.geometry import se3

BOX = Workspace([0.3, 0.2, 0.1], 0.32)


def at(x: float, y: float, z: float) -> np.ndarray:
    return se3.from_pose_vector([x, y, z, 0.5, -1.0, 2.0])


@pytest.mark.parametrize('place', [(0, 0, 0), (0.299, 0, 0), (-0.299, 0, 0), (0, -0.199, 0.099)])
def test_inside_there_is_no_violation(place):
    assert BOX.violation(at(*place)) == ''


@pytest.mark.parametrize(
    ('place', 'sentence'),
    [
        ((0.301, 0, 0), 'x = 0.301 m from the reference, beyond workspace.x of 0.3 m'),
        ((0, -0.21, 0), 'y = -0.210 m'),
        ((0, 0, 0.11), 'z = 0.110 m'),
        ((0.29, 0.19, 0), 'beyond workspace.distance of 0.32 m'),
    ],
)
def test_each_bound_is_said(place, sentence):
    assert sentence in BOX.violation(at(*place))


def test_without_bounds_everywhere_is_inside():
    assert Workspace().violation(at(1e6, -1e6, 1e6)) == ''


@pytest.mark.parametrize('arguments', [([0.1, 0.1], 1.0), ([0.1, 0.0, 0.1], 1.0), ([0.1, 0.1, 0.1], np.nan)])
def test_bounds_must_be_positive(arguments):
    with pytest.raises(ParameterError, match='three positive half extents'):
        Workspace(*arguments)
