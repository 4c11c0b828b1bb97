"""The commands without what only some of them need."""

from __future__ import annotations

import subprocess
import sys

import pytest

from test.ros_graph import ROOT

SCRIPT = """
import sys
for name in ('xacro', 'matplotlib', 'mujoco', 'imageio_ffmpeg', 'rosbags', 'viser'):
    sys.modules[name] = None
from cnn_vs_ros.command_line import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ('words', 'status', 'said'),
    [
        (['--version'], 0, 'cnn_vs_ros '),
        (['references', '--library', 'none'], 0, ''),
        (['calibrate', '--from', 'none'], 2, 'calibrate: '),
        (['demo'], 2, 'demo: expected mujoco, xacro, matplotlib to be installed'),
    ],
)
def test_a_command_needs_no_more_than_it_uses(words, status, said, tmp_path):
    done = subprocess.run(
        [sys.executable, '-c', SCRIPT, *words],
        cwd=tmp_path,
        env={'PATH': '', 'HOME': str(tmp_path), 'PYTHONPATH': str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120.0,
    )
    assert 'Traceback' not in done.stderr
    assert done.returncode == status, done.stderr
    assert said in done.stdout + done.stderr


@pytest.mark.parametrize(
    ('words', 'said'),
    [
        (['status', '--namespace', 'my-robot'], "the namespace should be a name of ROS 2 but is 'my-robot'"),
        (['set', 'pose-estimator', 'depth', '0.5'], "the node should be a name of ROS 2 but is 'pose-estimator'"),
    ],
)
def test_a_name_that_ros_does_not_take_is_said(words, said, tmp_path):
    done = subprocess.run(
        [sys.executable, '-m', 'cnn_vs_ros', *words], cwd=ROOT, capture_output=True, text=True, timeout=120.0
    )
    assert done.returncode == 2
    assert said in done.stderr
    assert 'Traceback' not in done.stderr
