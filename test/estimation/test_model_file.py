import onnx
import pytest
from onnx import TensorProto, helper

from cnn_vs_ros.errors import ModelError
from cnn_vs_ros.estimation import PoseEstimator, load_model, shipped_models


def tiny_model(path, **metadata):
    node = helper.make_node('Identity', ['x'], ['y'])
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in 'xy']
    model = helper.make_model(
        helper.make_graph([node], 'tiny', value[:1], value[1:]),
        opset_imports=[helper.make_opsetid('', 17)],
        ir_version=10,
    )
    helper.set_model_props(model, metadata)
    onnx.save(model, path)
    return path


def test_the_shipped_model_says_where_it_comes_from():
    model = load_model('scene_agnostic')
    assert 'scene_agnostic' in shipped_models()
    assert model.kind == 'scene_agnostic_matcher'
    assert model.structure('training')['steps'] > 0
    assert model.path.stat().st_size < 10e6


def test_the_shipped_model_names_no_file_of_the_machine_that_made_it():
    assert b'.py' not in load_model('scene_agnostic').path.read_bytes()


def test_a_model_is_loaded_by_path(tmp_path):
    path = tmp_path / 'mine.onnx'
    path.write_bytes(load_model('scene_agnostic').path.read_bytes())
    assert PoseEstimator.load(path).name == 'mine'


@pytest.mark.parametrize(
    ('make', 'message'),
    [
        (lambda d: d / 'gone.onnx', 'does not exist'),
        (lambda d: 'unheard_of', 'one of scene_agnostic'),
        (lambda d: tiny_model(d / 'bare.onnx'), 'carries none'),
        (lambda d: tiny_model(d / 'old.onnx', kind='x', format_version='9'), 'format_version 1'),
        (lambda d: tiny_model(d / 'other.onnx', kind='toaster', format_version='1'), 'but is a toaster'),
        (
            lambda d: tiny_model(d / 'part.onnx', kind='scene_agnostic_matcher', format_version='1'),
            "should state 'input_width'",
        ),
    ],
)
def test_a_wrong_model_is_told_in_a_sentence(tmp_path, make, message):
    with pytest.raises(ModelError, match=message):
        PoseEstimator.load(make(tmp_path))


def test_a_corrupt_model_is_told_in_a_sentence(tmp_path):
    path = tmp_path / 'corrupt.onnx'
    path.write_bytes(load_model('scene_agnostic').path.read_bytes()[:5000])
    with pytest.raises(ModelError, match='is it corrupt'):
        PoseEstimator.load(path)
