from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip('torch')
pytest.importorskip('onnxscript')

import torch

from cnn_vs_ros.estimation import Reference, load_estimator, load_model
from cnn_vs_ros.estimation.regression.regressor import RegressorNetwork
from cnn_vs_ros.geometry import PinholeCamera
from training.__main__ import main
from training.errors import TrainingError
from training.images import textures
from training.networks.regressor import PoseRegressor, load_weights
from training.regression.command import open_dataset
from training.regression.loss import PoseLoss
from training.regression.options import RegressionOptions
from training.regression.training import Regression
from training.regression.validation import Validation
from training.snapshot import building
from training.snapshot.generator import SnapshotSettings
from training.snapshot.perturbations import Perturbations

DEVIATIONS = [0.01, 0.01, 0.01, *np.deg2rad([10.0, 10.0, 20.0])]
OPTIONS = RegressionOptions(architecture='mobilenet_v3_small', epochs=2, batch=4, validation_images=4)
PLAIN = Perturbations(global_light=0.0, local_lights=0.0, occlusion=0.0)
SETTINGS = SnapshotSettings(width=64, height=64, count=12, fine=0, grey=True, perturbations=PLAIN)


@pytest.fixture(scope='module')
def reference() -> Reference:
    picture = textures.draw(np.random.default_rng(3), 320)[:240]
    return Reference(picture, PinholeCamera(320, 240, 300.0, 300.0, 159.5, 119.5), 0.25)


def pose_error(metres: float, degrees: float) -> tuple[torch.Tensor, torch.Tensor]:
    found = torch.tensor([[metres, 0.0, 0.0, 0.0, math.radians(degrees), 0.0]])
    return found, torch.zeros(1, 6)


def test_the_papers_loss_counts_metres_and_degrees() -> None:
    loss = PoseLoss.named('paper', DEVIATIONS)
    assert float(loss(*pose_error(0.1, 0.0))) == pytest.approx(0.01)
    assert float(loss(*pose_error(0.0, 1.0))) == pytest.approx(0.01)
    assert float(PoseLoss.named('paper', DEVIATIONS, beta=1.0)(*pose_error(0.0, 2.0))) == pytest.approx(4.0)


class _Teller(torch.nn.Module):
    """Is off by what an image says, and as much in doubt."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(6))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.regress(images)[0]

    def regress(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        off = images.flatten(1)[:, :1]
        return off + self.weight, off[:, 0] - 1.5


def test_errors_are_those_of_what_is_believed() -> None:
    views = [(torch.full((1, 2, 2), off), torch.zeros(6)) for off in (1.0, 1.0, 50.0)]
    validation = Validation(views, 3, 2)
    assert validation.component_errors(_Teller()) == pytest.approx([1.0] * 6)
    assert Validation(views[2:], 1, 2).component_errors(_Teller()) == pytest.approx([50.0] * 6)
    assert validation.judge(_Teller(), PoseLoss.named('paper', DEVIATIONS))['median_mm'] == pytest.approx(
        1e3 * math.sqrt(3)
    )


def test_the_balanced_loss_charges_ignorance_three_for_each_part() -> None:
    loss = PoseLoss.named('balanced', DEVIATIONS)
    draw = torch.from_numpy(np.random.default_rng(0).normal(size=(20000, 6)) * DEVIATIONS).float()
    still = draw.clone()
    still[:, 3:] = 0
    assert float(loss(torch.zeros_like(draw), draw)) == pytest.approx(6.0, rel=0.03)
    assert float(loss(torch.zeros_like(draw), still)) == pytest.approx(3.0, rel=0.03)


def test_a_state_dict_is_loaded_from_a_file_and_another_one_is_refused(tmp_path: Path) -> None:
    model = PoseRegressor('mobilenet_v3_small', width=64, height=64, scale=DEVIATIONS)
    published = {f'features.{name}': torch.ones_like(value) for name, value in model.body.state_dict().items()}
    torch.save(published, tmp_path / 'weights.pth')
    said = load_weights(model, str(tmp_path / 'weights.pth'))
    assert 'starts from the weights of' in said
    assert all((value == 1).all() for value in model.body.state_dict().values())
    torch.save({'features.0.0.weight': torch.zeros(1)}, tmp_path / 'other.pth')
    with pytest.raises(TrainingError, match='tensors are missing or of another shape'):
        load_weights(model, str(tmp_path / 'other.pth'))


def test_weights_that_would_run_code_are_refused(tmp_path: Path) -> None:
    model = PoseRegressor('mobilenet_v3_small', width=64, height=64, scale=DEVIATIONS)
    torch.save({'a': Path('x')}, tmp_path / 'code.pth')
    with pytest.raises(TrainingError, match='expected a state dict'):
        load_weights(model, str(tmp_path / 'code.pth'))


def test_a_checkpoint_of_another_run_is_refused(reference: Reference, tmp_path: Path) -> None:
    Regression(reference, OPTIONS, SETTINGS, None).save(tmp_path / 'run.checkpoint')
    other = Regression(reference, RegressionOptions(**{**vars(OPTIONS), 'seed': 5}), SETTINGS, None)
    with pytest.raises(TrainingError, match='seed differ'):
        other.restore(tmp_path / 'run.checkpoint')
    oblique = replace(reference, normal=(0.1, 0.0, 1.0))
    with pytest.raises(TrainingError, match='its normal differ'):
        Regression(oblique, OPTIONS, SETTINGS, None).restore(tmp_path / 'run.checkpoint')
    wider = replace(reference, camera=replace(reference.camera, fx=301.0))
    with pytest.raises(TrainingError, match='its reference_camera differ'):
        Regression(wider, OPTIONS, SETTINGS, None).restore(tmp_path / 'run.checkpoint')


@pytest.mark.parametrize('change', [{'depth': 0.3}, {'normal': (0.1, 0.0, 1.0)}])
def test_a_dataset_of_another_plane_is_refused(
    reference: Reference, tmp_path: Path, change: dict[str, Any]
) -> None:
    generator, index = building.prepare(reference, SETTINGS, tmp_path, None)
    building.build(reference, generator, index, tmp_path)
    assert open_dataset(tmp_path, reference)[1] == SETTINGS
    with pytest.raises(TrainingError, match=f'its {next(iter(change))} differ'):
        open_dataset(tmp_path, replace(reference, **change))
    with pytest.raises(TrainingError, match=f'its {next(iter(change))} differ'):
        building.prepare(replace(reference, **change), SETTINGS, tmp_path, None)


def test_finetune_writes_one_model_that_the_estimator_loads(
    reference: Reference, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reference.save(tmp_path / 'reference')
    output = tmp_path / 'scene.onnx'
    arguments = ['--architecture', 'mobilenet_v3_small', '--weights', 'none', '--size', '64', '--count', '8']
    arguments += ['--fine', '4', '--batch', '4', '--epochs', '1', '--validation-images', '4', '--grey']
    arguments += ['--workers', '0']
    assert main(['finetune', '--reference', str(tmp_path / 'reference'), '--output', str(output), *arguments]) == 0
    assert 'median error' in capsys.readouterr().out
    network = RegressorNetwork(load_model(output))
    loaded = Reference.load(tmp_path / 'reference')
    assert network.check(loaded) == ''
    assert json.loads(load_model(output).metadata['training'])['options']['batch'] == 4
    estimator = load_estimator(output)
    estimator.set_reference(loaded)
    assert not estimator.estimate(loaded.image).is_lost
    assert not list(tmp_path.glob('*.checkpoint*'))


def test_two_processes_train_one_model(reference: Reference, tmp_path: Path) -> None:
    reference.save(tmp_path / 'reference')
    command = [sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc-per-node', '2']
    command += ['-m', 'training', 'finetune', '--reference', str(tmp_path / 'reference')]
    command += ['--output', str(tmp_path / 'scene.onnx'), '--architecture', 'mobilenet_v3_small']
    command += [
        '--weights',
        'none',
        '--size',
        '64',
        '--count',
        '8',
        '--fine',
        '0',
        '--batch',
        '4',
        '--epochs',
        '1',
        '--grey',
    ]
    command += ['--validation-images', '4', '--workers', '0', '--occlusion', '0']
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'GLOO_SOCKET_IFNAME': 'lo'}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count('median error') == 1
    trained = json.loads(load_model(tmp_path / 'scene.onnx').metadata['training'])
    assert trained['steps'] == 2


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--architecture', 'resnet'], 'expected an architecture among matcher, alexnet'),
        (['--architecture', 'vgg16', '--size', '128', '--weights', 'none'], 'expected images of 224x224 px'),
        (['--architecture', 'mobilenet_v3_small', '--weights', 'gone.pth'], 'expected a state dict'),
        (['--architecture', 'efficientnet_lite0'], 'expected --weights FILE for efficientnet_lite0'),
        (['--architecture', 'mobilenet_v3_small', '--weights', 'none', '--loss', 'l1'], 'expected a loss among'),
        (['--architecture', 'mobilenet_v3_small', '--weights', 'none', '--batch', '0'], 'batch of at least 1'),
    ],
)
def test_bad_requests_are_told_in_a_sentence(
    reference: Reference,
    arguments: list[str],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    reference.save(tmp_path / 'reference')
    given = ['--reference', str(tmp_path / 'reference'), '--output', str(tmp_path / 'a.onnx')]
    given += ['--occlusion', '0', *arguments]
    assert main(['finetune', *given]) == 2
    assert message in capsys.readouterr().err
