"""Reads the weights of an exported matcher back into the torch network, so that the .onnx stays the one truth."""

from __future__ import annotations

import copy
import math
from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from training.errors import TrainingError
from training.networks.matcher import Matcher


def read_matcher(path: Path) -> tuple[Matcher, dict[str, str]]:
    """Return the network of a model that `matcher.export` wrote, in evaluation mode, and its metadata.

    Export folds batch normalisation into the convolutions. Here the folded weights go to the convolutions and the
    biases to the normalisations, whose statistics are set so that they scale by one: in evaluation mode the
    network computes what the file does. To be trained further it should stay in that mode.

    Raises:
        TrainingError: the file is missing, not an ONNX model, or not of a Matcher.
    """
    graph = load_graph(path)
    values = _values(graph)
    metadata = {entry.key: entry.value for entry in graph.metadata_props}
    model = Matcher().eval()
    try:
        with torch.no_grad():
            _fill_folded(model, values, folded_bias='weight_bias')
            model.log_temperature.fill_(math.log(float(metadata['temperature'])))
            model.dustbin.fill_(float(metadata['dustbin']))
    except (KeyError, ValueError) as error:
        raise TrainingError(
            f'expected the weights of a Matcher in {path}, but {error} is missing or wrong'
        ) from error
    return model, metadata


def read_folded(model: nn.Module, path: Path) -> None:
    """Fill `model` from a file that `fold` was exported to, as `read_matcher` does.

    Raises TrainingError when the file is missing, no ONNX model, or of another network.
    """
    graph = load_graph(path)
    values = _values(graph)
    try:
        with torch.no_grad():
            _fill_folded(model, values, folded_bias='bias')
            for name, parameter in model.named_parameters():
                if '.' not in name or name.rpartition('.')[0] == 'matcher':
                    _fill(parameter, values[name])
    except (KeyError, ValueError) as error:
        raise TrainingError(
            f'expected the weights of a {type(model).__name__} in {path}, but {error} is missing or wrong'
        ) from error


def fold(model: nn.Module) -> nn.Module:
    """Return a copy of `model`, in evaluation mode, whose normalisations are folded into their convolutions."""
    model = copy.deepcopy(model).eval()
    for block in model.modules():
        if isinstance(block, nn.Sequential) and len(block) > 1 and isinstance(block[1], nn.BatchNorm2d):
            block[0], block[1] = fuse_conv_bn_eval(block[0], block[1]), nn.Identity()
    return model


def load_graph(path: Path) -> onnx.ModelProto:
    """Load an ONNX model. Raises TrainingError when it is none."""
    try:
        return onnx.load(path)
    except Exception as error:  # protobuf's exceptions share no public base class
        raise TrainingError(f'expected an .onnx model at {path}, but got: {error}') from error


def _make_affine(normalisation: nn.BatchNorm2d) -> None:
    """Let a normalisation in evaluation mode add its bias and nothing else."""
    normalisation.weight.fill_(1.0)
    normalisation.running_mean.zero_()
    normalisation.running_var.fill_(1.0 - normalisation.eps)


def _values(graph: onnx.ModelProto) -> dict[str, torch.Tensor]:
    """Return the weights by name; a part of a network that looks several times has the name of the network."""
    return {
        tensor.name.rpartition('network.')[2]: torch.from_numpy(numpy_helper.to_array(tensor).copy())
        for tensor in graph.graph.initializer
    }


def _fill_folded(model: nn.Module, values: dict[str, torch.Tensor], folded_bias: str) -> None:
    """Fill convolutions, and the normalisations after them, whose bias the exporter calls `folded_bias`."""
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d):
            _fill(module.weight, values[f'{name}.weight'])
            if module.bias is not None:
                _fill(module.bias, values[f'{name}.bias'])
        elif isinstance(module, nn.BatchNorm2d):
            _fill(module.bias, values[f'{name.rpartition(".")[0]}.0.{folded_bias}'])
            _make_affine(module)


def _fill(parameter: torch.Tensor, value: torch.Tensor) -> None:
    if parameter.shape != value.shape:
        raise ValueError(f'a tensor of shape {tuple(value.shape)} where {tuple(parameter.shape)} belongs')
    parameter.copy_(value)
