"""Export of a trained regressor as one .onnx file with its metadata inside."""

from __future__ import annotations

import datetime
import json
import logging
import os
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from cnn_vs_ros.estimation.model_file import FORMAT_VERSION
from cnn_vs_ros.estimation.regression.pair_regressor import KIND as PAIR_KIND
from cnn_vs_ros.estimation.regression.regressor import KIND
from training.errors import TrainingError
from training.matcher.export import git_commit, save_graph
from training.networks.looks import MOST_DOUBT
from training.networks.onnx_weights import fold
from training.regression.pairs import PairRegression
from training.regression.training import Regression

_AGREEMENT = 1e-3  # of the deviations of the training views
_EXAMPLES = 5  # views that the graph is traced with and compared on
_NUDGE, _STEADY = 1e-3, 2e-5  # grey levels, and by how much of the deviations they may move what is compared
_OPSET = 17


def export_regressor(run: Regression, model: nn.Module, output: Path) -> dict[str, str]:
    """Write `model`, trained by `run`, to `output` (.onnx) and return its metadata.

    The graph takes `image` (B, C, H, W) float32 grey levels 0..255 (BGR for C = 3; the undistorted image resized
    by area) and returns `pose` (B, 6), [t; theta u] of ``c0_T_c`` in metres and radians.

    Raises:
        TrainingError: the written graph disagrees with the network.
    """
    return write_onnx(model, output, _metadata(run, run.component_errors(model)), run.examples(_EXAMPLES))


def export_pairs(run: PairRegression, model: nn.Module, output: Path) -> dict[str, str]:
    """Write a `model` of image pairs, trained by `run`, to `output` (.onnx) and return its metadata.

    The graph takes `image` (B, 2, H, W) float32, the current and the desired image as grey levels 0..255 of the
    ideal camera in the metadata, and returns `pose` (B, 6), [t; theta u] of ``desired_T_current`` in depths and
    radians.
    """
    metadata = {
        'kind': PAIR_KIND,
        'format_version': str(FORMAT_VERSION),
        'architecture': run.options.architecture,
        'input_width': str(run.drawn.width),
        'input_height': str(run.drawn.height),
        'channels': '2',
        'output': '[t; theta u] of desired_T_current, in depths of the scene and radians',
        'focal': repr(run.drawn.focal * run.drawn.width),
        'deviations': json.dumps(run.scale.tolist()),
        'errors': json.dumps(run.component_errors(model)),
        'training': json.dumps({**_training(run), 'pairs': run.pairs, 'views': asdict(run.drawn)}),
    }
    return write_onnx(model, output, metadata, run.examples(_EXAMPLES))


def write_onnx(model: nn.Module, output: Path, metadata: dict[str, str], examples: Tensor) -> dict[str, str]:
    """Trace `model` with a free batch, compare it with onnxruntime on `examples`, and write it atomically.

    A model with a loop has `scripted(examples)`, which is exported in its place; that tells its doubt (B,) too, as
    the output `doubt`, and the metadata up to which it is believed. By TorchScript: torch's newer exporter takes
    minutes for a graph with least squares inside. Returns the metadata.
    """
    model = fold(model).cpu().to(memory_format=torch.contiguous_format)
    examples = examples.float()
    output.parent.mkdir(parents=True, exist_ok=True)
    temporary = output.with_suffix('.partial.onnx')
    logging.getLogger('torch.onnx').setLevel(logging.ERROR)
    scripted = getattr(model, 'scripted', None)
    outputs = ['pose']
    if scripted is not None:
        outputs.append('doubt')
        metadata = {**metadata, 'most_doubt': repr(MOST_DOUBT)}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # of torch about its own exporter
            torch.onnx.export(
                scripted(examples) if scripted is not None else model,
                (examples,),
                temporary,
                dynamo=False,
                opset_version=_OPSET,
                do_constant_folding=False,  # it would spell out what a few numbers say: eight turned grids
                input_names=['image'],
                output_names=outputs,
                dynamic_axes={name: {0: 'batch'} for name in ('image', *outputs)},
            )
        save_graph(onnx.load(temporary), temporary, metadata)
        _check(model, temporary, examples)
        os.replace(temporary, output)
        return metadata
    finally:
        temporary.unlink(missing_ok=True)


def _metadata(run: Regression, errors: Sequence[float]) -> dict[str, str]:
    camera = run.reference.camera.undistorted.resized(run.settings.width, run.settings.height)
    training = {**_training(run), 'views': asdict(run.settings)}
    return {
        'kind': KIND,
        'format_version': str(FORMAT_VERSION),
        'architecture': run.options.architecture,
        'input_width': str(run.settings.width),
        'input_height': str(run.settings.height),
        'channels': str(run.channels),
        'output': '[t; theta u] of c0_T_c, the camera in the frame of the reference camera, in metres and radians',
        'depth': repr(float(run.reference.depth)),
        'reference_sha256': run.reference.sha256,
        **{name: repr(float(getattr(camera, name))) for name in ('fx', 'fy', 'cx', 'cy')},
        'deviations': json.dumps(run.settings.viewpoints.deviations(run.reference.depth).tolist()),
        'errors': json.dumps(list(errors)),
        'training': json.dumps(training),
    }


def _training(run: Regression) -> dict[str, Any]:
    return {
        'options': asdict(run.options),
        'loss': str(run.loss),
        'weights': run.weights_used,
        'epoch': run.best_epoch,
        'steps': run.step,
        'seconds': round(run.standing.seconds, 1),
        'validation': run.standing.best_metrics,
        'commit': git_commit(),
        'date': datetime.datetime.now(datetime.UTC).date().isoformat(),
        'torch': torch.__version__,
    }


def _check(model: nn.Module, path: Path, examples: Tensor) -> None:
    """Compare alone and in a batch, where the network is steady: one that looks again may settle on no pose."""
    session = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])
    scale = model.get_buffer('scale')
    worst = 0.0
    for images in (examples[:1], examples):
        (actual,) = session.run(['pose'], {'image': images.numpy()})
        with torch.inference_mode():
            expected, nudged = model(images), model(images + _NUDGE)
        difference, unrest = (
            (other - expected).abs().div(scale).amax(dim=1) for other in (torch.from_numpy(actual), nudged)
        )
        worst = max(worst, *difference[unrest < _STEADY].tolist(), 0.0)
    if not worst < _AGREEMENT:
        raise TrainingError(
            f'expected the exported graph to agree with the network within {_AGREEMENT}, '
            f'but it differs by {worst:.2g}'
        )
