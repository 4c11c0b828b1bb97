"""The list of references, beside the files alone."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from cnn_vs_ros.command_line import main
from cnn_vs_ros.estimation import Reference
from test.ros_graph import ROOT
from test.scenes import CAMERA

IMAGE = np.random.default_rng(0).integers(0, 255, (CAMERA.height, CAMERA.width, 3), dtype=np.uint8)


@pytest.fixture
def home(monkeypatch, tmp_path):
    monkeypatch.setenv('ROS_HOME', str(tmp_path))
    folder = tmp_path / 'cnn_vs_ros' / 'left'
    Reference(IMAGE, CAMERA, 0.3).save(folder / 'part')
    Reference(IMAGE, CAMERA, 0.3).save(folder / 'broken')
    (folder / 'broken' / 'image.png').write_bytes(b'<b>')
    return tmp_path


def test_references_are_listed_one_a_line(home, capsys):
    assert main(['references', '--namespace', '/left/']) == 0
    broken, part = capsys.readouterr().out.splitlines()
    assert part == f'part    {CAMERA.width}x{CAMERA.height} at depth 0.3 m'
    assert 'should be an encoded image' in broken
    assert main(['references']) == 0
    assert capsys.readouterr().out == ''


def test_as_json_and_as_a_page_that_needs_no_other_file(home, capsys):
    page = home / 'page.html'
    library = ['--library', str(home / 'cnn_vs_ros' / 'left')]
    assert main(['references', *library, '--json', '--html', str(page)]) == 0
    assert [item['name'] for item in json.loads(capsys.readouterr().out)] == ['broken', 'part']
    text = page.read_text()
    assert text.count('src="data:image/jpeg;base64,') == 1
    assert '<b>part</b>' in text
    assert '<b>broken</b>' in text
    assert main(['references', *library, '--html', str(home / 'no' / 'page.html')]) == 2
    assert capsys.readouterr().err.count('\n') == 1


def test_no_ros_is_needed():
    code = (
        'import sys; sys.modules["rclpy"] = None; from cnn_vs_ros.command_line import main; main(["references"])'
    )
    subprocess.run([sys.executable, '-c', code], cwd=ROOT, check=True)
