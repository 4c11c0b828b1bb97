"""config/servo.yaml against the nodes that read it."""

from __future__ import annotations

import ast
from functools import partial
from pathlib import Path

import pytest
import rclpy
import yaml
from rclpy.node import Node

import test.ros_graph  # noqa: F401  (the environment of DDS, before its first participant)
from cnn_vs_ros.control.command_interface import CommandInterface
from cnn_vs_ros.graph.table import NODES
from cnn_vs_ros.nodes.arm_listener import ArmListener
from cnn_vs_ros.nodes.camera import CameraNode
from cnn_vs_ros.nodes.moveit_servo_adapter import MoveItServoAdapter
from cnn_vs_ros.nodes.record import RecordNode
from cnn_vs_ros.nodes.simulator import Simulator
from cnn_vs_ros.nodes.speed_scaling import TOPIC as SPEED_SCALING
from test.node_classes import node_class
from test.stand_ins.moveit_servo import stand_in_messages

try:
    from cnn_vs_ros.nodes.view import ViewNode
except ModuleNotFoundError:  # it needs viser
    ViewNode = None

FILE = Path(__file__).resolve().parents[2] / 'config' / 'servo.yaml'
DOMAIN = 95


class SimulatorParameters(Node):
    """The simulator's parameters without its simulation."""

    _declare_parameters = Simulator._declare_parameters

    def __init__(self) -> None:
        super().__init__('simulator')
        self._declare_parameters()


class CameraParameters(Node):
    """The camera's parameters without its images."""

    _declare_parameters = CameraNode._declare_parameters
    _fixed = CameraNode._fixed

    def __init__(self) -> None:
        super().__init__('camera')
        self._declare_parameters()


class RecordParameters(Node):
    """The recorder's parameters without its bag."""

    _declare_parameters = RecordNode._declare_parameters

    def __init__(self) -> None:
        super().__init__('record')
        self._declare_parameters()


class ViewParameters(Node):
    """The view's parameters without its page."""

    def __init__(self) -> None:
        super().__init__('view')
        ViewNode._declare_parameters(self)
        ArmListener(self)


STAND_INS = {
    'simulator': SimulatorParameters,
    'camera': CameraParameters,
    'moveit_servo_adapter': partial(MoveItServoAdapter, stand_in_messages()),
    'record': RecordParameters,
    'view': ViewParameters,
}
COMMANDS = {'move_arm'}
MISSING = set() if ViewNode else {'view'}
MAKERS = {name: STAND_INS.get(name) or node_class(name) for name in NODES if name not in COMMANDS | MISSING}


def flat(values: dict, prefix: str = '') -> dict:
    result: dict = {}
    for name, value in values.items():
        result |= flat(value, f'{prefix}{name}.') if isinstance(value, dict) else {prefix + name: value}
    return result


def declared(name: str, *arguments: str) -> dict:
    """Parameters of a node by name, with their values."""
    rclpy.init(args=['--ros-args', *arguments], domain_id=DOMAIN)
    try:
        node = MAKERS[name]()
        parameters = {key: item.value for key, item in node._parameters.items()}
        node.destroy_node()
    finally:
        rclpy.shutdown()
    return parameters


@pytest.fixture(scope='module')
def sections() -> dict:
    return {key: flat(value['ros__parameters']) for key, value in yaml.safe_load(FILE.read_text()).items()}


def test_has_a_section_for_each_node_in_any_namespace(sections):
    assert sorted(sections) == sorted(f'/**/{name}' for name in MAKERS)


@pytest.mark.parametrize('name', MAKERS)
def test_every_entry_is_a_parameter_of_its_node_and_reaches_it(sections, name):
    section = sections[f'/**/{name}']
    values = declared(name, '--params-file', str(FILE), '-r', '__ns:=/somewhere/else')
    assert set(section) <= set(values)
    assert {key: values[key] for key in section} == section


@pytest.mark.parametrize('name', MAKERS)
def test_shows_every_parameter_of_its_node_with_the_default(sections, name):
    section, defaults = sections[f'/**/{name}'], declared(name)
    own = {key: value for key, value in defaults.items() if not key.startswith(('use_sim_time', 'qos_overrides'))}
    optional = {'joints', 'collision.table', 'robot_description', 'start_type_description_service'}
    assert set(own) - optional <= set(section)
    assert {key: own[key] for key in section} == section


def documentation() -> str:
    pages = 'nodes.md', 'tools.md', 'cameras.md', 'moveit.md'
    return ''.join((FILE.parents[1] / 'docs' / name).read_text() for name in pages)


def test_documentation_names_every_parameter(sections):
    text = documentation()
    missing = [
        f'{node} {name}' for node, section in sections.items() for name in section if f'`{name}`' not in text
    ]
    assert not missing


def test_documentation_names_every_topic_and_service():
    text = documentation()
    makers = {'create_publisher', 'create_lifecycle_publisher', 'create_subscription', 'create_service'}
    for name in MAKERS.keys() - {'experiment'}:
        tree = ast.parse((FILE.parents[1] / 'cnn_vs_ros' / 'nodes' / f'{name}.py').read_text())
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and getattr(call.func, 'attr', '') in makers:
                topic = call.args[1].value if isinstance(call.args[1], ast.Constant) else 'image_raw/compressed'
                assert f'`{topic}`' in text, f'{topic} of {name}'
    for topic in (SPEED_SCALING, *(interface.topic for interface in CommandInterface)):
        assert f'`{topic}`' in text, topic
