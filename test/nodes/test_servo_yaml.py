"""config/servo.yaml against the nodes that read it."""

from __future__ import annotations

import ast
from functools import partial
from pathlib import Path

import pytest
import yaml
from rclpy.node import Node

from cnn_vs_ros.control.command_interface import CommandInterface
from cnn_vs_ros.graph.table import NODES
from cnn_vs_ros.nodes.arm_listener import ArmListener
from cnn_vs_ros.nodes.camera import CameraNode
from cnn_vs_ros.nodes.moveit_servo_adapter import MoveItServoAdapter
from cnn_vs_ros.nodes.overrides import check_overrides
from cnn_vs_ros.nodes.record import RecordNode
from cnn_vs_ros.nodes.simulator import Simulator
from cnn_vs_ros.nodes.speed_scaling import TOPIC as SPEED_SCALING
from test.node_classes import node_class
from test.ros_graph import in_own_domain
from test.stand_ins.moveit_servo import stand_in_messages

try:
    from cnn_vs_ros.nodes.view import ViewNode
except ModuleNotFoundError:  # it needs viser
    ViewNode = None

FILE = Path(__file__).resolve().parents[2] / 'config' / 'servo.yaml'


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
    with in_own_domain(*arguments):
        node = MAKERS[name]()
        check_overrides(node, ['--ros-args', *arguments])
        parameters = {key: item.value for key, item in node._parameters.items()}
        node.destroy_node()
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


def literal_topics() -> set[str]:
    """Topics and services that nodes make or take by a name that stands in the code; others come of a variable."""
    kinds = 'publisher', 'lifecycle_publisher', 'subscription', 'service'
    makers = {'subscribe', *(f'create_{kind}' for kind in kinds)}
    found = set()
    for path in (FILE.parents[1] / 'cnn_vs_ros' / 'nodes').glob('*.py'):
        for call in ast.walk(ast.parse(path.read_text())):
            if isinstance(call, ast.Call) and {getattr(call.func, name, '') for name in ('id', 'attr')} & makers:
                words = [word.value for word in call.args[1:3] if isinstance(word, ast.Constant)]
                found |= {word for word in words if isinstance(word, str)}
    return found


def test_documentation_names_every_topic_and_service():
    text, topics = documentation(), literal_topics()
    assert topics >= {'twist', 'robot_description', 'arm_status', '~/start', '~/markers'}
    topics |= {SPEED_SCALING, 'image_raw/compressed', *(interface.topic for interface in CommandInterface)}
    assert not [topic for topic in sorted(topics) if f'`{topic}`' not in text]
