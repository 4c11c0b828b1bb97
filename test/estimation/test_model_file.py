import numpy as np
import onnx
import pytest

from cnn_vs_ros.errors import ModelError
from cnn_vs_ros.estimation import PoseEstimator, load_model, shipped_models
from test.models import tiny_model


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


def with_metadata(path, **changes):
    model = onnx.load(load_model('scene_agnostic').path)
    for entry in model.metadata_props:
        entry.value = changes.get(entry.key, entry.value)
    onnx.save(model, path)
    return path


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'input_width': '1e9'}, r"'input_width' should be a whole number from 1 to 8192 but is 1e\+09"),
        ({'input_width': '-3'}, 'should be a whole number'),
        ({'stride': '0.5'}, "'stride' should be a whole number from 1 to 64 but is 0.5"),
        ({'temperature': 'nan'}, "'temperature' should be finite but is nan"),
        ({'dustbin': 'much'}, "'dustbin' should be a number but is 'much'"),
        ({'kind': 'pose_regressor'}, "should state 'input_height'|should state|should be"),
    ],
)
def test_metadata_without_meaning_is_told_in_a_sentence(tmp_path, changes, message):
    with pytest.raises(ModelError, match=message):
        PoseEstimator.load(with_metadata(tmp_path / 'odd.onnx', **changes))


def test_a_model_that_does_something_else_is_refused_before_it_is_used(tmp_path):
    numbers = {'input_width': '64', 'stride': '8', 'cell_offset': '0', 'temperature': '1', 'dustbin': '0'}
    path = tiny_model(tmp_path / 'alien.onnx', kind='scene_agnostic_matcher', format_version='1', **numbers)
    with pytest.raises(ModelError, match=r'should take an image \(1, 1, 16, 16\) but fails'):
        PoseEstimator.load(path)


def test_a_model_cut_off_at_any_byte_is_told_in_a_sentence(tmp_path):
    path = tmp_path / 'corrupt.onnx'
    content = load_model('scene_agnostic').path.read_bytes()
    sizes = np.random.default_rng(0).integers(len(content), size=40)
    for size in (0, 1, *sizes, len(content) - 1):
        path.write_bytes(content[:size])
        with pytest.raises(ModelError, match=r'is it corrupt|metadata'):
            PoseEstimator.load(path)
