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


@contextmanager
def team() -> Iterator[Team]:
    """Join the processes that torchrun started; alone without it. A GPU is used if there is one."""
    local = int(os.environ.get('LOCAL_RANK', '0'))
    device = torch.device('cuda', local) if torch.cuda.is_available() else torch.device('cpu')
    if int(os.environ.get('WORLD_SIZE', '1')) == 1:
        yield Team(device=device)
        return
    distributed.init_process_group('nccl' if device.type == 'cuda' else 'gloo')
    try:
        yield Team(distributed.get_rank(), distributed.get_world_size(), device)
    finally:
        distributed.destroy_process_group()
