"""Constants of a module: tensors that go with it from device to device, and that no file of weights holds."""

from __future__ import annotations

from torch import Tensor, nn


def add_constants(module: nn.Module, **values: Tensor) -> None:
    """Give a module buffers by name that its state does not hold, as it is made with them."""
    for name, value in values.items():
        module.register_buffer(name, value, persistent=False)
