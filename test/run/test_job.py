"""A series to its end, over a graph without ROS; what is written of a run is tested in test/report."""

import json

import pytest

from cnn_vs_ros.report import ProgressLine, RunFolder
from cnn_vs_ros.run import Plan, RunError
from cnn_vs_ros.run.job import Job
from test.run.fake_graph import FakeGraph


class Jobs:
    def __init__(self, path):
        self.graph, self.path, self.written = FakeGraph(), path, []

    def made(self, **rest):
        return Job(self.graph, Plan(runs=2), 'fake', RunFolder(self.path), ProgressLine(), **rest)


@pytest.fixture
def jobs(tmp_path, monkeypatch):
    jobs = Jobs(tmp_path)

    def write(folder, *_, **__):
        jobs.written.append(folder.path.name)

    monkeypatch.setattr('cnn_vs_ros.run.job.write_run', write)
    return jobs


def test_a_series_is_said_and_written_run_by_run(jobs, capsys):
    assert jobs.made().do()
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith(f'seed {seed}: servo: converged in ') for seed, line in enumerate(lines[:2]))
    assert lines[-1].startswith('servo: 2 of 2 converged, median 0.0')
    assert jobs.written == ['seed_000', 'seed_001']
    assert json.loads((jobs.path / 'summary.json').read_text())['converged_count'] == 2


@pytest.mark.parametrize(('required', 'enough'), [(0, False), (1, True)])
def test_as_many_runs_must_converge_as_are_required(jobs, required, enough):
    graph = jobs.graph
    graph._push = lambda t: 0.01 if graph.calls.count('pbvs_controller/start') > 1 else 0.0  # the second fails
    assert jobs.made(required=required).do() is enough


def test_what_goes_wrong_leaves_the_arm_standing_still(jobs, monkeypatch):
    call = jobs.graph.call

    def refusing(service):
        call('refused' if service == 'simulator/move_to_start' else service)

    monkeypatch.setattr(jobs.graph, 'call', refusing)
    with pytest.raises(RunError, match='refused failed: no'):
        jobs.made().do()
    assert jobs.graph.calls[-2:] == ['hurry', 'pbvs_controller/stop']
