"""The networks that regress poses, and how they are trained.

A new one is a file with `body` (or `regressor`, where it has geometry inside) and an entry here.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from training.errors import TrainingError

if TYPE_CHECKING:  # the command line reads this table before it needs torch
    from torch import nn

PAIRS = '_pairs'
"""Ends the name of an architecture that takes two images."""

SHIPPED = 'shipped'
"""The weights that come with the package, for an architecture that begins from them."""

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Body:
    """The layers before the pose.

    Attributes:
        features: (B, 3, H, W) RGB, normalised, to a feature map (B, C, H/32, W/32) or to vectors (B, C).
        channels: C.
        is_map: whether the features are a map.
        mean: subtracted from the channels of an image of 0 to 1.
        deviation: that they are divided by then.
        rename: the name here of a tensor of the published weights.
    """

    features: nn.Module
    channels: int
    is_map: bool
    mean: Colour = (0.485, 0.456, 0.406)
    deviation: Colour = (0.229, 0.224, 0.225)
    rename: Callable[[str], str] = str


@dataclass(frozen=True)
class Architecture:
    """How a network is built and trained, unless the command line says otherwise.

    Attributes:
        module: in `training.networks`, with a function `body(name)`.
        size: the only side of images that it takes, pixels; None: multiples of `step`.
        step: of the sides of the images, pixels.
        in_torchvision: whether torchvision publishes weights of that name.
        weights: that it begins from.
        is_geometric: whether it ends in least squares; its module has `regressor(name, site, weights)` then, and
            computes the loss of a training step.
        learning_rate: the highest.
        optimizer: of `training.regression.options.OPTIMIZERS`.
        micro_batch: images that go through it at once; 0: the whole batch.
        averaging: decay per step of the moving average of its weights; 0: none, as in the paper.
        regresses_pairs: whether `pretrain` trains it on pairs.
    """

    module: str
    size: int | None = None
    step: int = 32
    in_torchvision: bool = True
    weights: str = 'torchvision'
    is_geometric: bool = False
    learning_rate: float = 1e-3
    optimizer: str = 'adamw'
    micro_batch: int = 0
    averaging: float = 0.995
    regresses_pairs: bool = False


ARCHITECTURES = {
    'alexnet': Architecture('torchvision_models', size=224, learning_rate=1e-4, averaging=0.0),
    'vgg16': Architecture(
        'torchvision_models', size=224, optimizer='sgd', micro_batch=2, averaging=0.0, regresses_pairs=True
    ),
    'mobilenet_v3_small': Architecture('torchvision_models', regresses_pairs=True),
    'efficientnet_lite0': Architecture('efficientnet_lite', in_torchvision=False),
    'geometric': Architecture(
        'geometric', step=16, in_torchvision=False, weights=SHIPPED, is_geometric=True, regresses_pairs=True
    ),
}

PAIR_ARCHITECTURES = tuple(name + PAIRS for name, entry in ARCHITECTURES.items() if entry.regresses_pairs)


def architecture(name: str) -> Architecture:
    """Return the entry of `name`, with or without `_pairs`. Raises TrainingError for an unknown one."""
    try:
        return ARCHITECTURES[name.removesuffix(PAIRS)]
    except KeyError:
        raise TrainingError(
            f"expected an architecture among {', '.join(ARCHITECTURES)}, but got '{name}'"
        ) from None


def make_body(name: str) -> Body:
    """Build the layers before the pose, with random weights."""
    name = name.removesuffix(PAIRS)
    return importlib.import_module(f'training.networks.{architecture(name).module}').body(name)
