import json

import numpy as np
import pytest

from cnn_vs_ros.errors import ModelError
from cnn_vs_ros.estimation.fine import confidence
from cnn_vs_ros.estimation.plane import ScenePlane
from cnn_vs_ros.geometry import se3
from test.alignments import alignment


def test_both_are_probabilities_and_agreement_raises_them():
    poor = alignment(correlation=0.2, correlation_unweighted=0.02, unoccluded=0.5, evidence=0.005)
    low, high = confidence.judge(poor), confidence.judge(alignment())
    assert 0 <= low.confidence < 0.2
    assert 0 <= low.probability < 0.2
    assert 0.9 < high.confidence <= 1
    assert 0.9 < high.probability <= 1


def test_a_match_that_shares_its_likelihood_with_rivals_is_no_surer_than_its_share():
    alone = confidence.judge(alignment())
    shared = alone.among_rivals(0.5)
    assert shared.probability == pytest.approx(0.5 * alone.probability)
    assert shared.confidence == shared.probability
    assert alone.among_rivals(1.0) == alone


def test_the_nearer_what_proposed_a_match_put_it_the_likelier_it_is():
    poor = confidence.judge(alignment(correlation_unweighted=0.1, unoccluded=0.5, evidence=0.015))
    seconded = [poor.seconded(shift) for shift in (0.0, 0.002, 0.01, 0.03, float('inf'))]
    likely = [match.probability for match in seconded]
    assert likely == sorted(likely, reverse=True)
    assert poor.probability < 0.6 < likely[1] < 1
    assert seconded[3:] == [poor, poor]
    assert {match.confidence for match in seconded} == {poor.confidence}


def test_whether_the_reference_is_seen_does_not_depend_on_how_near_the_goal_is():
    far = se3.from_pose_vector([0.05, 0.02, 0.01, 0.1, 0.2, 0.3])
    near, away = alignment(), alignment(pose=far)
    probabilities = [confidence.judge(each).probability for each in (near, away)]
    assert probabilities[0] == pytest.approx(probabilities[1])


BETTER = {
    'evidence': (0.05, 0.2, 0.8),
    'unoccluded': (0.4, 0.7, 1.0),
    'correlation_unweighted': (0.1, 0.5, 0.95),
    'correlation': (0.5, 0.8, 0.99),
    'residual_scale': (0.8, 0.4, 0.1),
}


@pytest.mark.parametrize('name', BETTER)
def test_a_better_alignment_is_never_believed_less(name):
    judged = [confidence.judge(alignment(**{name: value})) for value in BETTER[name]]
    assert judged[0].probability <= judged[1].probability <= judged[2].probability
    assert judged[0].confidence <= judged[1].confidence <= judged[2].confidence


def test_neither_the_distance_nor_the_obliquity_counts_for_itself():
    """As precise in proportion to the distance, four times as far, and seen from the side."""
    far = se3.from_pose_vector([0.1, 0.0, -0.75, 0.0, 0.8, 0.3])
    far[2, 3] = 1.0 - far[2, 2] * 0.25
    precise = np.diag([1e10 / 16] * 3 + [1e9] * 3)
    near, away = confidence.judge(alignment()), confidence.judge(alignment(pose=far, information=precise))
    assert away.probability == pytest.approx(near.probability)
    assert away.confidence == pytest.approx(near.confidence, abs=1e-3)


def test_a_scene_twice_as_far_and_large_is_as_sure():
    pose = se3.from_pose_vector([0.01, 0, 0.005, 0.02, 0, 0.1])
    twice = pose.copy()
    twice[:3, 3] *= 2
    information = np.diag([1e10] * 3 + [1e9] * 3)
    scaled = np.diag([1e10 / 4] * 3 + [1e9] * 3)
    one = confidence.judge(alignment(pose=pose, information=information))
    other = confidence.judge(alignment(pose=twice, information=scaled, plane=ScenePlane(0.5)))
    assert other.confidence == pytest.approx(one.confidence, rel=1e-3)


def test_above_nine_tenths_confidence_is_reserved_for_the_nearly_certain():
    values = np.linspace(0, 1, 1001)
    mapped = np.array([confidence.reserved(value) for value in values])
    np.testing.assert_array_equal(mapped[values <= 0.9], values[values <= 0.9])
    assert mapped[(values > 0.9) & (values <= 0.987)].max() == pytest.approx(0.9)
    assert (np.diff(mapped) >= 0).all()
    assert (mapped <= values + 1e-12).all()
    assert mapped[-1] == 1


def test_a_file_that_is_no_calibration_is_refused(tmp_path, monkeypatch):
    path = tmp_path / 'confidence.json'
    monkeypatch.setattr(confidence, 'resource_path', lambda name: path)
    path.write_text('{"centre": [1]}')
    confidence.calibration.cache_clear()
    with pytest.raises(ModelError, match='should be a calibration'):
        confidence.calibration()
    path.write_text(json.dumps({name: [0.0] for name in ('fine', 'gross')}))
    with pytest.raises(ModelError, match='finite numbers of shapes'):
        confidence.calibration()
    path.write_text(json.dumps({'fine': [0.0, 1.0, -0.5, 1.0, 1.0, 1.0], 'gross': [0.0, 1.0, 1.0, 1.0]}))
    with pytest.raises(ModelError, match='no negative weight'):
        confidence.calibration()
    confidence.calibration.cache_clear()
