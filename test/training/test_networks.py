"""What holds for every network in the table."""

from __future__ import annotations

import csv
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip('torch')
pytest.importorskip('onnxscript')

import torch
from torch import nn

from cnn_vs_ros.estimation import Reference, load_model
from cnn_vs_ros.geometry import PinholeCamera
from training.images import textures
from training.loop.training import log_path
from training.networks import looks
from training.networks.architectures import ARCHITECTURES, PAIR_ARCHITECTURES, PAIRS, SHIPPED, architecture
from training.networks.torchvision_models import torchvision_models
from training.regression import pairs
from training.regression.export import export_pairs, export_regressor
from training.regression.options import RegressionOptions
from training.regression.pairs import PairRegression
from training.regression.training import Regression
from training.snapshot.generator import SnapshotSettings

NAMES = (*ARCHITECTURES, *PAIR_ARCHITECTURES)
THINNER = 8  # times fewer channels of the paper's two, whose half a gigabyte would take minutes

MakeRun = Callable[[], Regression]


@pytest.fixture(scope='module')
def reference() -> Reference:
    picture = textures.draw(np.random.default_rng(3), 320)[:240]
    return Reference(picture, PinholeCamera(320, 240, 300.0, 300.0, 159.5, 119.5), 0.25)


def thin(channels: int) -> int:
    return channels if channels <= 6 else channels // THINNER


class ThinConvolution(nn.Conv2d):
    def __init__(self, inputs: int, outputs: int, **options: Any) -> None:
        super().__init__(thin(inputs), thin(outputs), **options)


class ThinLinear(nn.Linear):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(thin(inputs), thin(outputs))


@pytest.fixture
def make_run(
    request: pytest.FixtureRequest, reference: Reference, drawn_corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> MakeRun:
    """Return what makes a run of two steps."""
    name = request.param
    entry = architecture(name)
    torch.set_num_threads(1)
    torchvision_models()
    layers = SimpleNamespace(**{**vars(nn), 'Conv2d': ThinConvolution, 'Linear': ThinLinear})
    for module in ('alexnet', 'vgg'):
        monkeypatch.setattr(sys.modules[f'torchvision.models.{module}'], 'nn', layers)
    size = entry.size or 64
    monkeypatch.setattr(looks, '_MOST', 2)  # more, of what hardly learned, wander by any rounding
    options = RegressionOptions(
        architecture=name,
        epochs=2,
        batch=2,
        micro_batch=entry.micro_batch,
        optimizer=entry.optimizer,
        learning_rate=1e-5,  # what was shipped stays useful
        validation_images=2,
    )
    weights = SHIPPED if entry.weights == SHIPPED else 'none'
    if name.endswith(PAIRS):
        drawn = replace(
            pairs.facing_sampling() if entry.is_geometric else pairs.sampling(), width=size, height=size
        )
        monkeypatch.setattr(pairs, 'facing_sampling' if entry.is_geometric else 'sampling', lambda: drawn)
        return lambda: PairRegression(drawn_corpus, options, pairs=2, weights=weights)
    settings = SnapshotSettings(width=size, height=size, count=2, fine=0, grey=True)
    settings = replace(settings, perturbations=replace(settings.perturbations, occlusion=0.0))
    return lambda: Regression(reference, options, settings, None, weights=weights)


def weights_of(model: nn.Module) -> np.ndarray:
    return torch.cat([value.flatten().double() for value in model.state_dict().values()]).numpy()


def rows_of(checkpoint: Path) -> list[dict[str, str]]:
    rows = list(csv.DictReader(log_path(checkpoint).open()))
    return [{name: value for name, value in row.items() if name != 'seconds'} for row in rows]


@pytest.mark.parametrize('make_run', NAMES, indirect=True)
def test_every_network_learns_the_same_again_and_its_file_computes_it(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = make_run()
    begun = weights_of(whole.model)
    if not architecture(whole.options.architecture).is_geometric:  # it begins by knowing nothing
        with torch.inference_mode():
            guess = whole.model.eval()(whole.examples(1).float())
        assert (guess.abs() <= 0.2 * whole.model.get_buffer('scale')).all()
    whole.run(tmp_path / 'whole.checkpoint', progress=False)
    assert not np.array_equal(begun, weights_of(whole.model))

    step = Regression.take_step

    def interrupted(self: Regression, *batch: Any) -> dict[str, float]:
        measured = step(self, *batch)
        if self.step == 1:
            os.kill(os.getpid(), signal.SIGINT)
        return measured

    monkeypatch.setattr(Regression, 'take_step', interrupted)
    with pytest.raises(KeyboardInterrupt):
        make_run().run(tmp_path / 'run.checkpoint', progress=False)
    monkeypatch.setattr(Regression, 'take_step', step)
    resumed = make_run()
    resumed.run(tmp_path / 'run.checkpoint', progress=False)
    assert resumed.step == whole.step == 2
    np.testing.assert_array_equal(weights_of(resumed.model), weights_of(whole.model))
    assert rows_of(tmp_path / 'run.checkpoint') == rows_of(tmp_path / 'whole.checkpoint')

    model = whole.load_best(tmp_path / 'whole.checkpoint')
    export = export_pairs if isinstance(whole, PairRegression) else export_regressor
    export(whole, model, tmp_path / 'model.onnx')
    images = whole.examples(1).float()
    with torch.inference_mode():
        expected, nudged = model(images).numpy(), model(images + 1e-3).numpy()
    (found,) = load_model(tmp_path / 'model.onnx').run({'pose': 2}, images.numpy())
    # One that looks again settles to 2e-4, and of images as small as these on no pose.
    looks_again = architecture(whole.options.architecture).is_geometric
    steady = np.abs(nudged - expected).max(axis=1) < 1e-4
    np.testing.assert_allclose(found[steady], expected[steady], atol=1e-3 if looks_again else 1e-4)
    assert steady.all() or looks_again
