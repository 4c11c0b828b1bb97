"""Checkpoints of a training run: one safetensors file, tensors and a JSON header; no pickle."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from training.errors import TrainingError


def save(
    path: Path, *, model: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer, header: dict[str, Any]
) -> None:
    """Write a checkpoint atomically: the model, its moving average, the optimiser's state and `header` as JSON."""
    tensors = {f'model.{name}': value for name, value in model.state_dict().items()}
    tensors |= {f'average.{name}': value for name, value in average.state_dict().items()}
    for index, state in optimizer.state_dict()['state'].items():
        tensors |= {f'optimizer.{index}.{name}': torch.as_tensor(value) for name, value in state.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix('.partial')
    contiguous = {name: value.detach().clone().contiguous() for name, value in tensors.items()}
    save_file(contiguous, temporary, metadata={'header': json.dumps(header)})
    os.replace(temporary, path)


def read(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Return the tensors and the header of a checkpoint.

    Raises:
        TrainingError: the file is missing or not a checkpoint.
    """
    try:
        with safe_open(path, framework='pt') as file:
            header = json.loads((file.metadata() or {})['header'])
            return {name: file.get_tensor(name) for name in file.keys()}, header  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise TrainingError(f'expected a checkpoint that pretrain wrote at {path}, but got: {error}') from error


def part(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """Return the tensors whose name starts with `prefix` and a dot, without them."""
    return {name[len(prefix) + 1 :]: value for name, value in tensors.items() if name.startswith(f'{prefix}.')}


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, torch.Tensor]) -> None:
    """Load the optimiser's state from a checkpoint's tensors."""
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in part(tensors, 'optimizer').items():
        index, key = name.split('.', 1)
        state.setdefault(int(index), {})[key] = value
    content = optimizer.state_dict()
    content['state'] = state
    optimizer.load_state_dict(content)
