"""Export of a trained matcher as one .onnx file with its metadata inside."""

from __future__ import annotations

import datetime
import json
import logging
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch

from cnn_vs_ros.estimation.coarse.matcher import KIND
from cnn_vs_ros.estimation.model_file import FORMAT_VERSION
from training.errors import TrainingError
from training.loop import checkpoints
from training.networks.cells import CELL_OFFSET, STRIDE
from training.networks.matcher import Matcher

LICENCE = (
    'Apache-2.0 (weights). Trained on images under public-domain, CC0, CC-BY, CC-BY-SA and LGPL terms and on '
    'drawn textures; sources in resource/licenses/training_corpus.md.'
)


def export_matcher(checkpoint: Path, output: Path) -> dict[str, str]:
    """Write the moving average of a checkpoint to `output` (.onnx) and return the metadata.

    The graph takes `image` (B, 1, H, W) float32 in 0..255 and returns `descriptors` (B, N, 64) of unit norm and
    `matchability` (B, N), with B, H and W free (H and W multiples of 8) and N = H/8 * W/8 cells, row by row.

    Raises:
        TrainingError: the checkpoint cannot be read, or the written graph disagrees with the network.
    """
    header = checkpoints.read_header(checkpoint)
    tensors = checkpoints.read(checkpoint)
    weights = {name.removeprefix('average.'): value for name, value in tensors if name.startswith('average.')}
    model = Matcher()
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise TrainingError(f'expected the weights of a Matcher in {checkpoint}, but got: {error}') from error
    metadata = matcher_metadata(model, header)
    write_onnx(model, output, metadata)
    return metadata


def matcher_metadata(model: Matcher, header: dict[str, Any]) -> dict[str, str]:
    """Return the metadata of the .onnx file, all values strings (JSON where structured)."""
    sampling, options = header['sampling'], header['options']
    training = {
        'seed': options['seed'],
        'steps': header['standing']['step'],
        'options': options,
        'sampling': sampling,
        'corpus': header['corpus'],
        'validation': header['standing']['metrics'],
        'commit': git_commit(),
        'date': datetime.datetime.now(datetime.UTC).date().isoformat(),
        'torch': torch.__version__,
    }
    return {
        'kind': KIND,
        'format_version': str(FORMAT_VERSION),
        'input_width': str(sampling['width']),
        'input_height': str(sampling['height']),
        'stride': str(STRIDE),
        'cell_offset': str(CELL_OFFSET),
        'temperature': repr(float(model.log_temperature.detach().exp())),
        'dustbin': repr(float(model.dustbin.detach())),
        'training': json.dumps(training),
        'licence': LICENCE,
    }


def write_onnx(model: Matcher, output: Path, metadata: dict[str, str]) -> None:
    """Trace `model` with free batch, height and width, check it against onnxruntime, and write it atomically."""
    model = model.eval().to(memory_format=torch.contiguous_format)
    output.parent.mkdir(parents=True, exist_ok=True)
    temporary = output.with_suffix('.partial.onnx')
    logging.getLogger('torch.onnx').setLevel(logging.ERROR)  # it reports that torchvision is absent
    program = torch.onnx.export(
        model,
        (torch.zeros(2, 1, 120, 160),),
        dynamo=True,
        verbose=False,
        optimize=True,
        input_names=['image'],
        output_names=['descriptors', 'matchability'],
        dynamic_shapes={
            'image': {
                0: torch.export.Dim('batch', min=1),
                2: 8 * torch.export.Dim('rows', min=2),
                3: 8 * torch.export.Dim('columns', min=2),
            }
        },
    )
    save_graph(program.model_proto, temporary, metadata)
    _check(model, temporary)
    os.replace(temporary, output)


def save_graph(graph: onnx.ModelProto, path: Path, metadata: dict[str, str]) -> None:
    """Write a traced graph with its metadata, without what the exporter noted of the source."""
    strip_traces(graph)
    onnx.helper.set_model_props(graph, metadata)
    onnx.checker.check_model(graph)
    onnx.save(graph, path)


def strip_traces(model: onnx.ModelProto) -> None:
    """Remove what the exporter notes of the source code: stack traces with the paths of the machine it ran on."""
    graph = model.graph
    for part in (graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ''


def _check(model: Matcher, path: Path) -> None:
    """Compare the written graph with the network at two sizes."""
    session = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])
    rng = np.random.default_rng(0)
    for shape in ((1, 1, 120, 160), (3, 1, 96, 128)):
        image = rng.uniform(0, 255, shape).astype(np.float32)
        with torch.inference_mode():
            expected = model(torch.from_numpy(image))
        actual = session.run(None, {'image': image})
        worst = max(float(np.abs(a - e.numpy()).max()) for a, e in zip(actual, expected, strict=True))
        if not worst < 1e-3:
            raise TrainingError(
                f'expected the exported graph to agree with the network within 1e-3, but it differs by {worst:.2g}'
            )


def git_commit() -> str:
    """Return the commit of the source tree, or 'unknown' outside one."""
    result = subprocess.run(
        ['git', 'rev-parse', '--short=12', 'HEAD'],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return result.stdout.strip() or 'unknown'
