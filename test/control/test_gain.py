from __future__ import annotations

import numpy as np
import pytest

from cnn_vs_ros.control import AdaptiveGain
from cnn_vs_ros.errors import ParameterError


@pytest.mark.parametrize(('at_zero', 'at_infinity'), [(4.0, 0.5), (0.5, 4.0)])
def test_goes_from_one_end_to_the_other_with_the_given_slope(at_zero, at_infinity):
    gain = AdaptiveGain(at_zero, at_infinity, slope_at_zero=12.0)
    assert gain(0.0) == pytest.approx(at_zero)
    assert gain(1e3) == pytest.approx(at_infinity)
    slope = (gain(1e-7) - gain(0.0)) / 1e-7
    assert slope == pytest.approx(12.0 * np.sign(at_infinity - at_zero), rel=1e-4)
    values = np.array([gain(error) for error in np.linspace(0, 2, 200)])
    assert (np.diff(values) * np.sign(at_infinity - at_zero) > 0).all()


def test_equal_ends_are_a_constant_gain():
    gain = AdaptiveGain(0.8, 0.8, slope_at_zero=5.0)
    assert {gain(error) for error in (0.0, 0.1, 10.0)} == {0.8}


@pytest.mark.parametrize('gains', [(0.0, 1.0, 1.0), (1.0, -1.0, 1.0), (1.0, 1.0, -1.0), (np.nan, 1.0, 1.0)])
def test_refuses_values_without_meaning(gains):
    with pytest.raises(ParameterError, match='should be'):
        AdaptiveGain(*gains)
