"""Nodes as processes: python -m cnn_vs_ros.nodes NODE, and what the installed scripts import."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

import test.ros_graph  # noqa: F401  (the environment of DDS)

DOMAIN = '96'
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


def run(*arguments: str) -> subprocess.Popen:
    environment = os.environ | {'ROS_DOMAIN_ID': DOMAIN}
    return subprocess.Popen(
        [sys.executable, *arguments], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_the_imports_ends_it_quietly(number):
    process = run('-c', SLOW_IMPORT)
    assert process.stdout.readline() == 'importing\n'
    process.send_signal(number)
    output, _ = process.communicate(timeout=15)
    assert process.returncode == 0
    assert output == ''


def test_the_usage_is_said():
    process = run('-m', 'cnn_vs_ros.nodes')
    output, _ = process.communicate(timeout=15)
    assert process.returncode == 1
    assert output.startswith('usage: python -m cnn_vs_ros.nodes NODE')


@pytest.mark.parametrize(('name', 'said'), [('pose_estimator', '| `depth` | 0.25 |'), ('record', 'bag')])
def test_help_is_what_the_documentation_says_of_the_node(name, said):
    assert said in run('-m', 'cnn_vs_ros.nodes', name, '--help').communicate()[0]
