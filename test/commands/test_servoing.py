"""The commands beside a running graph: their words, their JSON and their exit statuses, with a stand-in for it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from cnn_vs_ros import commander
from cnn_vs_ros.command_line import main
from cnn_vs_ros.commander import Offset, ServoResult, ServoState
from cnn_vs_ros.control import ServoStatus
from cnn_vs_ros.errors import CommanderError

NAN = float('nan')
STATE = ServoState(ServoStatus.IDLE, 'not started', 'part', 'tracked', 0.9, 12.345, 1.5)


class Arm:
    """Answers as ServoCommander does, and remembers what it was asked."""

    calls: list
    result: ServoResult | BaseException

    def __init__(self, namespace):
        type(self).calls = [namespace]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def capture(self, name):
        self.calls.append(name)
        return 'captured'

    def use(self, name):
        raise CommanderError(f'no {name}')

    def set(self, *values):
        self.calls.append(values)

    def status(self):
        return STATE

    def offset(self, in_base):
        self.calls.append(in_base)
        transform = np.eye(4)
        transform[0, 3] = 0.0123
        return Offset(transform, 0.9)

    def servo(self, timeout, progress):
        self.calls.append(timeout)
        progress(STATE)
        if isinstance(self.result, BaseException):
            raise self.result
        return self.result


@pytest.fixture(autouse=True)
def arm(monkeypatch):
    monkeypatch.setattr(commander, 'ServoCommander', Arm)


@pytest.mark.parametrize(
    ('result', 'status', 'said'),
    [
        (ServoResult(ServoStatus.CONVERGED, True, 'held', 0.05, 0.01, 3.0), 0, 'converged: held; 0.05 mm'),
        (ServoResult(ServoStatus.STOPPED, False, 'lost', NAN, NAN, 3.0), 3, 'stopped: lost; no estimate'),
        (CommanderError('nobody'), 2, 'servo: nobody'),
        (KeyboardInterrupt(), 130, 'servo: interrupted'),
    ],
)
def test_the_exit_status_says_how_it_ended(result, status, said, capsys):
    Arm.result = result
    assert main(['servo', '--timeout', '9', '--namespace', 'left']) == status
    assert Arm.calls == ['left', 9.0]
    assert ''.join(capsys.readouterr()).startswith(said)
    assert main(['servo', '--json']) == status
    values = json.loads(capsys.readouterr().out)
    assert values.get('arrived', False) is (status == 0)
    assert ('error' in values) is (status in (2, 130))


def test_words_go_to_the_graph_and_come_back(capsys):
    assert main(['capture', 'part']) == 0
    assert Arm.calls == ['', 'part']
    assert main(['set', 'pbvs_controller', 'gain.at_zero', '1.5']) == 0
    assert Arm.calls == ['', ('pbvs_controller', 'gain.at_zero', 1.5)]
    assert main(['set', 'pose_estimator', 'reference', '2026-01-05']) == 0
    assert Arm.calls == ['', ('pose_estimator', 'reference', '2026-01-05')]
    assert main(['set', 'pbvs_controller', 'gain.at_zero', '[']) == 2
    assert main(['use', 'none']) == 2
    assert main(['status']) == 0
    assert main(['offset']) == 0
    assert main(['offset', '--base']) == 0
    assert Arm.calls == ['', True]
    said, problems = capsys.readouterr()
    assert 'idle: not started; reference part tracked, 12.35 mm, 1.500 deg' in said
    assert 'at 12.30, 0.00, 0.00 mm' in said
    refused, unknown = problems.splitlines()
    assert refused.startswith('set: the value should be plain YAML but cannot be parsed')
    assert unknown == 'use: no none'
    assert main(['status', '--json']) == 0
    assert json.loads(capsys.readouterr().out)['reference'] == 'part'
