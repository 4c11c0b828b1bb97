"""The words and figures of an outcome."""

import dataclasses
import json

import numpy as np
import pytest

from cnn_vs_ros.run import Outcome, series_summary
from cnn_vs_ros.run.outcome import series_table

GOOD = Outcome(
    seed=3,
    batch=5,
    estimator='scene_agnostic',
    reason='converged',
    translation_error=3e-5,
    rotation_error=float(np.deg2rad(0.004)),
    errors_from='ground_truth',
    duration=6.12,
    start=(0.01, 0.02, -0.02, 0.1, 0.0, 0.2),
    images_taken=184,
    images_processed=183,
    latencies=(0.01, 0.02, 0.03),
)


def but(**changes):
    return dataclasses.replace(GOOD, **changes)


def test_sentences():
    assert GOOD.sentence == 'servo: converged in 6.1 s, 0.03 mm, 0.004 deg (scene_agnostic)'
    lost = but(reason='lost', translation_error=0.05)
    assert lost.sentence.startswith('servo: NOT converged, the estimator lost the view after 6.1 s, 50.00 mm')


@pytest.mark.parametrize(
    ('changes', 'converged'),
    [
        ({}, True),
        ({'translation_error': 0.00101}, False),
        ({'rotation_error': 0.00351}, False),
        ({'translation_error': float('nan')}, False),
        ({'reason': 'timeout'}, True),
        ({'reason': 'timeout', 'errors_from': 'estimate'}, False),
    ],
)
def test_converged_means_near_by_the_truth_or_by_the_controller(changes, converged):
    assert but(**changes).converged is converged


def test_summary_is_json_in_the_units_of_its_names():
    summary = json.loads(json.dumps(GOOD.summary(), allow_nan=False))
    assert summary['translation_error_mm'] == pytest.approx(0.03)
    assert summary['rotation_error_deg'] == pytest.approx(0.004)
    assert summary['images'] == 183
    assert summary['images_lost'] == 1
    assert summary['latency_image_to_twist']['median_ms'] == pytest.approx(20.0)
    assert (summary['seed'], summary['batch']) == (3, 5)


def test_what_is_not_known_is_null():
    unknown = but(translation_error=float('nan'), rotation_error=float('nan'), latencies=(), start=())
    summary = json.loads(json.dumps(unknown.summary(), allow_nan=False))
    assert summary['translation_error_mm'] is None
    assert summary['latency_image_to_twist'] == {}


def test_series_counts_and_takes_medians_of_the_runs_that_converged():
    outcomes = [GOOD, but(seed=4, translation_error=5e-5), but(seed=5, translation_error=0.1, reason='lost')]
    summary = series_summary(outcomes)
    assert (summary['runs'], summary['converged_count']) == (3, 2)
    assert summary['median_error_mm'] == pytest.approx(0.04)
    assert [run['seed'] for run in summary['outcomes']] == [3, 4, 5]
    table = series_table(outcomes).splitlines()
    assert len(table) == 4
    assert 'no: lost' in table[3]
    assert series_summary(outcomes[2:])['median_error_mm'] is None
