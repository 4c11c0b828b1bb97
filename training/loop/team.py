"""Several processes that train one model: torch's own launcher and DistributedDataParallel, nothing home-made."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from training.errors import TrainingError


@dataclass(frozen=True)
class Team:
    """The processes of a run: this one is number `rank` of `size` and computes on `device`."""

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device('cpu'))

    @property
    def leads(self) -> bool:
        """Whether this process validates, writes and reports."""
        return self.rank == 0

    def wrap(self, model: nn.Module) -> nn.Module:
        """Return the model whose gradients are the mean over all processes."""
        if self.size == 1:
            return model
        return DistributedDataParallel(model, device_ids=[self.device] if self.device.type == 'cuda' else None)

    def share(self, value: Any) -> Any:
        """Return the leader's `value` in every process."""
        if self.size == 1:
            return value
        box = [value]
        distributed.broadcast_object_list(box, src=0)
        return box[0]

    def any(self, flag: bool) -> bool:
        """Return whether `flag` is set in any process."""
        if self.size == 1:
            return flag
        total = torch.tensor(int(flag), device=self.device)
        distributed.all_reduce(total)
        return bool(total.item())


def processes() -> int:
    """Return the number of processes that torchrun started; 1 without it."""
    return int(os.environ.get('WORLD_SIZE', '1'))


def _device(local: int) -> torch.device:
    if not torch.cuda.is_available():
        return torch.device('cpu')
    if local >= torch.cuda.device_count():
        raise TrainingError(
            f'expected at most as many processes as GPUs ({torch.cuda.device_count()}), '
            f'but got process {local + 1} on this machine'
        )
    return torch.device('cuda', local)


@contextmanager
def team() -> Iterator[Team]:
    """Join the processes that torchrun started; alone without it. A GPU is used if there is one.

    Raises TrainingError when a machine has fewer GPUs than processes.
    """
    device = _device(int(os.environ.get('LOCAL_RANK', '0')))
    if processes() == 1:
        yield Team(device=device)
        return
    if device.type == 'cuda':
        torch.cuda.set_device(device)  # else all of them gather on the first
    distributed.init_process_group('nccl' if device.type == 'cuda' else 'gloo')
    try:
        yield Team(distributed.get_rank(), distributed.get_world_size(), device)
    finally:
        distributed.destroy_process_group()
