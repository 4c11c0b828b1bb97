"""Fault injection over DDS, by the command that also runs for half an hour."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from test import ROOT
from test.soak.__main__ import main
from test.soak.faults import FAULTS

CHOSEN = ('kill -9 differential_ik', 'stop at 0.001 m/s^2', 'frozen picture with noise')


def test_after_each_fault_the_arm_rests_and_servoes_again(tmp_path):
    arguments = ['--minutes', '3', '--seed', '1', '--faults', ','.join(CHOSEN), '--output', str(tmp_path)]
    arguments += ['--into', str(tmp_path / 'all')]
    ended = subprocess.run(
        [sys.executable, '-m', 'test.soak', *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
    )
    content = json.loads((tmp_path / 'latest' / 'soak.json').read_text())
    assert content['violations'] == [], ended.stdout
    assert ended.returncode == 0
    assert '3 faults of 3 kinds' in ended.stdout.splitlines()[-1]
    assert ended.stderr == ''
    assert sorted(content['faults']) == sorted([*CHOSEN, 'none'])
    for name, result in content['faults'].items():
        assert result['joint_velocity'] > 0.05, f'nothing moved before {name}'
    assert content['last_converged']
    assert (tmp_path / 'all' / 'soak.json').read_text() == (tmp_path / 'latest' / 'soak.json').read_text()


def test_an_unknown_fault_is_refused_with_those_there_are(capsys):
    assert main(['--faults', 'earthquake']) == 2
    said = capsys.readouterr().err
    assert 'but are earthquake' in said
    assert all(name in said for name in FAULTS)


def test_results_that_cannot_be_added_to_are_refused(tmp_path, capsys):
    (tmp_path / 'soak.json').write_text('no table')
    assert main(['--into', str(tmp_path)]) == 2
    assert 'should be the soak.json of a soak but' in capsys.readouterr().err


@pytest.mark.parametrize('minutes', ['0', '-1', 'inf', 'nan'])
def test_the_duration_must_be_positive(minutes, capsys):
    with pytest.raises(SystemExit):
        main(['--minutes', minutes])
    assert 'should be a positive number' in capsys.readouterr().err
