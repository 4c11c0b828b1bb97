"""A series does the benchmark's steps in order and measures by the ground truth."""

import contextlib

import numpy as np
import pytest

from cnn_vs_ros.errors import ParameterError
from cnn_vs_ros.geometry import se3
from cnn_vs_ros.run import Plan, Recorder, RunError, Series
from test.run.fake_graph import GAIN, PERIOD, FakeGraph


def do(graph, **plan):
    series = Series(graph, Plan(**plan), 'fake')
    series.prepare()
    result = series.run(series.plan.seed)
    series.finish()
    return result


def test_steps_are_in_order():
    graph = FakeGraph()
    do(graph, batch=4, seed=7)
    assert graph.calls == [
        'simulator/move_to_reference',
        'pose_estimator/capture_reference',
        'pbvs_controller/stop',
        ('start', 4, 7),
        'simulator/move_to_start',
        'pose_estimator/load_reference',
        'pbvs_controller/start',
        'pbvs_controller/stop',
        'pbvs_controller/stop',
    ]


def test_a_run_that_arrives():
    start = (0.03, -0.02, 0.01, 0.2, -0.1, 0.4)
    outcome, finished = do(FakeGraph(start))
    assert outcome.converged
    assert outcome.reason == 'converged'
    np.testing.assert_allclose(outcome.start, start, atol=1e-9)
    assert outcome.errors_from == 'ground_truth'
    # The fake's error decreases by a factor 1 - GAIN * 0.04 s an image, until 1e-4.
    expected = np.ceil(np.log(1e-4 / 0.4) / np.log(1 - GAIN * 0.04)) * 0.04
    assert outcome.duration == pytest.approx(expected, abs=0.09)
    np.testing.assert_allclose(finished.trajectory.truth, finished.trajectory.estimate, atol=1e-9)
    np.testing.assert_allclose(outcome.latencies, 0.010, atol=1e-6)
    assert outcome.images_taken == outcome.images_processed == len(finished.trajectory)


def test_the_truth_decides_and_not_the_estimate():
    outcome, _ = do(FakeGraph(noise=0.01), max_duration=3.0)
    assert outcome.converged
    outcome, _ = do(FakeGraph(start=(0.5, 0, 0, 0, 0, 0)), max_duration=0.5)
    assert not outcome.converged
    assert outcome.reason == 'timeout'
    assert outcome.duration == pytest.approx(0.5, abs=0.1)


def test_a_lost_view_ends_the_run_after_the_timeout():
    outcome, finished = do(FakeGraph(estimates=lambda t: t < 0.3), lost_timeout=1.0)
    assert not outcome.converged
    assert outcome.reason == 'lost'
    assert outcome.duration == pytest.approx(1.3, abs=0.15)
    assert finished.trajectory.status[-1] == 'lost'
    assert np.isnan(finished.trajectory.estimate[-1]).all()


def test_a_view_lost_for_a_moment_does_not_end_the_run():
    outcome, _ = do(FakeGraph(estimates=lambda t: not 0.3 < t < 0.9), lost_timeout=1.0)
    assert outcome.converged


def test_perturbations_begin_after_the_reference_and_end_with_the_series():
    graph = FakeGraph()
    switched = []
    graph.set_perturbations = lambda on: switched.append((on, len(graph.calls)))
    do(graph, perturbed=True)
    placed = graph.calls.index('simulator/move_to_start') + 1
    assert switched == [(False, 0), (True, placed), (False, len(graph.calls))]
    assert placed > graph.calls.index('pose_estimator/capture_reference')


def test_perturbations_that_last_for_a_time_are_endured_and_then_ended():
    pushed = (0.02, 0.0, 0.0, 0.0, 0.0, 0.0)
    graph = FakeGraph(push=lambda t: np.array(pushed) if 3.0 <= t < 3.0 + 1.5 * PERIOD * 1e-9 else 0.0)
    switched = []
    graph.set_perturbations = lambda on: switched.append((on, graph.now()))
    outcome, _ = do(graph, perturbed=True, perturbed_for=5.0)
    (_, _), (on, begun), (off, ended), _ = switched
    assert (on, off) == (True, False)
    assert 1e-9 * (ended - begun) == pytest.approx(5.0, abs=0.2)
    assert outcome.reason == 'converged'
    assert outcome.duration >= 5.0
    assert outcome.worst_transient == pytest.approx(0.02 * (2 - GAIN * 1e-9 * PERIOD), rel=0.05)  # two steps
    assert outcome.summary()['worst_transient_mm'] == pytest.approx(1e3 * outcome.worst_transient, rel=1e-5)


def test_a_given_start_replaces_the_batch():
    graph = FakeGraph()
    pose = (0.01, -0.02, -0.03, 0.1, 0.2, -0.3)
    outcome, _ = do(graph, start_pose=pose)
    assert outcome.batch is None
    np.testing.assert_allclose(outcome.start, pose, atol=1e-9)
    assert outcome.converged


@pytest.mark.parametrize(
    ('wrong', 'sentence'),
    [
        ({'perturbed_for': 60.0}, 'perturbed_for should be 0 or more and under max_duration'),
        ({'start_pose': (0.1, 0.2)}, 'start_pose should be six finite numbers'),
    ],
)
def test_wrong_plans_are_said(wrong, sentence):
    with pytest.raises(ParameterError, match=sentence):
        Plan(**wrong)


def test_a_series_meets_each_start_anew():
    graph = FakeGraph()
    series = Series(graph, Plan(runs=2), 'fake')
    series.prepare()
    outcomes = [series.run(seed)[0] for seed in (0, 1)]
    assert [outcome.converged for outcome in outcomes] == [True, True]
    assert outcomes[0].duration == pytest.approx(outcomes[1].duration, abs=0.05)
    assert graph.calls.count('pose_estimator/capture_reference') == 1


def test_without_a_simulator_the_arm_stays_where_it_is():
    graph = FakeGraph()
    graph._error = np.array((0.02, 0, 0, 0, 0.1, 0))
    graph.recorder.add_truth = lambda *_: None  # a real arm does not know
    outcome, _ = do(graph, simulated=False)
    assert not [call for call in graph.calls if 'simulator' in call or 'capture' in call]
    assert outcome.converged
    assert outcome.errors_from == 'estimate'
    np.testing.assert_allclose(outcome.start, np.array((0.02, 0, 0, 0, 0.1, 0)) * (1 - 0.04 * GAIN), atol=1e-9)


def test_a_controller_that_does_not_start_is_said():
    graph = FakeGraph()
    series = Series(graph, Plan(), 'fake')
    series.prepare()
    graph.recorder.add_servo_status = lambda word: None
    with pytest.raises(RunError, match='the controller to start'):
        series.run(0)


@pytest.mark.parametrize('wrong', [{'max_duration': 0.0}, {'runs': 0}, {'runs': 2, 'simulated': False}])
def test_impossible_plans_are_refused(wrong):
    with pytest.raises(ParameterError, match='should be'):
        Plan(**wrong)


def refusing(graph, times):
    """Have the controller refuse to start that often."""
    call, refusals = graph.call, [None] * times

    def refuse(service):
        if service == 'pbvs_controller/start' and refusals:
            refusals.pop()
            raise RunError('pbvs_controller/start failed: a fresh estimate should have come')
        return call(service)

    graph.call = refuse


def test_a_start_is_asked_for_again_until_there_is_a_fresh_estimate():
    graph = FakeGraph()
    refusing(graph, 3)
    outcome, _ = do(graph)
    assert outcome.converged


def test_a_controller_that_refuses_to_start_is_no_convergence_and_its_sentence_is_kept():
    graph = FakeGraph()
    refusing(graph, 10_000)
    series = Series(graph, Plan(), 'fake')
    series.prepare()
    outcome, _ = series.run(0)
    assert outcome.reason == 'refused'
    assert not outcome.converged
    assert 'refuses to start' in outcome.sentence
    assert 'a fresh estimate should have come' in series.refusal


def test_a_controller_out_of_patience_ends_the_run_with_what_it_waited_for():
    graph = FakeGraph(estimates=lambda t: t < 0.3)
    step = graph._step

    def give_up():
        step()
        if graph._started is not None and graph._time - graph._started > 1_000_000_000:
            graph.recorder.add_servo_status('stopped')

    graph._step = give_up
    outcome, _ = do(graph, lost_timeout=5.0)
    assert outcome.reason == 'lost'
    assert outcome.duration < 2.0


@pytest.mark.parametrize('word', ['limited', 'error'])
def test_a_task_that_ended_at_a_limit_or_a_fault_ends_the_run(word):
    graph = FakeGraph()
    add = graph.recorder.add_servo_status
    graph.recorder.add_servo_status = lambda said: add(said if said == 'stopped' else word)
    outcome, _ = do(graph, lost_timeout=1.0, max_duration=5.0)
    assert outcome.reason == word
    assert outcome.duration < 2.0


def test_the_recorder_takes_only_what_comes_after_the_beginning():
    graph = FakeGraph()
    graph.wait(lambda: False, 1.0)
    beginning = graph.now()
    graph.recorder.begin(beginning)
    graph.wait(lambda: False, 0.4)
    finished = graph.recorder.end(se3.inverse(np.eye(4)), wall_clock=False)
    assert finished.trajectory.time.min() > 0
    assert len(finished.trajectory) == len(finished.images) == 10


def test_without_clips_images_are_compared_but_not_kept():
    graph = FakeGraph()
    graph.recorder = Recorder(clips=False)
    _, finished = do(graph)
    assert len(finished.images) == 0
    assert finished.initial is not None
    assert finished.final is not None
    np.testing.assert_array_equal(finished.trajectory.ssd, 0.0)


class Measuring(FakeGraph):
    """A graph whose measurement of the depth ends as it is told."""

    def __init__(self, **ends: Exception | None) -> None:
        super().__init__()
        self.ends = ends

    def call(self, service):
        super().call(service)
        if error := self.ends.get(service.replace('calibrate/', '')):
            raise error
        return ''


@pytest.mark.parametrize('gone', [None, RunError('calibrate/stop has not answered')])
def test_an_interrupted_measurement_of_the_depth_is_stopped_and_the_controller_too(gone):
    graph = Measuring(measure_depth=KeyboardInterrupt(), stop=gone)
    series = Series(graph, Plan(simulated=False, measure_depth=True), 'fake')
    with pytest.raises(KeyboardInterrupt):
        series.prepare()
    with contextlib.suppress(RunError):
        series.finish()
    assert graph.calls[-2:] == ['calibrate/stop', 'pbvs_controller/stop']


def test_after_a_measurement_nobody_asks_for_calibrate_any_more():
    graph = Measuring()
    series = Series(graph, Plan(simulated=False, measure_depth=True), 'fake')
    series.prepare()
    series.finish()
    assert graph.calls == ['calibrate/measure_depth', 'pbvs_controller/stop']
