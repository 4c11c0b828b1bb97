"""Values of parameters as people write them, and what is said of those that act later."""

from __future__ import annotations

import json
from contextlib import contextmanager

import pytest
from rclpy.node import Node
from rclpy.parameter import Parameter

from cnn_vs_ros.errors import ParameterError
from cnn_vs_ros.nodes.parameters import declare
from test.ros_graph import in_own_domain


@contextmanager
def node_given(*pairs: str):
    with in_own_domain(*(word for pair in pairs for word in ('-p', pair))):
        yield Node('given')


def log_of(node: Node) -> list[str]:
    """List that grows with what the node says."""
    said: list[str] = []
    logger = node.get_logger()
    logger.info = said.append
    node.get_logger = lambda: logger
    return said


def test_a_value_that_says_the_same_in_the_declared_type_is_taken():
    given = ['depth:=1', 'source:=0', 'folder:=20261124', 'rectified:=true', 'corner:=[1, -2, 0]', 'names:=[1, 2]']
    with node_given(*given) as node:
        assert repr(declare(node, 'depth', 0.25, '', bounds=(0.01, 100.0))) == '1.0'
        assert declare(node, 'source', '', '') == '0'
        assert declare(node, 'folder', '', '') == '20261124'
        assert declare(node, 'rectified', 'auto', '', choices=('auto', 'true')) == 'true'
        assert list(declare(node, 'corner', [0.0, 0.0, 0.0], '')) == [1.0, -2.0, 0.0]
        assert list(declare(node, 'names', Parameter.Type.STRING_ARRAY, '')) == ['1', '2']


@pytest.mark.parametrize(
    ('given', 'default', 'sentence'),
    [
        ('gain:=fast', 1.0, "parameter gain should be a number but is 'fast'"),
        ('runs:=1.5', 1, 'parameter runs should be a whole number but is 1.5'),
        ('loop:=0', True, 'parameter loop should be true or false but is 0'),
        ('folder:=1.10', '', r'parameter folder should be text, .*two pairs of quotes.* but is 1\.1$'),
        ('mask:=[1, 0]', [True, True], r'parameter mask should be a list of true or false but is .*1, 0'),
    ],
)
def test_another_value_is_refused_with_what_was_expected(given, default, sentence):
    with node_given(given) as node, pytest.raises(ParameterError, match=sentence) as refused:
        declare(node, given.partition(':')[0], default, '')
    assert '\n' not in str(refused.value)


def test_text_of_the_record_command_stays_text():
    with node_given(f'output:={json.dumps("007")}') as node:
        assert declare(node, 'output', '', '') == '007'


def test_a_value_set_later_is_taken_the_same_way_and_bounds_still_hold():
    with node_given() as node:
        declare(node, 'depth', 0.25, '', bounds=(0.01, 100.0))
        declare(node, 'source', '', '')
        results = node.set_parameters([Parameter('depth', value=2), Parameter('source', value=7)])
        assert all(result.successful for result in results)
        assert repr(node.get_parameter('depth').value) == '2.0'
        assert node.get_parameter('source').value == '7'
        (result,) = node.set_parameters([Parameter('depth', value=1000)])
        assert not result.successful
        (result,) = node.set_parameters([Parameter('depth', value='deep')])
        assert not result.successful
        assert node.get_parameter('depth').value == 2.0


def test_one_that_is_read_at_a_transition_says_so_when_it_is_set_and_where_it_is_described():
    with node_given() as node:
        said = log_of(node)
        declare(node, 'rectified', 'auto', 'By topic.', choices=('auto', 'true'), read_on='activation')
        declare(node, 'gain', 1.0, '')
        assert not said
        node.set_parameters([Parameter('gain', value=2.0)])
        assert not said
        node.set_parameters([Parameter('rectified', value='never')])
        assert not said
        node.set_parameters([Parameter('rectified', value='true')])
        assert said == ['rectified is read on activation: it acts from the next one on']
        assert node.describe_parameter('rectified').description == 'By topic. Read on activation.'
