"""Building a regressor by the name of its architecture, and with weights to begin from."""

from __future__ import annotations

import importlib

from torch import nn

from training.networks.architectures import architecture
from training.networks.regressor import PoseRegressor, check_size, load_weights
from training.networks.site import Site


def make_regressor(name: str, site: Site, weights: str) -> tuple[nn.Module, str]:
    """Return a regressor, and a sentence about the weights that it begins from.

    `weights` is as of `load_weights`, or `shipped` for a network with geometry inside. Raises TrainingError for a
    name, a size or weights that do not go together.
    """
    check_size(name, site.width, site.height)
    entry = architecture(name)
    if entry.is_geometric:
        return importlib.import_module(f'training.networks.{entry.module}').regressor(name, site, weights)
    model = PoseRegressor(name, width=site.width, height=site.height, scale=site.scale)
    return model, load_weights(model, weights)
