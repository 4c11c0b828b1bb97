"""What ends an experiment before anything moves."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from cnn_vs_ros.graph.starting import environment
from test.ros_graph import ROOT


@pytest.mark.parametrize(
    ('parameters', 'said'),
    [
        (['max_durations:=10.0'], 'got max_durations: max_duration?'),
        (['output_folder:=/proc/none'], 'results should be written to /proc/none but cannot'),
    ],
)
def test_a_slip_of_the_pen_and_a_folder_that_cannot_be_written_are_said_first(parameters, said, tmp_path):
    words = [word for parameter in parameters for word in ('-p', parameter)]
    done = subprocess.run(
        [sys.executable, '-m', 'cnn_vs_ros.nodes', 'experiment', '--ros-args', *words],
        cwd=ROOT,
        env=os.environ | environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=120.0,
    )
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert 'Traceback' not in done.stderr
