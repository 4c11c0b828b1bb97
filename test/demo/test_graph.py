"""How the demo's nodes are started, and what its arguments change."""

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from cnn_vs_ros.command_line import main, make_parser
from cnn_vs_ros.demo.command import parameters
from cnn_vs_ros.demo.graph import NODES, environment, write_parameters
from cnn_vs_ros.demo.private_domain import private_domain

ROOT = Path(__file__).resolve().parents[2]


def parse(*arguments):
    return make_parser().parse_args(['demo', *arguments])


def test_lockstep_is_the_default_and_real_time_can_be_chosen(tmp_path):
    for arguments, lockstep in (((), True), (('--real-time',), False)):
        result = parameters(parse(*arguments), tmp_path)
        assert result['simulator']['lockstep'] is lockstep
        assert {result[node]['use_sim_time'] for node in NODES if node != 'simulator'} == {lockstep}


def test_arguments_become_parameters(tmp_path):
    arguments = parse('--batch', '7', '--seed', '11', '--runs', '3', '--require', '2', '--scene', 'relief')
    result = parameters(arguments, tmp_path)
    experiment = result['experiment']
    assert [experiment[name] for name in ('batch', 'seed', 'runs', 'required')] == [7, 11, 3, 2]
    assert result['simulator']['scene'] == 'relief'
    assert result['pose_estimator']['library'] == str(tmp_path)
    assert 'model' not in result['pose_estimator']  # the parameter file decides


def test_parameters_are_written_as_ros_reads_them(tmp_path):
    path = write_parameters(tmp_path / 'parameters.yaml', {'simulator': {'scene': 'photo'}})
    assert yaml.safe_load(path.read_text()) == {'simulator': {'ros__parameters': {'scene': 'photo'}}}


def test_environment_keeps_what_the_user_set_but_never_joins_the_users_domain():
    ours = environment(Path('logs'), {})
    assert ours['ROS_AUTOMATIC_DISCOVERY_RANGE'] == 'LOCALHOST'
    assert 0 < int(ours['ROS_DOMAIN_ID']) <= 101
    assert Path(ours['FASTRTPS_DEFAULT_PROFILES_FILE']).is_file()
    assert ours['AMENT_PREFIX_PATH'] == sys.prefix
    theirs = {
        'ROS_DOMAIN_ID': '42',
        'ROS_AUTOMATIC_DISCOVERY_RANGE': 'SUBNET',
        'ROS_STATIC_PEERS': '10.0.0.1',
        'HOME': '/here',
    }
    for _ in range(20):
        ours = environment(Path('logs'), theirs)
        assert ours['HOME'] == '/here'
        assert ours['ROS_DOMAIN_ID'] not in ('0', '42')
        assert (ours['ROS_AUTOMATIC_DISCOVERY_RANGE'], ours['ROS_STATIC_PEERS']) == ('LOCALHOST', '')


def test_no_two_demos_have_one_domain():
    script = 'from cnn_vs_ros.demo.private_domain import private_domain as d; print(d(), flush=True); input()'
    with contextlib.ExitStack() as stack:
        others = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, '-c', script],
                    cwd=ROOT,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            for _ in range(3)
        ]
        domains = [int(other.stdout.readline()) for other in others] + [private_domain() for _ in range(5)]
        assert len(set(domains)) == len(domains)
        for other in others:
            other.communicate('\n')


@pytest.mark.parametrize(
    ('arguments', 'sentence'),
    [
        (['demo', '--batch', '10'], 'should be 0 to 9 but is 10'),
        (['demo', '--runs', '0'], 'should be 1 to'),
        (['demo', '--seed', 'x'], 'invalid whole number value'),
        (['demo', '--max-duration', '0'], 'should be positive'),
        ([], 'COMMAND'),
    ],
)
def test_wrong_arguments_are_said(arguments, sentence, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert sentence in capsys.readouterr().err


def test_an_output_that_cannot_be_written_is_said(tmp_path, capsys):
    (tmp_path / 'file').write_text('')
    assert main(['demo', '--output', str(tmp_path / 'file' / 'runs')]) == 2
    assert 'expected to write runs to' in capsys.readouterr().err
