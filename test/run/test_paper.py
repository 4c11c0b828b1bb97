"""What counts as reaching the paper's figures."""

import numpy as np
import pytest

from cnn_vs_ros.run.paper import EXPERIMENTS


def run(distance, angle=0.01, ended='converged', **more):
    return {'translation_error_mm': distance, 'rotation_error_deg': angle, 'ended': ended, **more}


def test_starts_are_those_of_the_paper():
    np.testing.assert_allclose(
        EXPERIMENTS['relief'].start_vector, (0.33, -0.05, -0.012, *np.radians([13, -26, -39]))
    )
    for name in ('planar', 'perturbed', 'unseen'):
        np.testing.assert_allclose(
            EXPERIMENTS[name].start_vector, (0.01, -0.24, -0.09, *np.radians([-10, -16, -43]))
        )


@pytest.mark.parametrize(
    ('name', 'summary', 'matched'),
    [
        ('planar', run(0.9), True),
        ('planar', run(1.0), False),
        ('planar', run(0.1, angle=0.3), False),
        ('planar', run(0.1, ended='lost'), False),
        ('planar', run(None, angle=None), False),
        ('relief', run(0.4), True),
        ('relief', run(0.6), False),
        ('perturbed', run(0.1, worst_transient_mm=99.0), True),
        ('perturbed', run(0.1, worst_transient_mm=101.0), False),
    ],
)
def test_a_run_is_judged_by_the_figure_of_its_experiment(name, summary, matched):
    experiment = EXPERIMENTS[name]
    assert experiment.matched(summary) is matched
    line = experiment.conclusion([summary], 'net')
    assert line.startswith(f'{name}: ')
    assert line.endswith(': matched' if matched else ': NOT matched')


def test_a_series_says_how_many_and_its_worst():
    line = EXPERIMENTS['planar'].conclusion([run(0.1), run(0.3), run(2.0)], 'net')
    assert '2 of 3 runs as good as the paper' in line
    assert 'worst 2.000 mm' in line
    assert line.endswith('NOT matched')
