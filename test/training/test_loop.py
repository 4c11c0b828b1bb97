"""What all trainings share: the processes of a run, its checkpoints, its interruption."""

from __future__ import annotations

import multiprocessing
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip('torch')
pytest.importorskip('safetensors')

import torch

from training.errors import TrainingError
from training.loop import checkpoints
from training.loop import team as teams
from training.loop.interruption import ignore_interrupts


@pytest.fixture
def one_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 1)
    monkeypatch.setenv('WORLD_SIZE', '2')


@pytest.mark.usefixtures('one_gpu')
def test_more_processes_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('LOCAL_RANK', '1')
    with (
        pytest.raises(TrainingError, match=r'at most as many processes as GPUs \(1\), but got process 2'),
        teams.team(),
    ):
        pass


@pytest.mark.usefixtures('one_gpu')
def test_a_process_takes_its_gpu_before_it_joins(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[Any] = []
    monkeypatch.setenv('LOCAL_RANK', '0')
    monkeypatch.setattr(torch.cuda, 'set_device', done.append)
    monkeypatch.setattr(teams.distributed, 'init_process_group', done.append)
    monkeypatch.setattr(teams.distributed, 'destroy_process_group', lambda: None)
    monkeypatch.setattr(teams.distributed, 'get_rank', lambda: 0)
    monkeypatch.setattr(teams.distributed, 'get_world_size', lambda: 2)
    with teams.team() as joined:
        assert (joined.rank, joined.size) == (0, 2)
    assert done == [torch.device('cuda', 0), 'nccl']


def test_a_checkpoint_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match='but there is none'):
        dict(checkpoints.read(tmp_path / 'none'))


def _draw_for_ever(ready: Any) -> None:
    ignore_interrupts(0)
    ready.set()
    while True:
        time.sleep(0.1)


def test_a_loader_lives_through_signals_that_are_not_its_parents() -> None:
    """Those to the process group come from elsewhere; the parent's own ends it."""
    context = multiprocessing.get_context('fork')
    ready = context.Event()
    loader = context.Process(target=_draw_for_ever, args=(ready,), daemon=True)
    loader.start()
    assert ready.wait(60)
    for name in ('-INT', '-TERM'):
        subprocess.run(['kill', name, str(loader.pid)], check=True)
    loader.join(0.5)
    assert loader.is_alive()
    loader.terminate()
    loader.join(60)
    assert loader.exitcode == 0
