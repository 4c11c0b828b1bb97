from __future__ import annotations

import csv
import json
import math
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip('torch')
pytest.importorskip('onnx')
pytest.importorskip('onnxscript')
pytest.importorskip('safetensors')
pytest.importorskip('tqdm')

import onnxruntime
import torch

from cnn_vs_ros.estimation import PoseEstimator, Reference
from cnn_vs_ros.geometry import PinholeCamera
from cnn_vs_ros.resources import resource_path
from training.__main__ import main
from training.errors import TrainingError
from training.images import textures
from training.loop import checkpoints
from training.loop.training import best_path, checkpoint_path, log_path
from training.matcher.finetuning import FineTuning, FineTuningOptions, finetune
from training.matcher.reference_groups import ReferenceGroups, ReferenceSampling
from training.networks.onnx_weights import read_matcher

SHIPPED = resource_path('weights') / 'scene_agnostic.onnx'
OPTIONS = FineTuningOptions(steps=4, batch_groups=1, validate_every=2, validation_groups=1)


@pytest.fixture(scope='module')
def reference() -> Reference:
    picture = textures.draw(np.random.default_rng(3), 320)[:240]
    return Reference(picture, PinholeCamera(320, 240, 300.0, 300.0, 159.5, 119.5), 0.25)


@pytest.fixture(scope='module')
def tuned(reference: Reference, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp('tuned') / 'model.onnx'
    finetune(SHIPPED, reference, output, OPTIONS, threads=1, workers=0)
    return output


@pytest.fixture(scope='module')
def whole(reference: Reference, tmp_path_factory: pytest.TempPathFactory) -> tuple[FineTuning, Path]:
    """A run that was not interrupted, and its checkpoint."""
    torch.set_num_threads(1)
    checkpoint = tmp_path_factory.mktemp('whole') / 'run.checkpoint'
    training = FineTuning(SHIPPED, reference, OPTIONS)
    training.run(checkpoint, progress=False)
    return training, checkpoint


def weights(model: torch.nn.Module) -> np.ndarray:
    return torch.cat([value.flatten().double() for value in model.state_dict().values()]).numpy()


def best_weights(checkpoint: Path) -> dict[str, bytes]:
    return {name: value.numpy().tobytes() for name, value in checkpoints.read(best_path(checkpoint))}


def test_the_shipped_weights_are_read_back_into_torch() -> None:
    model, metadata = read_matcher(SHIPPED)
    session = onnxruntime.InferenceSession(SHIPPED, providers=['CPUExecutionProvider'])
    image = np.random.default_rng(0).uniform(0, 255, (2, 1, 120, 160)).astype(np.float32)
    with torch.inference_mode():
        found = model(torch.from_numpy(image))
    for expected, actual in zip(session.run(None, {'image': image}), found, strict=True):
        np.testing.assert_allclose(actual.numpy(), expected, atol=1e-4)
    assert float(model.log_temperature.detach().exp()) == pytest.approx(float(metadata['temperature']))
    assert float(model.dustbin.detach()) == pytest.approx(float(metadata['dustbin']))


def test_files_that_are_no_matcher_are_refused(tmp_path: Path) -> None:
    import onnx

    with pytest.raises(TrainingError, match='expected an'):
        read_matcher(tmp_path / 'missing.onnx')
    (tmp_path / 'text.onnx').write_text('no model')
    with pytest.raises(TrainingError, match='expected'):
        read_matcher(tmp_path / 'text.onnx')
    model = onnx.load(SHIPPED)
    head = next(tensor for tensor in model.graph.initializer if tensor.name == 'head.weight')
    head.CopyFrom(onnx.numpy_helper.from_array(np.zeros((3, 64, 1, 1), np.float32), 'head.weight'))
    onnx.save(model, tmp_path / 'other.onnx')
    with pytest.raises(TrainingError, match='expected the weights of a Matcher'):
        read_matcher(tmp_path / 'other.onnx')


def test_homographies_of_the_views_carry_the_picture() -> None:
    x, y = np.meshgrid(np.arange(640), np.arange(480))
    dots = np.stack(np.meshgrid(np.linspace(100, 540, 4), np.linspace(100, 380, 3)), axis=-1).reshape(-1, 2)
    picture = sum(220 * np.exp(-((x - u) ** 2 + (y - v) ** 2) / (2 * 9.0**2)) for u, v in dots)
    dotted = Reference(picture.astype(np.uint8), PinholeCamera(640, 480, 610.0, 590.0, 325.0, 236.0), 0.3)
    groups = ReferenceGroups(dotted, ReferenceSampling(perturbed=0.0), seed=1, length=12)
    in_source = np.c_[(dots + 0.5) / 2 - 0.5, np.ones(len(dots))]
    found = {True: 0, False: 0}
    for index in range(12):
        group = groups.group(np.random.default_rng(index))
        for place, (image, homography, visible) in enumerate(
            zip(group.images, group.homographies, group.visible, strict=True)
        ):
            points = in_source @ homography.T
            for u, v in points[:, :2] / points[:, 2:]:
                left, top = round(u) - 6, round(v) - 6
                if left < 0 or top < 0 or visible[top : top + 13, left : left + 13].sum() != 169:
                    continue
                patch = np.clip(image[top : top + 13, left : left + 13].astype(float) - 25, 0, None)
                if patch.sum() < 500:
                    continue
                columns, rows = np.meshgrid(np.arange(13), np.arange(13))
                centre = np.array([(patch * columns).sum(), (patch * rows).sum()]) / patch.sum() + (left, top)
                np.testing.assert_allclose(centre, [u, v], atol=0.5)
                found[place == 0] += 1
    assert found[True] > 50
    assert found[False] > 50


def test_groups_depend_on_seed_and_index_alone(reference: Reference) -> None:
    first = ReferenceGroups(reference, ReferenceSampling(), seed=1, length=9)
    second = ReferenceGroups(reference, ReferenceSampling(), seed=1, length=5)
    other = ReferenceGroups(reference, ReferenceSampling(), seed=2, length=5)
    images, labels = first[3]
    assert images.shape == (4, 120, 160)
    assert labels.shape == (2, 6, 300, 3)
    second[4]
    for a, b in zip(first[3], second[3], strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(other[3][0], images)
    with pytest.raises(IndexError):
        second[5]


def test_training_lowers_the_loss_of_its_batch(reference: Reference) -> None:
    torch.set_num_threads(1)
    training = FineTuning(SHIPPED, reference, FineTuningOptions(steps=40))
    groups = ReferenceGroups(reference, training.sampling, seed=0, length=1)
    images, labels = (torch.from_numpy(part)[None] for part in groups[0])
    for _ in range(8):
        training.take_step(images, labels)
    losses = [row['loss'] for row in training.standing.recent]
    assert losses[-1] < 0.9 * losses[0]


def test_the_result_is_a_model_that_the_estimator_runs(reference: Reference, tuned: Path) -> None:
    session = onnxruntime.InferenceSession(tuned, providers=['CPUExecutionProvider'])
    metadata = session.get_modelmeta().custom_metadata_map
    assert metadata['reference_sha256'] == reference.sha256
    assert metadata['kind'] == 'scene_agnostic_matcher'
    training = json.loads(metadata['fine_tuning'])
    assert training['options']['steps'] == 4
    assert set(training['validation']) == {'nominal', 'perturbed'}
    assert np.mean(list(training['validation'].values())) >= np.mean(list(training['validation_before'].values()))
    estimator = PoseEstimator.load(tuned)
    estimator.set_reference(reference)
    pose = estimator.estimate(reference.image)
    assert not pose.is_lost
    np.testing.assert_allclose(pose.transform, np.eye(4), atol=1e-3)
    assert not checkpoint_path(tuned).exists()
    read_matcher(tuned)  # and it can be tuned further


@pytest.mark.parametrize('interrupted_at', [1, 2, 3])
def test_an_interrupted_run_goes_on_bit_for_bit(
    reference: Reference,
    whole: tuple[FineTuning, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    interrupted_at: int,
) -> None:
    torch.set_num_threads(1)
    original = torch.optim.AdamW.step
    part = FineTuning(SHIPPED, reference, OPTIONS)

    def interrupting(self: torch.optim.AdamW, *arguments: object) -> None:
        if part.step + 1 == interrupted_at:
            os.kill(os.getpid(), signal.SIGTERM if interrupted_at == 2 else signal.SIGINT)
        original(self, *arguments)

    checkpoint = tmp_path / 'part.checkpoint'
    with monkeypatch.context() as patch:
        patch.setattr(torch.optim.AdamW, 'step', interrupting)
        with pytest.raises(KeyboardInterrupt):
            part.run(checkpoint, progress=False)
    assert part.step == interrupted_at
    resumed = FineTuning(SHIPPED, reference, OPTIONS)
    resumed.run(checkpoint, progress=False)
    np.testing.assert_array_equal(weights(resumed.model), weights(whole[0].model))
    assert best_weights(checkpoint) == best_weights(whole[1])
    rows = [list(csv.DictReader(log_path(path).open())) for path in (checkpoint, whole[1])]
    for resumed_row, row in zip(*rows, strict=True):
        del resumed_row['seconds'], row['seconds']
        assert resumed_row == row
    other = FineTuning(SHIPPED, reference, FineTuningOptions(steps=5))
    with pytest.raises(TrainingError, match='same arguments'):
        other.run(checkpoint, progress=False)


def test_the_run_ends_when_validation_gains_no_more(
    reference: Reference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([0.5, 0.6, 0.4, 0.6, 0.7])
    monkeypatch.setattr(FineTuning, 'validate', lambda *_: dict.fromkeys(('nominal', 'perturbed'), next(scores)))
    options = FineTuningOptions(steps=9, batch_groups=1, validate_every=1, patience=2)
    training = FineTuning(SHIPPED, reference, options)
    checkpoint = tmp_path / 'run.checkpoint'
    training.run(checkpoint, progress=False)
    assert (training.step, training.standing.best_step) == (3, 1)
    last = weights(training.model)
    assert not np.array_equal(last, weights(training.load_best(checkpoint)))
    again = FineTuning(SHIPPED, reference, options)
    again.run(checkpoint, progress=False)  # a run that is over does nothing
    assert again.step == 3


@pytest.mark.parametrize(
    'change', [{'normal': (0.1, 0.0, 1.0)}, {'camera': PinholeCamera(320, 240, 301.0, 300.0, 159.5, 119.5)}]
)
def test_a_run_on_another_plane_or_camera_is_another(
    reference: Reference, tmp_path: Path, change: dict[str, Any]
) -> None:
    FineTuning(SHIPPED, reference, OPTIONS).save(tmp_path / 'run.checkpoint')
    with pytest.raises(TrainingError, match=f'{next(iter(change))} differ'):
        FineTuning(SHIPPED, replace(reference, **change), OPTIONS).restore(tmp_path / 'run.checkpoint')


def test_a_run_that_diverges_ends_and_leaves_its_last_checkpoint(
    reference: Reference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = FineTuning.backward

    def diverging(self: FineTuning, *arguments: Any) -> dict[str, float]:
        measured = original(self, *arguments)
        return {'loss': math.nan} if self.step == 3 else measured

    monkeypatch.setattr(FineTuning, 'backward', diverging)
    monkeypatch.setattr(FineTuning, 'validate', lambda *_: {'nominal': 0.5, 'perturbed': 0.5})
    output = tmp_path / 'model.onnx'
    with pytest.raises(TrainingError, match='expected finite losses and weights, but got loss nan'):
        finetune(SHIPPED, reference, output, OPTIONS, threads=1, workers=0)
    assert not output.exists()
    assert checkpoints.read_header(checkpoint_path(output))['standing']['step'] == 2


def test_weights_that_are_not_finite_are_not_kept(reference: Reference, tmp_path: Path) -> None:
    training = FineTuning(SHIPPED, reference, OPTIONS)
    training.save(tmp_path / 'run.checkpoint')
    with torch.no_grad():
        training.model.dustbin.fill_(math.inf)
    with pytest.raises(TrainingError, match='weights that are not'):
        training.save(tmp_path / 'run.checkpoint')
    assert all(value.isfinite().all() for _, value in checkpoints.read(tmp_path / 'run.checkpoint'))


def test_a_validation_that_says_nothing_ends_the_run(
    reference: Reference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FineTuning, 'validate', lambda *_: {'nominal': math.nan, 'perturbed': 0.5})
    with pytest.raises(TrainingError, match='a validation of nominal nan'):
        FineTuning(SHIPPED, reference, OPTIONS).run(tmp_path / 'run.checkpoint', progress=False)


def test_the_rate_rises_and_falls_to_zero() -> None:
    options = FineTuningOptions(steps=100, learning_rate=1.0)
    rates = [options.rate(step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == pytest.approx(1.0)
    assert rates.index(max(rates)) in (9, 10)
    assert rates[-1] == pytest.approx(1 / 90)


def test_finetune_refuses_what_it_cannot_do(
    reference: Reference, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = reference.save(tmp_path / 'reference')
    for arguments, expected in (
        (['--architecture', 'perceptron'], 'expected an architecture among matcher'),
        (['--output', 'model.pt'], 'ends in .onnx'),
        (['--steps', '0'], 'expected steps of at least 1'),
        (['--threads', '0'], 'at least 1 thread'),
        (['--noise', '1'], 'expected options that architecture matcher uses, but got --noise'),
        (['--translation', '1', '1', '1'], 'got --translation'),
        (['--grey'], 'got --grey'),
        (['--occluders', str(tmp_path)], 'got --occluders'),
        (['--loss', 'paper'], 'got --loss'),
        (['--architecture', 'geometric', '--steps', '3'], 'architecture geometric uses, but got --steps'),
        (
            ['--architecture', 'alexnet', '--dataset', 'views', '--count', '3'],
            'that a training on a dataset uses, but got --count',
        ),
        (['--base', str(tmp_path / 'none.onnx')], 'expected an .onnx model'),
        (['--reference', str(tmp_path)], 'should hold image.png'),
    ):
        given = ['--reference', str(folder), '--output', str(tmp_path / 'model.onnx'), *arguments]
        assert main(['finetune', *given]) == 2
        captured = capsys.readouterr()
        assert len(captured.err.strip().splitlines()) == 1
        assert expected in captured.err
    cv2.imwrite(str(folder / 'image.png'), np.zeros((10, 10), np.uint8))
    assert main(['finetune', '--reference', str(folder), '--output', str(tmp_path / 'model.onnx')]) == 2
    assert checkpoint_path(tmp_path / 'model.onnx').exists() is False
