"""The check for what rendering needs says what to do."""

import shutil
import subprocess
import sys

import pytest

from cnn_vs_ros.demo import rendering


def test_this_machine_can_render():
    assert rendering.can_render()


def test_an_unknown_backend_is_not_taken_for_one(monkeypatch):
    monkeypatch.setenv('MUJOCO_GL', 'disable')
    assert not rendering.can_render()


@pytest.fixture
def nothing_there(monkeypatch):
    commands = []

    def run(command, **_):
        commands.append([str(part) for part in command])
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(rendering, 'can_render', lambda: len(commands) >= 2)
    monkeypatch.setattr(subprocess, 'run', run)
    monkeypatch.setattr(shutil, 'which', lambda name: f'/usr/bin/{name}')
    return commands


def test_without_permission_the_packages_are_named(nothing_there, monkeypatch, capsys):
    monkeypatch.setattr('os.geteuid', lambda: 1000)
    monkeypatch.setattr(sys, 'argv', ['rendering', '--install'])
    assert rendering.main() == 1
    assert 'sudo apt-get install libegl1 libgl1 libgl1-mesa-dri' in capsys.readouterr().err
    assert nothing_there == []


def test_root_installs_them(nothing_there, monkeypatch):
    monkeypatch.setattr('os.geteuid', lambda: 0)
    monkeypatch.setattr(sys, 'argv', ['rendering', '--install'])
    assert rendering.main() == 0
    assert [command[1] for command in nothing_there] == ['update', 'install']
    assert nothing_there[1][-3:] == list(rendering.PACKAGES)
