"""Which estimator serves which kind of model."""

import pytest
from onnx import TensorProto, helper, save

from cnn_vs_ros.errors import ModelError
from cnn_vs_ros.estimation import PoseEstimator, load_estimator, shipped_models
from cnn_vs_ros.estimation.registry import ESTIMATORS


def model_of_kind(kind, path):
    node = helper.make_node('Identity', ['x'], ['y'])
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in 'xy']
    model = helper.make_model(
        helper.make_graph([node], 'tiny', value[:1], value[1:]),
        opset_imports=[helper.make_opsetid('', 17)],
        ir_version=10,
    )
    helper.set_model_props(model, {'kind': kind, 'format_version': '1'})
    save(model, path)
    return path


def test_the_shipped_matcher_is_served_by_the_pose_estimator():
    assert 'scene_agnostic' in shipped_models()
    estimator = load_estimator('scene_agnostic')
    assert isinstance(estimator, PoseEstimator)
    assert estimator.name == 'scene_agnostic'
    assert estimator.reference is None
    assert estimator.plane is None


def test_an_unknown_kind_is_refused_with_the_valid_ones(tmp_path):
    path = model_of_kind('toaster', tmp_path / 'odd.onnx')
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
        load_estimator(model_of_kind(kind, tmp_path / 'bare.onnx'))
