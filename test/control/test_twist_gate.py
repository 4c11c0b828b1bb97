from __future__ import annotations

import numpy as np
import pytest

from cnn_vs_ros.control.twist_gate import SenderWatch, TwistGate
from cnn_vs_ros.errors import PoseError, TwistError

GATE = TwistGate('camera', 0.5, 2.0, 0.1)
TWIST = np.array([0.1, 0.2, 0.0, 0.5, 0.0, 1.0])


def test_a_twist_as_it_should_be_is_admitted():
    np.testing.assert_array_equal(GATE.admit(TWIST, 'camera', 10.0, 10.05), TWIST)
    GATE.admit([0.3, 0.4, 0, 0, 0, 2.0], 'camera', 10.0, 9.95)


@pytest.mark.parametrize(
    ('twist', 'frame', 'stamp', 'sentence'),
    [
        (TWIST, 'base', 10.0, "should be in camera but is in 'base'"),
        (TWIST, 'camera', 0.0, 'its stamp is zero'),
        (TWIST, 'camera', 9.8, 'at most 0.1 s old'),
        (TWIST, 'camera', 10.2, 'at most 0.1 s old'),
        (10 * TWIST, 'camera', 10.0, 'at most 0.5 m/s and 2 rad/s'),
        ([0, 0, 0, 0, 0, 1e308], 'camera', 10.0, 'at most 0.5 m/s'),
        ([1e308] * 6, 'camera', 10.0, 'at most 0.5 m/s'),
    ],
)
def test_any_other_is_refused(twist, frame, stamp, sentence):
    with pytest.raises(TwistError, match=sentence):
        GATE.admit(twist, frame, stamp, 10.0)


@pytest.mark.parametrize('value', [np.nan, np.inf])
def test_one_that_is_not_finite_is_refused(value):
    with pytest.raises(PoseError, match='finite'):
        GATE.admit([0, 0, value, 0, 0, 0], 'camera', 10.0, 10.0)


def test_two_senders_are_told_by_their_numbers_and_forgotten_after_a_while():
    watch = SenderWatch()
    for number in (1, 2, 3, 7, 8):
        watch.take(number, 0.02 * number)
    watch.take(1, 0.2)  # relieved by another, once
    watch.take(2, 0.22)
    watch.take(9, 0.23)
    with pytest.raises(TwistError, match='two do'):
        watch.take(3, 0.24)
    with pytest.raises(TwistError):
        watch.take(4, 0.5)
    watch.take(5, 1.3)


def test_a_middleware_without_numbers_tells_nothing():
    watch = SenderWatch()
    for _ in range(3):
        watch.take(None, 0.0)
