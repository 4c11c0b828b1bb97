"""The options of the demo and the commands that bring the tools in."""

import numpy as np
import pytest

from cnn_vs_ros import __version__
from cnn_vs_ros.command_line import main, make_parser
from cnn_vs_ros.demo.command import UNKNOWN_DEPTH, parameters
from cnn_vs_ros.estimation import Reference
from cnn_vs_ros.geometry import PinholeCamera
from cnn_vs_ros.graph.table import DEMO


def test_tools_are_started_only_on_request(tmp_path):
    parse = make_parser().parse_args
    assert sorted(parameters(parse(['demo']), tmp_path)) == sorted(DEMO)
    chosen = parameters(parse(['demo', '--measure-depth', '--bag', '--view']), tmp_path)
    assert set(chosen) - set(DEMO) == {'calibrate', 'record', 'view'}
    assert all(chosen[name]['use_sim_time'] for name in ('calibrate', 'record', 'view'))


def test_the_depth_is_unknown_until_it_is_measured(tmp_path):
    chosen = parameters(make_parser().parse_args(['demo', '--measure-depth']), tmp_path)
    assert chosen['pose_estimator']['depth'] == UNKNOWN_DEPTH
    assert chosen['experiment']['measure_depth'] is True


def test_a_recording_is_beside_the_reference_of_the_run(tmp_path):
    chosen = parameters(make_parser().parse_args(['demo', '--bag']), tmp_path)
    assert chosen['pose_estimator']['library'] == str(tmp_path)
    assert chosen['record']['output'] == str(tmp_path / 'bag')


@pytest.mark.parametrize(('folder', 'sentence'), [('none', 'there is none at'), ('', 'reference')])
def test_a_replay_of_no_bag_is_said(tmp_path, folder, sentence, capsys):
    assert main(['replay', str(tmp_path / folder)]) == 2
    said = capsys.readouterr().err
    assert said.startswith('replay: ')
    assert sentence in said
    assert said.count('\n') == 1


def test_a_replay_of_a_file_is_told_which_folder_it_is(tmp_path, capsys):
    (tmp_path / 'run_0.mcap').write_bytes(b'')
    assert main(['replay', str(tmp_path / 'run_0.mcap')]) == 2
    assert f'is a file: try {tmp_path}' in capsys.readouterr().err


def test_a_replay_that_cannot_write_fails_before_it_starts(tmp_path, monkeypatch, capsys):
    Reference(np.full((64, 64), 90, np.uint8), PinholeCamera(64, 64, 60.0, 60.0, 31.5, 31.5), 0.25).save(
        tmp_path / 'reference'
    )
    (tmp_path / 'file').write_text('')
    monkeypatch.setattr('cnn_vs_ros.nodes.replay.replay', lambda *_, **__: pytest.fail('it began'))
    assert main(['replay', str(tmp_path), '--output', str(tmp_path / 'file' / 'replay')]) == 2
    said = capsys.readouterr().err
    assert 'replay should be able to write to' in said
    assert said.count('\n') == 1


def test_the_version_is_said(capsys):
    with pytest.raises(SystemExit) as end:
        main(['--version'])
    assert end.value.code == 0
    assert capsys.readouterr().out == f'cnn_vs_ros {__version__}\n'
