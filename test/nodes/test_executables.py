"""Nodes as processes: python -m cnn_vs_ros.nodes NODE, and what the installed scripts import."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from test.ros_graph import own_domain

# Says when the first of the node's imports begins, and makes it last.
SLOW_IMPORT = """
import sys, time
class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == 'rclpy':
            print('importing', flush=True)
            time.sleep(20)
sys.meta_path.insert(0, Slow())
sys.argv = ['pbvs_controller']
from cnn_vs_ros.nodes.__main__ import pbvs_controller
sys.exit(pbvs_controller())
"""


@pytest.fixture(autouse=True)
def _domain(monkeypatch):
    with own_domain() as domain:
        monkeypatch.setenv('ROS_DOMAIN_ID', str(domain))
        yield


def run(*arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_the_imports_ends_it_quietly(number):
    process = run('-c', SLOW_IMPORT)
    assert process.stdout.readline() == 'importing\n'
    process.send_signal(number)
    output, _ = process.communicate(timeout=15)
    assert process.returncode == 0
    assert output == ''


@pytest.mark.parametrize('content', [None, 'a: [', 'pbvs_controller: 5', '/**: {ros__parameters: {x: [1, a]}}'])
@pytest.mark.parametrize(('name', 'status'), [('pbvs_controller', 1), ('experiment', 2)])
def test_a_params_file_that_cannot_be_used_ends_the_start_with_one_sentence(content, name, status, tmp_path):
    file = tmp_path / 'parameters.yaml'
    if content is not None:
        file.write_text(content)
    process = run('-m', 'cnn_vs_ros.nodes', name, '--ros-args', '--params-file', str(file))
    output, _ = process.communicate(timeout=30)
    assert process.returncode == status
    assert 'Traceback' not in output
    *_, last = output.splitlines()  # rcl says something of its own before
    assert 'ROS 2 should start with these arguments and this environment but: ' in last
    assert str(file) in last


def test_the_usage_is_said():
    process = run('-m', 'cnn_vs_ros.nodes')
    output, _ = process.communicate(timeout=15)
    assert process.returncode == 1
    assert output.startswith('usage: python -m cnn_vs_ros.nodes NODE')


@pytest.mark.parametrize(('name', 'said'), [('pose_estimator', '| `depth` | 0.25 |'), ('record', 'bag')])
def test_help_is_what_the_documentation_says_of_the_node(name, said):
    assert said in run('-m', 'cnn_vs_ros.nodes', name, '--help').communicate()[0]
