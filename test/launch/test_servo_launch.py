from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

import pytest

from cnn_vs_ros.demo.graph import NODES

FILE = Path(__file__).resolve().parents[2] / 'launch' / 'servo.launch.py'
TREE = ast.parse(FILE.read_text())


def calls(name: str) -> list[ast.Call]:
    return [
        node
        for node in ast.walk(TREE)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name
    ]


def arguments() -> dict[str, tuple[ast.expr, ast.expr]]:
    """Default and description of each launch argument, as they stand in the file."""
    function = next(node for node in TREE.body if getattr(node, 'name', '') == 'declared_arguments')
    table = next(node.value for node in function.body if isinstance(node, ast.Assign))
    assert isinstance(table, ast.Dict)
    return {
        key.value: tuple(value.elts)
        for key, value in zip(table.keys, table.values, strict=True)
        if isinstance(key, ast.Constant) and isinstance(value, ast.Tuple)
    }


def test_launches_the_nodes_of_the_demo():
    names = [call.args[0].value for call in calls('required') if isinstance(call.args[0], ast.Constant)]
    assert sorted(names) == sorted(
        [*NODES, 'calibrate', 'moveit_servo_adapter', 'simulated_camera', 'visualization']
    )


def test_every_argument_has_a_default_and_says_what_it_is():
    declared = arguments()
    assert {'robot', 'model', 'reference', 'params_file', 'rviz', 'use_sim_time'} <= set(declared)
    for name, (_, description) in declared.items():
        assert len(ast.literal_eval(description)) > 10, name


def test_arguments_override_parameters_that_exist():
    table = next(
        node.value for node in TREE.body if isinstance(node, ast.AnnAssign) and node.target.id == 'OVERRIDES'
    )
    for name, target in zip(table.keys, table.values, strict=True):
        assert name.value in arguments()
        assert target.elts[0].value in NODES


@pytest.mark.skipif(not importlib.util.find_spec('launch_ros'), reason='launch_ros is part of a ROS installation')
class TestUnderLaunch:
    def launched(self, **given: str) -> dict:
        from launch import LaunchContext
        from launch.actions import DeclareLaunchArgument, GroupAction
        from launch.launch_description_sources import get_launch_description_from_python_launch_file
        from launch.utilities import normalize_to_list_of_substitutions, perform_substitutions

        description = get_launch_description_from_python_launch_file(str(FILE))
        context = LaunchContext()
        context.launch_configurations.update(given)
        *declared, function = description.entities
        for argument in declared:
            assert isinstance(argument, DeclareLaunchArgument)
            config = FILE.parents[1] / 'config'
            shipped = {'moveit_config': config / 'moveit'}
            if argument.name in shipped:
                context.launch_configurations.setdefault(argument.name, str(shipped[argument.name]))
            argument.visit(context)
        group = next(entity for entity in function.visit(context) if isinstance(entity, GroupAction))
        nodes = [entity for entity in group.get_sub_entities() if hasattr(entity, 'node_executable')]
        return {
            perform_substitutions(context, normalize_to_list_of_substitutions(node.node_executable)): node
            for node in nodes
        }

    def test_the_simulated_robot_needs_all_nodes(self):
        assert sorted(self.launched()) == sorted(NODES)

    def test_an_external_robot_brings_its_own_arm_and_camera(self):
        assert set(self.launched(robot='external')) == set(NODES) - {'simulator', 'experiment'}

    def test_a_mock_arm_has_a_simulated_camera(self):
        nodes = self.launched(robot='mock', scene='prints')
        assert set(nodes) == set(NODES) - {'simulator', 'experiment'} | {'simulated_camera'}
        assert 'simulated_camera' not in self.launched(robot='mock', simulated_camera='false')

    def test_moveit_servo_takes_the_place_of_differential_ik(self):
        others = set(NODES) - {'differential_ik'}
        nodes = {*others, 'moveit_servo_adapter', 'servo_node'}
        assert set(self.launched(arm_interface='moveit_servo', experiment='true')) == nodes
        nodes -= {'experiment', 'simulator', 'servo_node'}
        assert set(self.launched(arm_interface='moveit_servo', robot='external')) == nodes

    def test_the_end_of_any_node_brings_the_launch_down(self):
        from launch.actions import Shutdown

        for name, node in self.launched().items():
            assert isinstance(node._ExecuteLocal__on_exit, Shutdown), name


def test_only_an_external_arm_keeps_the_limits_of_a_real_one():
    function = next(node for node in TREE.body if getattr(node, 'name', '') == 'parameter_files')
    scope = {'shared': lambda *path: '/'.join(path), 'PathJoinSubstitution': str}
    exec(compile(ast.Module([function], []), str(FILE), 'exec'), scope)
    assert scope['parameter_files']('external') == ['config/servo.yaml']
    for robot in ('simulated', 'gazebo', 'mock'):
        assert scope['parameter_files'](robot) == ['config/servo.yaml', 'config/simulated.yaml']
