"""How the demo's nodes are started, and what its arguments change."""

import sys
from pathlib import Path

import pytest
import yaml

from cnn_vs_ros.command_line import main, make_parser
from cnn_vs_ros.demo.command import parameters
from cnn_vs_ros.demo.graph import NODES, environment, write_parameters


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
    assert result['pose_estimator']['reference_folder'] == str(tmp_path / 'reference')
    assert 'model' not in result['pose_estimator']  # the parameter file decides


def test_parameters_are_written_as_ros_reads_them(tmp_path):
    path = write_parameters(tmp_path / 'parameters.yaml', {'simulator': {'scene': 'photo'}})
    assert yaml.safe_load(path.read_text()) == {'simulator': {'ros__parameters': {'scene': 'photo'}}}


def test_environment_keeps_what_the_user_set():
    ours = environment(Path('logs'), {})
    assert ours['ROS_AUTOMATIC_DISCOVERY_RANGE'] == 'LOCALHOST'
    assert 0 < int(ours['ROS_DOMAIN_ID']) <= 101
    assert Path(ours['FASTRTPS_DEFAULT_PROFILES_FILE']).is_file()
    assert ours['AMENT_PREFIX_PATH'] == sys.prefix
    assert environment(Path('logs'), {'ROS_DOMAIN_ID': '42'})['ROS_DOMAIN_ID'] == '42'


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
