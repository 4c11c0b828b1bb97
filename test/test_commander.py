"""ServoCommander with the real nodes and the simulated arm."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import rclpy
import yaml
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import PoseWithCovarianceStamped
from std_msgs.msg import String
from std_srvs.srv import Trigger

from cnn_vs_ros import commander
from cnn_vs_ros.commander import ServoCommander
from cnn_vs_ros.control import ServoStatus
from cnn_vs_ros.errors import CommanderError
from cnn_vs_ros.nodes import messages
from test.nodes.test_pbvs_controller import BRISK
from test.ros_graph import LATCHED, ROOT, Graph

NODES = ('simulator', 'pose_estimator', 'pbvs_controller', 'differential_ik')
SIMULATED = yaml.safe_load((ROOT / 'config' / 'simulated.yaml').read_text())['/**/pbvs_controller'][
    'ros__parameters'
]


@pytest.fixture
def graph(tmp_path):
    graph = Graph(tmp_path)
    yield graph
    graph.close()


@pytest.fixture
def speak(graph):
    node = rclpy.create_node('script', context=graph.context)
    with ServoCommander(graph.namespace, node) as found:
        yield found
    node.destroy_node()


def test_a_missing_node_is_said(speak, monkeypatch):
    monkeypatch.setattr(commander, 'WAIT_TIMEOUT', 0.5)
    with pytest.raises(CommanderError, match=r'waited 0\.5 s in vain for service pbvs_controller/start'):
        speak.servo()


def test_a_malformed_message_is_left_out_and_the_next_one_heard(graph, speak):
    make = graph.node.create_publisher
    statuses, reasons = (make(String, topic, LATCHED) for topic in ('servo_status', 'servo_status_reason'))
    said, poses = make(DiagnosticArray, 'pose_status', 10), make(PoseWithCovarianceStamped, 'relative_pose', 10)
    pose = PoseWithCovarianceStamped()
    pose.pose.pose.orientation.w = 0.0
    graph.spin_until(said.get_subscription_count, 'the subscription')
    for publisher, malformed in (
        (statuses, String(data='asleep')),
        (said, DiagnosticArray()),
        (said, messages.diagnostics(DiagnosticStatus(message='tracked'), graph.now())),
        (poses, pose),
    ):
        publisher.publish(malformed)
    reasons.publish(String(data='not started'))

    def tell() -> None:
        values = messages.key_values({'confidence': 0.5})
        status = DiagnosticStatus(message='tracked', values=values)
        said.publish(messages.diagnostics(status, graph.now()))
        statuses.publish(String(data='idle'))

    graph.spin_until(lambda: speak._state().confidence == 0.5, 'a status', tell)
    assert speak._state().status is ServoStatus.IDLE
    assert np.isnan(speak._state().error_mm)


def test_what_no_parameter_can_hold_is_refused_and_numbers_are_of_one_kind(graph, speak):
    graph.start('pbvs_controller')
    with pytest.raises(CommanderError, match='should be a truth value, a number, text, or a list of one of these'):
        speak.set('pbvs_controller', 'gain.at_zero', {'a': 1})
    with pytest.raises(CommanderError, match=r'refuses degrees_of_freedom \[0, 0\.5\]: '):
        speak.set('pbvs_controller', 'degrees_of_freedom', [0, 0.5])


def command(graph: Graph, *words: str) -> str:
    """Run `python -m cnn_vs_ros` and return what it prints."""
    done = subprocess.run(
        [sys.executable, '-m', 'cnn_vs_ros', *words, '--namespace', graph.namespace],
        cwd=ROOT,
        env=graph.environment,
        capture_output=True,
        text=True,
        timeout=120.0,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_capture_offset_servo_timeout_and_interruption(graph, speak, monkeypatch):
    scalars = {name: value for name, value in SIMULATED.items() if not isinstance(value, dict)}
    parameters = {
        'pbvs_controller': {**BRISK, **scalars},
        'simulator': {'start.batch': 2, 'start.seed': 1, 'lockstep': True, 'lockstep_timeout': 10.0},
    }
    for name in NODES:
        graph.start(name, use_sim_time=name != 'simulator', **parameters.get(name, {}))
    assert graph.call(Trigger, 'simulator/move_to_reference').success
    with pytest.raises(CommanderError, match='no_reference'):
        speak.offset()
    # At first the arm is not ready either, on a busy machine.
    refused = lambda: speak.servo(timeout=0.5)  # noqa: E731
    graph.spin_until(lambda: 'a fresh estimate should have come' in refused().reason, 'what is missing')
    assert not refused().arrived
    assert 'captured' in speak.capture('part')
    assert speak.status().reference == 'part'
    assert graph.call(Trigger, 'simulator/move_to_start').success
    away = lambda: np.linalg.norm(speak.offset().transform[:3, 3]) > 0.002  # noqa: E731
    graph.spin_until(away, 'an offset')
    # A start may be refused at first, on a busy machine.
    graph.spin_until(lambda: speak.servo(timeout=0.3).reason == 'not there within 0.3 s', 'an end by time')
    graph.spin(0.3)
    assert speak.status().status is ServoStatus.STOPPED
    for number, exception in ((signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)):
        with monkeypatch.context() as patch:
            patch.setattr(speak, '_has_ended', lambda _, number=number: os.kill(os.getpid(), number))
            with pytest.raises(exception):
                speak.servo()
        graph.spin_until(lambda: speak.status().reason == 'stopped by request', 'a stop')
    seen: list[float] = []
    result = speak.servo(timeout=180.0, progress=lambda state: seen.append(state.error_mm))
    assert result.arrived, result
    assert result.error_mm < 1.0
    assert result.error_deg < 0.2
    with monkeypatch.context() as patch:  # a start that is refused has not arrived, whatever the task before did
        patch.setattr(speak, '_trigger', lambda _: (False, 'not now'))
        refused = speak.servo(timeout=0.0)
    assert (refused.arrived, refused.status, refused.reason) == (False, ServoStatus.IDLE, 'not now')
    assert np.nanmax(seen) > 2.0
    assert [(item['name'], item['in_use']) for item in speak.references()] == [('part', True)]
    with pytest.raises(CommanderError, match=r"refuses reference 'none'.* that has part"):
        speak.use('none')
    with pytest.raises(CommanderError, match=r'refuses gain\.at_zero'):
        speak.set('pbvs_controller', 'gain.at_zero', 1000.0)
    monkeypatch.setenv('ROS_DOMAIN_ID', str(graph.domain))
    with ServoCommander(graph.namespace) as another:  # with a node of its own
        state = another.status()
        assert state.status is ServoStatus.CONVERGED
        assert np.isfinite(state.error_mm) or not state.pose_status
        graph.spin_until(lambda: another.status().reference == 'part', 'the name of the reference')
    assert graph.call(Trigger, 'simulator/move_to_start').success
    graph.spin_until(away, 'an offset')
    said = json.loads(command(graph, 'servo', '--json'))
    assert (said['status'], said['arrived']) == ('converged', True)
    example = subprocess.run(
        [sys.executable, 'examples/commander.py', graph.namespace],
        cwd=ROOT,
        env=graph.environment | {'PYTHONPATH': str(ROOT)},
        input='\n',
        capture_output=True,
        text=True,
        timeout=180.0,
    )
    assert example.returncode == 0, example.stderr
    assert 'converged: ' in example.stdout
    assert graph.call(Trigger, 'simulator/move_to_start').success
    graph.spin_until(away, 'an offset')
    for name, status, first in (('part', 0, 'done    use part'), ('none', 1, 'failed  use none')):
        tree = subprocess.run(
            [sys.executable, 'examples/behaviour_tree.py', name, graph.namespace],
            cwd=ROOT,
            env=graph.environment | {'PYTHONPATH': str(ROOT)},
            capture_output=True,
            text=True,
            timeout=180.0,
        )
        assert tree.returncode == status, tree.stdout + tree.stderr
        assert tree.stdout.startswith(first)
        assert tree.stdout.endswith('done    when lost, stop\n')
