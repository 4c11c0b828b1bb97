"""A slip of the pen in a params file is said, with what was meant."""

from __future__ import annotations

import pytest
import yaml
from rclpy.node import Node

from cnn_vs_ros.errors import ParameterError
from cnn_vs_ros.nodes.overrides import check_overrides
from cnn_vs_ros.resources import config_path
from test.ros_graph import Graph, in_own_domain


def check(tmp_path, content: dict, *more: str) -> None:
    """Check a node differential_ik with the parameter max_linear_velocity that is given a params file."""
    path = tmp_path / 'parameters.yaml'
    path.write_text(yaml.safe_dump(content))
    args = ['--params-file', str(path), *more]
    with in_own_domain(*args):
        node = Node('differential_ik', namespace='robot')
        node.declare_parameter('max_linear_velocity', 0.5)
        check_overrides(node, ['--ros-args', *args])


def section(**parameters: object) -> dict:
    return {'ros__parameters': parameters}


@pytest.mark.parametrize('name', ['/robot/differential_ik', '/**/differential_ik', '/**'])
def test_what_a_node_has_is_taken(tmp_path, name):
    check(tmp_path, {name: section(max_linear_velocity=0.1, use_sim_time=True)})


def test_other_nodes_may_be_in_the_file_and_a_section_for_all_may_be_for_some(tmp_path):
    other = section(update_rate=100)
    check(tmp_path, {'/**': section(**{'limits': {'linear_velocity': 0.1}}), '/controller_manager': other})
    check(tmp_path, {'/**/pbvs_controller': section(gain={'at_zero': 1.0})})


def test_the_shipped_file_with_other_nodes_in_it_is_taken(tmp_path):
    content = yaml.safe_load(config_path('servo.yaml').read_text())
    content['/**/differential_ik']['ros__parameters'] = {'max_linear_velocity': 0.1}
    check(tmp_path, content)


@pytest.mark.parametrize('where', ['/**/differential_ik', '/**'])
def test_a_misspelt_parameter_is_refused_with_the_nearest(tmp_path, where):
    with pytest.raises(
        ParameterError, match=r'differential_ik .* but got max_linear_velocty: max_linear_velocity\?'
    ):
        check(tmp_path, {where: section(max_linear_velocty=0.1)})


def test_one_of_another_node_is_refused_in_the_nodes_own_section_and_on_the_command_line(tmp_path):
    with pytest.raises(ParameterError, match=r'but got limits\.linear_velocity'):
        check(tmp_path, {'/**/differential_ik': section(limits={'linear_velocity': 0.1})})
    with pytest.raises(ParameterError, match='but got max_velocity: max_linear_velocity'):
        check(tmp_path, {}, '-p', 'max_velocity:=0.1')


@pytest.mark.parametrize('name', ['/**/diferential_ik', '/robot/pbvs_controler', '/pose_estimater'])
def test_a_misspelt_node_is_refused_with_the_nearest(tmp_path, name):
    with pytest.raises(ParameterError, match=r'should be of a node: \w+\?'):
        check(tmp_path, {name: section(max_linear_velocity=0.1)})


def test_a_node_process_says_it_and_ends(tmp_path):
    graph = Graph(tmp_path)
    try:
        node = graph.start('pbvs_controller', **{'limits.linear_velocitty': 0.05})
        assert node.wait() == 1
        assert 'but got limits.linear_velocitty: limits.linear_velocity?' in node.output
        assert 'Traceback' not in node.output
    finally:
        graph.close()
