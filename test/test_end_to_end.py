"""The whole loop: separate processes, real DDS, rendered images, started as a user starts it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import cv2

from cnn_vs_ros.graph.table import DEMO
from test import ROOT

PATIENCE = 240.0


@contextmanager
def started_demo(output, *arguments):
    environment = {name: value for name, value in os.environ.items() if name != 'ROS_DOMAIN_ID'}
    demo = subprocess.Popen(
        [sys.executable, '-m', 'cnn_vs_ros', 'demo', '--headless', '--output', str(output), *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield demo
    finally:
        demo.kill()


def node_processes(demo):
    """Process ids of the nodes that a demo has started, by name."""
    found = {}
    for folder in Path('/proc').iterdir():
        if not folder.name.isdigit():
            continue
        try:
            parent = int((folder / 'stat').read_text().rpartition(')')[2].split()[1])
            command = (folder / 'cmdline').read_bytes().decode().split('\0')
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == demo.pid and 'cnn_vs_ros.nodes' in command:
            found[command[command.index('cnn_vs_ros.nodes') + 1]] = int(folder.name)
    return found


def wait_until_servoing(demo, output):
    deadline = time.monotonic() + PATIENCE
    while True:
        log = output / 'latest' / 'logs' / 'pbvs_controller.log'
        if log.exists() and 'servoing' in log.read_text():
            return
        assert demo.poll() is None, demo.stdout.read()
        assert time.monotonic() < deadline, 'the demo did not begin to servo'
        time.sleep(0.05)


def test_the_demo_converges_and_leaves_its_results(tmp_path):
    with started_demo(tmp_path, '--batch', '2', '--seed', '1') as demo:
        output, _ = demo.communicate(timeout=PATIENCE)
    assert demo.returncode == 0, output
    last = output.splitlines()[-1]
    assert re.fullmatch(r'servo: converged in [\d.]+ s, 0\.\d\d mm, 0\.\d{3} deg \(scene_agnostic\)', last)

    folder = tmp_path / 'latest'
    summary = json.loads((folder / 'summary.json').read_text())
    assert summary['converged'] is True
    assert summary['errors_from'] == 'ground_truth'
    assert summary['translation_error_mm'] < 1.0
    assert summary['rotation_error_deg'] < 0.2
    assert summary['images_lost'] == 0
    assert summary['images'] > 30
    assert (summary['batch'], summary['seed'], len(summary['start'])) == (2, 1, 6)
    assert cv2.imread(str(folder / 'report.png')) is not None
    assert (folder / 'run.mp4').stat().st_size > 10_000
    assert (folder / 'reference' / 'reference.yaml').is_file()


def test_a_run_that_does_not_converge_is_said_and_is_no_success(tmp_path):
    with started_demo(tmp_path, '--batch', '9', '--max-duration', '0.2', '--no-video') as demo:
        output, _ = demo.communicate(timeout=PATIENCE)
    assert demo.returncode == 1, output
    assert output.splitlines()[-1].startswith('servo: NOT converged, time ran out')
    assert json.loads((tmp_path / 'latest' / 'summary.json').read_text())['converged'] is False


def test_the_death_of_a_node_ends_the_demo_with_a_sentence(tmp_path):
    with started_demo(tmp_path, '--batch', '9', '--no-video') as demo:
        wait_until_servoing(demo, tmp_path)
        nodes = node_processes(demo)
        assert sorted(nodes) == sorted(DEMO)
        os.kill(nodes['pose_estimator'], signal.SIGKILL)
        output, _ = demo.communicate(timeout=PATIENCE)
    assert demo.returncode not in (0, 1)
    assert output.splitlines()[-1] == (
        'demo: pose_estimator ended unexpectedly (killed by SIGKILL); all other nodes are stopped'
    )
    assert not [name for name, process in nodes.items() if Path(f'/proc/{process}').exists()]
