"""torchvision's models, also where its compiled operators do not load.

PyPI's torchvision is built for CUDA. Beside a CPU build of torch its library `_C.so` lacks the CUDA runtime, and
`import torchvision` fails on two operators of object detection that it wants to describe. Declaring them is all
that the classification networks need; they use none of the compiled operators.
"""

from __future__ import annotations

import importlib
import importlib.util
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from training.errors import TrainingError
from training.networks.architectures import Body

_OPERATORS = ('nms', 'qnms')
_SCHEMA = '(Tensor dets, Tensor scores, float iou_threshold) -> Tensor'

_declared: list[Any] = []  # a declaration lasts as long as its library object


@cache
def torchvision_models() -> ModuleType:
    """Return `torchvision.models`.

    Raises:
        TrainingError: torchvision is not installed, or does not belong to the installed torch.
    """
    spec = importlib.util.find_spec('torchvision')
    if spec is None or spec.origin is None:
        raise TrainingError(
            'expected torchvision for this architecture, but it is not installed: '
            'pip install --no-deps torchvision==0.28.0'
        )
    try:
        torch.ops.load_library(str(Path(spec.origin).parent / '_C.so'))
    except OSError:
        _declare_operators()
    try:
        return importlib.import_module('torchvision.models')
    except (ImportError, RuntimeError) as error:
        raise TrainingError(
            f'expected the torchvision that belongs to torch {torch.__version__}, but it does not import: {error}'
        ) from error


def body(name: str) -> Body:
    """Return AlexNet or VGG-16 up to its last layer but one, or the feature map of another network."""
    network = getattr(torchvision_models(), name)(weights=None)
    if name in ('alexnet', 'vgg16'):
        channels = network.classifier[-1].in_features
        network.classifier[-1] = nn.Identity()
        return Body(network, channels, is_map=False)
    return Body(network.features, 576, is_map=True, rename=lambda key: key.removeprefix('features.'))


def _declare_operators() -> None:
    library = torch.library.Library('torchvision', 'FRAGMENT')
    for name in _OPERATORS:
        library.define(name + _SCHEMA)
    _declared.append(library)
