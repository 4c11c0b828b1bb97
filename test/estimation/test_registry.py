"""Which estimator serves which kind of model."""

import pytest

from cnn_vs_ros.errors import ModelError
from cnn_vs_ros.estimation import PoseEstimator, load_estimator, shipped_models
from cnn_vs_ros.estimation.registry import ESTIMATORS
from test.models import tiny_model


def test_the_shipped_matcher_is_served_by_the_pose_estimator():
    assert 'scene_agnostic' in shipped_models()
    estimator = load_estimator('scene_agnostic')
    assert isinstance(estimator, PoseEstimator)
    assert estimator.name == 'scene_agnostic'
    assert estimator.reference is None
    assert estimator.plane is None


def test_an_unknown_kind_is_refused_with_the_valid_ones(tmp_path):
    path = tiny_model(tmp_path / 'odd.onnx', kind='toaster', format_version='1')
    with pytest.raises(ModelError, match='but is a toaster') as caught:
        load_estimator(path)
    assert str(path) in str(caught.value)
    assert len(ESTIMATORS) >= 3
    for kind in ESTIMATORS:
        assert kind in str(caught.value)


@pytest.mark.parametrize('kind', ESTIMATORS)
def test_a_kind_is_served_by_its_own_estimator_which_asks_for_what_it_needs(tmp_path, kind):
    """A model of the right kind goes on to its estimator, which misses its metadata here."""
    with pytest.raises(ModelError, match='should state'):
        load_estimator(tiny_model(tmp_path / 'bare.onnx', kind=kind, format_version='1'))
