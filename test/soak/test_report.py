from __future__ import annotations

import json
from dataclasses import replace

import pytest

from test.soak.report import (
    JOINT_LIMIT,
    MEMORY_LIMIT,
    REST_LIMIT,
    TWIST_LIMITS,
    UNFINISHED,
    FaultResult,
    ReportError,
    SoakReport,
)


def good_report() -> SoakReport:
    report = SoakReport([7], seconds=60.0, arm_seconds=54.0, runs=3, runs_converged=3, last_converged=True)
    report.add('images stop', FaultResult(1, True, 0.4, joint_velocity=0.5, linear_velocity=0.1, way=0.012))
    report.add('none', FaultResult(1))
    return report


def test_where_every_limit_held_the_summary_says_so():
    report = good_report()
    assert report.violations() == []
    assert report.summary().startswith(
        'soak: every limit held; 1 faults of 1 kinds in 1.0 min (0.9 of the arm), worst'
    )


@pytest.mark.parametrize(
    ('result', 'sentence'),
    [
        (FaultResult(1, True, REST_LIMIT + 0.1), 'rest after 1.10 s'),
        (FaultResult(1, joint_velocity=1.1 * JOINT_LIMIT), 'joint at 3.300 rad/s'),
        (FaultResult(1, commanded_velocity=1.001 * JOINT_LIMIT), 'joint at 3.003 rad/s'),
        (FaultResult(1, linear_velocity=1.01 * TWIST_LIMITS[0]), 'twist of 0.25'),
        (FaultResult(1, angular_velocity=1.01 * TWIST_LIMITS[1]), 'm/s, 1.010 rad/s'),
        (FaultResult(1, not_finite=2), '2 velocities that are not finite'),
        (FaultResult(1, problems=['left a file']), 'left a file'),
    ],
)
def test_each_limit_of_a_fault_that_did_not_hold_is_said(result, sentence):
    report = good_report()
    report.add('images stop', result)
    assert [sentence in text for text in report.violations()] == [True]
    assert '1 VIOLATED, first: images stop' in report.summary()


def test_a_fault_in_which_the_arm_goes_on_need_not_rest():
    assert FaultResult(1, rests=False, time_to_rest=99.0).violations() == []


def test_the_worst_of_all_tries_counts():
    report = SoakReport([1])
    report.add('a', FaultResult(1, True, 0.5, joint_velocity=0.1, problems=['x']))
    report.add('a', FaultResult(1, True, 0.2, joint_velocity=0.3, not_finite=1))
    assert report.faults['a'] == FaultResult(2, True, 0.5, joint_velocity=0.3, problems=['x'], not_finite=1)


@pytest.mark.parametrize(
    ('change', 'sentence'),
    [
        ({'last_converged': False}, 'the last run did not converge'),
        ({'tracebacks': ['simulator']}, 'traceback in simulator.log'),
        ({'memory_growth': {'simulator': MEMORY_LIMIT + 1}}, 'simulator grew by'),
        ({'aborted': 'interrupted by SIGINT'}, 'interrupted by SIGINT'),
    ],
)
def test_the_limits_of_the_whole_soak(change, sentence):
    report = good_report()
    for name, value in change.items():
        setattr(report, name, value)
    assert len(report.violations()) == 1
    assert sentence in report.violations()[0]


def test_the_files_hold_the_table_and_the_figures(tmp_path):
    report = good_report()
    report.write(tmp_path)
    table = (tmp_path / 'soak.md').read_text()
    assert '| images stop | 1 | 0.40 | 12.0 | 0.50 |' in table
    assert report.summary() in table
    content = json.loads((tmp_path / 'soak.json').read_text())
    assert content['faults']['images stop']['time_to_rest'] == 0.4
    assert content['violations'] == []


def test_several_runs_are_one_table_of_the_worst_of_all(tmp_path):
    good_report().write(tmp_path)
    first = SoakReport.read(tmp_path / 'soak.json')
    assert first == good_report()
    second = SoakReport([8], seconds=30.0, runs=1, last_converged=True, memory_growth={'simulator': 3.0})
    second.add('images stop', FaultResult(2, True, 0.6, problems=['left a file']))
    second.add('zero K', FaultResult(1))
    both = first.merged(second)
    assert (both.seeds, both.seconds, both.runs) == ([7, 8], 90.0, 4)
    assert (both.tries('images stop'), both.tries('zero K'), both.tries('wrong step')) == (3, 1, 0)
    assert both.faults['images stop'].time_to_rest == 0.6
    assert both.memory_growth == {'simulator': 3.0}
    assert both.violations() == ['images stop: left a file']
    assert both.summary().endswith('seeds 7, 8')
    assert first == good_report(), 'a merger changes neither'


def test_a_run_that_was_interrupted_says_so_and_counts_as_far_as_it_went():
    interrupted = SoakReport([8], last_converged=False, aborted=UNFINISHED)
    interrupted.add('images stop', FaultResult(1, True, 0.5))
    assert UNFINISHED in interrupted.violations()
    both = good_report().merged(interrupted)
    assert (both.violations(), both.tries('images stop')) == ([], 2)
    neither = interrupted.merged(replace(interrupted, last_converged=True))
    assert (neither.last_converged, interrupted.merged(interrupted).last_converged) == (True, False)
    stuck = good_report().merged(SoakReport([9], aborted='does not servo again'))
    assert stuck.violations() == ['does not servo again', 'the last run did not converge']


@pytest.mark.parametrize('text', ['', '[]', '{"seeds": [1]}', '{"faults": 3}'])
def test_a_file_that_is_no_report_is_refused_with_a_sentence(text, tmp_path):
    (tmp_path / 'soak.json').write_text(text)
    with pytest.raises(ReportError, match=r'should be the soak\.json of a soak but'):
        SoakReport.read(tmp_path / 'soak.json')
