"""Checkpoints of models of any size: a folder of safetensors files, written a part at a time; no pickle."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from training.errors import TrainingError

INDEX = 'checkpoint.json'

_PART_BYTES = 64 << 20  # writing copies a part in memory


def save(folder: Path, tensors: dict[str, torch.Tensor], header: dict[str, Any]) -> None:
    """Write a checkpoint to `folder`, atomically: what is there stays whole until the new one is."""
    temporary = folder.with_name(folder.name + '.partial')
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    for number, part in enumerate(_parts(tensors.items())):
        save_file(part, temporary / f'part-{number:03d}.safetensors')
    (temporary / INDEX).write_text(json.dumps(header))
    retired = folder.with_name(folder.name + '.old')
    shutil.rmtree(retired, ignore_errors=True)
    if folder.exists():
        os.replace(folder, retired)
    os.replace(temporary, folder)
    shutil.rmtree(retired, ignore_errors=True)


def exists(folder: Path) -> bool:
    """Whether there is a checkpoint; one that an interruption left half renamed is put back."""
    retired = folder.with_name(folder.name + '.old')
    if not folder.exists() and (retired / INDEX).exists():
        os.replace(retired, folder)
    return (folder / INDEX).exists()


def read_header(folder: Path) -> dict[str, Any]:
    """Return the header of a checkpoint. Raises TrainingError when there is none."""
    try:
        return json.loads((folder / INDEX).read_text())
    except (OSError, ValueError) as error:
        raise TrainingError(f'expected a checkpoint in {folder}, but got: {error}') from error


def read(folder: Path) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield the tensors of a checkpoint by name, one at a time. Raises TrainingError for none or a damaged one."""
    if not exists(folder):
        raise TrainingError(f'expected a checkpoint in {folder}, but there is none')
    try:
        for path in sorted(folder.glob('part-*.safetensors')):
            with safe_open(path, framework='pt') as file:
                for name in file.keys():  # noqa: SIM118
                    yield name, file.get_tensor(name)
    except (OSError, SafetensorError) as error:
        raise TrainingError(f'expected a checkpoint in {folder}, but got: {error}') from error


def remove(folder: Path) -> None:
    """Remove a checkpoint and what an interruption may have left of one."""
    for path in (folder, folder.with_name(folder.name + '.old'), folder.with_name(folder.name + '.partial')):
        shutil.rmtree(path, ignore_errors=True)


def _parts(tensors: Iterable[tuple[str, torch.Tensor]]) -> Iterator[dict[str, torch.Tensor]]:
    part: dict[str, torch.Tensor] = {}
    size = 0
    for name, tensor in tensors:
        if part and size + tensor.nbytes > _PART_BYTES:
            yield part
            part, size = {}, 0
        part[name] = tensor.detach().cpu().contiguous()
        size += tensor.nbytes
    yield part
