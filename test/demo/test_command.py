"""What the arguments of the demo change."""

import pytest

from cnn_vs_ros.command_line import main, make_parser
from cnn_vs_ros.demo.command import parameters
from cnn_vs_ros.graph.table import DEMO


def parse(*arguments):
    return make_parser().parse_args(['demo', *arguments])


def test_lockstep_is_the_default_and_real_time_can_be_chosen(tmp_path):
    for arguments, lockstep in (((), True), (('--real-time',), False)):
        result = parameters(parse(*arguments), tmp_path)
        assert result['simulator']['lockstep'] is lockstep
        assert {result[node]['use_sim_time'] for node in DEMO if node != 'simulator'} == {lockstep}


def test_arguments_become_parameters(tmp_path):
    arguments = parse('--batch', '7', '--seed', '11', '--runs', '3', '--require', '2', '--scene', 'relief')
    result = parameters(arguments, tmp_path)
    experiment = result['experiment']
    assert [experiment[name] for name in ('batch', 'seed', 'runs', 'required')] == [7, 11, 3, 2]
    assert result['simulator']['scene'] == 'relief'
    assert result['pose_estimator']['library'] == str(tmp_path)
    assert 'model' not in result['pose_estimator']  # the parameter file decides


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
