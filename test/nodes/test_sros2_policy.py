"""config/sros2_policy.xml against the topics and services that the nodes have."""

from __future__ import annotations

import time
import xml.etree.ElementTree as ET
from pathlib import Path

import cv2
import numpy as np
import pytest
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.node import Node

from cnn_vs_ros.control.command_interface import CommandInterface
from cnn_vs_ros.graph.table import NODES
from cnn_vs_ros.nodes.managed_node import ManagedNode
from cnn_vs_ros.nodes.moveit_servo_adapter import MoveItServoAdapter
from test.node_classes import node_class
from test.ros_graph import PATIENCE, in_own_domain
from test.stand_ins.moveit_servo import stand_in_messages

FILE = Path(__file__).resolve().parents[2] / 'config' / 'sros2_policy.xml'
POLICY = ET.parse(FILE).getroot()


def adapter_of_a_servo() -> Node:
    """The adapter, told by Servo where that publishes."""
    node = MoveItServoAdapter(stand_in_messages())
    node.output.watch('trajectory_msgs/JointTrajectory', CommandInterface.TRAJECTORY.topic)
    return node


CLOCK = ('use_sim_time:=true',)
COMMANDED = [(f'command_interface:={interface.value}',) for interface in CommandInterface]
WAYS: dict[str, list[tuple[str, ...]]] = {
    'simulator': [('lockstep:=true',), *COMMANDED],
    'pose_estimator': [CLOCK, ('image_transport:=compressed',)],
    'differential_ik': [CLOCK, *COMMANDED],
    'check_arm': [CLOCK, *COMMANDED],
    'experiment': [CLOCK, ('measure_depth:=true',)],
}
"""Parameters of the ways to start a node that differ in their topics; of others CLOCK is the only one."""
UNLISTED = {'move_arm', 'record', 'view', 'visualization'}
"""What is not part of a running cell."""
RESTRICTED = [name for name in NODES if name not in UNLISTED]


def made(name: str) -> Node:
    return adapter_of_a_servo() if name == 'moveit_servo_adapter' else node_class(name)()


Names = dict[str, set[str]]


def allowed(name: str) -> Names:
    """Full names by what a node may do with them."""
    profile = POLICY.find(f"enclaves/enclave[@path='/cnn_vs_ros/{name}']/profiles/profile[@node='{name}']")
    assert profile is not None, f'{name} has no profile'
    assert profile.get('ns') == '/'
    found: Names = {'publish': set(), 'subscribe': set(), 'reply': set(), 'request': set()}
    for group in profile:
        (right,) = group.attrib
        assert group.get(right) == 'ALLOW'
        assert right in {'topics': ('publish', 'subscribe'), 'services': ('reply', 'request')}[group.tag]
        for item in group:
            assert item.tag == group.tag[:-1]
            full = item.text if item.text.startswith('/') else f'/{item.text}'.replace('/~', f'/{name}')
            assert full not in found[right], f'{full} twice'
            found[right].add(full)
    return found


def used(name: str, parameters: tuple[str, ...]) -> Names:
    """Full names that a node of this process has made."""
    arguments = [word for parameter in parameters for word in ('-p', parameter)]
    with in_own_domain(*arguments):
        node = made(name)
        if isinstance(node, ManagedNode):
            assert node.trigger_configure() is TransitionCallbackReturn.SUCCESS
            assert node.trigger_activate() is TransitionCallbackReturn.SUCCESS
        queries = {
            'publish': node.get_publisher_names_and_types_by_node,
            'subscribe': node.get_subscriber_names_and_types_by_node,
            'reply': node.get_service_names_and_types_by_node,
            'request': node.get_client_names_and_types_by_node,
        }
        # The graph learns of what a node has made a moment after.
        named = {entity.topic_name for entity in (*node.publishers, *node.subscriptions)}
        named |= {entity.service_name for entity in (*node.services, *node.clients)}
        end = time.monotonic() + PATIENCE
        names: Names = {}
        while not named <= set().union(*names.values()) and time.monotonic() < end:
            names = {right: {full for full, _ in query(name, '/')} for right, query in queries.items()}
            time.sleep(0.02)
        if hasattr(node, 'shut_down'):
            node.shut_down()
        node.destroy_node()
    return names


@pytest.mark.parametrize('name', RESTRICTED)
def test_a_node_may_do_what_it_does_and_nothing_else(name, tmp_path, monkeypatch):
    monkeypatch.setenv('ROS_HOME', str(tmp_path))
    cv2.imwrite(str(tmp_path / '0.png'), np.zeros((48, 64, 3), np.uint8))
    more = (f'source:={tmp_path}',) if name == 'camera' else ()
    ways = [used(name, (*parameters, *more)) for parameters in WAYS.get(name, [CLOCK])]
    together = {right: set().union(*(way[right] for way in ways)) for right in ways[0]}
    assert allowed(name) == together


def test_the_policy_is_of_the_schema_and_of_these_nodes_only():
    assert POLICY.tag == 'policy'
    assert POLICY.get('version') == '0.2.0'
    enclaves = POLICY.findall('enclaves/enclave')
    assert sorted(enclave.get('path') for enclave in enclaves) == sorted(
        f'/cnn_vs_ros/{name}' for name in RESTRICTED
    )
    assert all([child.tag for child in enclave] == ['profiles'] for enclave in enclaves)


def test_only_the_inverse_kinematics_may_command_the_arm():
    for interface in CommandInterface:
        commands = f'/{interface.topic}'
        assert [name for name in RESTRICTED if commands in allowed(name)['publish']] == ['differential_ik']
