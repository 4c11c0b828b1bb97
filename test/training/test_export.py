from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('torch')
pytest.importorskip('onnx')
pytest.importorskip('onnxscript')
pytest.importorskip('safetensors')
pytest.importorskip('tqdm')
pytest.importorskip('onnxruntime')

import onnxruntime
import torch

from training.commands.pretrain import CHECKPOINT
from training.errors import TrainingError
from training.images.views import ViewSampling
from training.loop import checkpoints
from training.matcher import export
from training.matcher.pretraining import Pretraining, PretrainingOptions
from training.networks.matcher import Matcher


@pytest.fixture(scope='module')
def exported(drawn_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, dict[str, str]]:
    folder = tmp_path_factory.mktemp('export')
    options = PretrainingOptions(
        steps=2, batch_groups=2, warmup=1, cooldown=0, validate_every=2, validation_groups=1, workers=0
    )
    Pretraining(drawn_corpus, options, ViewSampling(views=2)).run(folder / CHECKPOINT, progress=False)
    metadata = export.export_matcher(folder / CHECKPOINT, folder / 'model.onnx')
    return folder / CHECKPOINT, folder / 'model.onnx', metadata


def test_onnx_agrees_with_the_averaged_network_at_any_batch_and_size(
    exported: tuple[Path, Path, dict[str, str]],
) -> None:
    checkpoint, path, _ = exported
    model = Matcher().eval()
    tensors = checkpoints.read(checkpoint)
    model.load_state_dict({name[8:]: value for name, value in tensors if name.startswith('average.')})
    session = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])
    for shape in ((1, 1, 120, 160), (16, 1, 160, 160), (2, 1, 72, 104)):
        image = np.random.default_rng(shape[0]).uniform(0, 255, shape).astype(np.float32)
        descriptors, matchability = session.run(['descriptors', 'matchability'], {'image': image})
        with torch.inference_mode():
            expected, expected_matchability = model(torch.from_numpy(image))
        np.testing.assert_allclose(descriptors, expected.numpy(), atol=1e-4)
        np.testing.assert_allclose(matchability, expected_matchability.numpy(), atol=1e-3)


def test_metadata_say_what_the_runtime_needs(exported: tuple[Path, Path, dict[str, str]]) -> None:
    checkpoint, path, metadata = exported
    session = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])
    assert dict(session.get_modelmeta().custom_metadata_map) == metadata
    tensors = dict(checkpoints.read(checkpoint))
    assert metadata['kind'] == 'scene_agnostic_matcher'
    assert metadata['format_version'] == '1'
    assert (metadata['input_width'], metadata['input_height'], metadata['stride']) == ('192', '144', '8')
    assert float(metadata['cell_offset']) == 3.5
    assert float(metadata['temperature']) == pytest.approx(tensors['average.log_temperature'].exp().item())
    assert float(metadata['dustbin']) == pytest.approx(tensors['average.dustbin'].item())
    training = json.loads(metadata['training'])
    assert training['steps'] == 2
    assert training['corpus'] == {'drawn': {'train': 4, 'validation': 2}}
    assert set(training['validation']) == {'nominal', 'perturbed'}
    assert metadata['licence']


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    other = torch.nn.Linear(2, 2)
    path = tmp_path / 'other.checkpoint'
    checkpoints.save(path, {f'average.{name}': value for name, value in other.state_dict().items()}, {})
    with pytest.raises(TrainingError, match='expected the weights of a Matcher'):
        export.export_matcher(path, tmp_path / 'model.onnx')
    assert not (tmp_path / 'model.onnx').exists()
