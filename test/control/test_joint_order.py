from __future__ import annotations

import numpy as np
import pytest

from cnn_vs_ros.control.joint_order import JointOrder
from cnn_vs_ros.errors import ArmError, DescriptionError

VELOCITIES = np.array([1.0, 2.0, 3.0])


@pytest.fixture
def order() -> JointOrder:
    order = JointOrder()
    order.take_description(['a', 'b', 'c'])
    return order


def test_the_controllers_order_is_taken_whichever_comes_first(order):
    order.take_controller('/c', ['c', 'a', 'b'])
    assert order.arrange(VELOCITIES) == [3.0, 1.0, 2.0]
    assert not order.settle()
    late = JointOrder()
    late.take_controller('/c', ['c', 'a', 'b'])
    late.take_description(['a', 'b', 'c'])
    assert late.arrange(VELOCITIES) == [3.0, 1.0, 2.0]


def test_without_a_controller_it_is_a_guess_that_stays(order):
    assert order.arrange(VELOCITIES) == [1.0, 2.0, 3.0]
    assert order.settle()
    assert not order.settle()
    order.take_controller('/c', ['a', 'b', 'c'])
    with pytest.raises(ArmError, match='in the order a, b, c but takes b, a, c'):
        order.take_controller('/c', ['b', 'a', 'c'])


def test_the_users_order_must_be_the_controllers():
    order = JointOrder(['b', 'a', 'c'])
    order.take_description(['a', 'b', 'c'])
    assert not order.settle()
    assert order.arrange(VELOCITIES) == [2.0, 1.0, 3.0]
    with pytest.raises(ArmError, match='set the parameter joints'):
        order.take_controller('/c', ['a', 'b', 'c'])


def test_other_joints_are_refused(order):
    with pytest.raises(ArmError, match='should drive a, b, c but drives a, b'):
        order.take_controller('/c', ['a', 'b'])
    with pytest.raises(DescriptionError, match='parameter joints should be the joints of the arm'):
        JointOrder(['a']).take_description(['a', 'b'])


@pytest.mark.parametrize('size', [0, 2, 4])
def test_a_command_of_a_wrong_length_is_never_made(order, size):
    with pytest.raises(ArmError, match='should have 3 values'):
        order.arrange(np.zeros(size))
