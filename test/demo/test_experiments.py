"""The command `experiment`: what it changes in the graph, and what its exit status means."""

import json

import pytest

from cnn_vs_ros.command_line import main, make_parser
from cnn_vs_ros.demo import experiments
from cnn_vs_ros.graph.parameters import scaled_parameters
from cnn_vs_ros.graph.table import DEMO
from cnn_vs_ros.run.paper import EXPERIMENTS
from cnn_vs_ros.simulation import SimulationError


def parse(*arguments):
    return make_parser().parse_args(['experiment', *arguments])


@pytest.mark.parametrize('name', EXPERIMENTS)
def test_an_experiment_sets_scene_start_and_distance(name, tmp_path):
    experiment = EXPERIMENTS[name]
    result = experiments.parameters(experiment, {'seed': '3', 'max_duration': None}, tmp_path)
    assert set(result) == set(DEMO)
    assert result['simulator']['scene'] == experiment.scene
    assert result['pose_estimator']['depth'] == pytest.approx(0.8)
    assert result['experiment']['start_pose'] == list(experiment.start_vector)
    assert result['experiment']['seed'] == 3
    assert result['experiment']['perturbed'] is (name == 'perturbed')
    assert result['pbvs_controller']['keep_servoing'] is (name == 'perturbed')


def test_lengths_grow_with_the_distance_of_the_scene():
    assert scaled_parameters('photo') == scaled_parameters(None) == {}
    far = scaled_parameters('poster')['pbvs_controller']
    assert far['gain.length'] == pytest.approx(0.8)
    assert far['jump.translation'] == pytest.approx(0.16)
    assert far['convergence.translation'] == pytest.approx(1.6e-4)
    with pytest.raises(SimulationError, match='scene should be one of'):
        scaled_parameters('moon')


@pytest.mark.parametrize(('distance', 'status', 'word'), [(0.05, 0, ': matched'), (1.5, 1, 'NOT matched')])
def test_the_status_says_whether_the_paper_was_matched(monkeypatch, tmp_path, capsys, distance, status, word):
    def run_graph(parameters, folder, title):
        summary = {'translation_error_mm': distance, 'rotation_error_deg': 0.01, 'ended': 'converged'}
        (folder / 'summary.json').write_text(json.dumps({**summary, 'estimator': 'net'}))
        return 0

    monkeypatch.setattr(experiments, 'run_graph', run_graph)
    assert main(['experiment', 'planar', '--headless', '--output', str(tmp_path)]) == status
    assert capsys.readouterr().out.rstrip().endswith(word)


def test_a_graph_that_failed_is_not_judged(monkeypatch, tmp_path):
    monkeypatch.setattr(experiments, 'run_graph', lambda *_: 2)
    assert main(['experiment', 'planar', '--headless', '--output', str(tmp_path)]) == 2


def test_an_unknown_experiment_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(['experiment', 'moon'])
    assert "invalid choice: 'moon'" in capsys.readouterr().err
