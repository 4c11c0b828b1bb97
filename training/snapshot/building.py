"""Writes a dataset with several processes; may be interrupted at any time and called again."""

from __future__ import annotations

import errno
import multiprocessing
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from cnn_vs_ros.estimation import Reference
from training.errors import TrainingError
from training.loop.interruption import Interruption
from training.progress import progress_bar
from training.snapshot import occluders, shards
from training.snapshot.generator import SnapshotGenerator, SnapshotSettings
from training.snapshot.occluders import ClusterBank
from training.snapshot.shards import INDEX_FILE, OCCLUDER_FILE

PREVIEW_FILE = 'preview.png'


@dataclass(frozen=True)
class BuildReport:
    """What a call wrote: number of new images, wall-clock seconds, CPU seconds in the warps of all processes."""

    images: int
    seconds: float
    warp_seconds: float


def prepare(
    reference: Reference, settings: SnapshotSettings, output: Path, occluder_folder: Path | None
) -> tuple[SnapshotGenerator, dict[str, Any]]:
    """Make or reopen the dataset folder: its index and its occluders.

    Raises TrainingError when `output` holds other files, or a dataset made with other arguments.
    """
    wants_occluders = settings.perturbations.occlusion > 0
    source = occluders.fingerprint(occluder_folder) if wants_occluders else None
    existing = _existing_index(output)
    if existing is not None and wants_occluders and (existing['occluders'] or {}).get('source') != source:
        raise _differs(output, ['occluders'])
    bank = None
    if wants_occluders:
        stored = output / OCCLUDER_FILE
        bank = ClusterBank.load(stored) if existing else occluders.build_bank(occluder_folder, settings.seed)
    generator = SnapshotGenerator(reference, settings, bank)
    named = {'source': str(source), 'clusters_sha256': bank.sha256} if bank is not None else None
    index = shards.describe(reference, generator, named)
    if existing is not None:
        differing = sorted(key for key in index if existing.get(key) != index[key])
        if differing:
            raise _differs(output, differing)
        return generator, index
    _check_space(output, index)
    try:
        output.mkdir(parents=True, exist_ok=True)
        if bank is not None:
            bank.save(output / OCCLUDER_FILE)
        shards.write_json(output / INDEX_FILE, index)
    except OSError as error:
        raise TrainingError(f'cannot write the dataset {output}: {error}') from error
    return generator, index


def build(
    reference: Reference, generator: SnapshotGenerator, index: dict[str, Any], output: Path, *, workers: int = 1
) -> BuildReport:
    """Write all shards that `output` does not hold yet, with a progress bar. SIGTERM is taken as Ctrl-C.

    Raises TrainingError when `workers` is not positive, the disk is full or a process dies.
    """
    if workers < 1:
        raise TrainingError(f'expected at least 1 worker, but got {workers}')
    for leftover in output.glob('*.partial*'):
        leftover.unlink()
    complete = {shard for shard in _written(output, index) if _is_intact(output, index, shard)}
    missing = [shard for shard in range(shards.shard_count(index)) if shard not in complete]
    total = generator.settings.total
    present = total - sum(len(shards.shard_indices(index, shard)) for shard in missing)
    bar = progress_bar(total=total, initial=present, unit='image', disable=not missing)
    begun, done, warp_seconds = time.perf_counter(), 0, 0.0
    with Interruption() as interruption, bar:
        try:
            for count, seconds in _write_all(reference, generator, index, output, missing, workers):
                done += count
                warp_seconds += seconds
                bar.update(count)
                if interruption.requested:
                    raise KeyboardInterrupt
        except KeyboardInterrupt:
            written = sum(len(shards.shard_indices(index, shard)) for shard in _written(output, index))
            bar.write(f'interrupted with {written} of {total} images: the same command goes on', sys.stderr)
            raise
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise TrainingError(
                    f'no space is left for {output} after {present + done} of {total} images: '
                    'make room, and the same command goes on'
                ) from error
            raise TrainingError(f'cannot write the dataset {output}: {error}') from error
        except BrokenProcessPool as error:
            raise TrainingError(
                f'a worker process ended unexpectedly after {present + done} of {total} images (out of memory?): '
                'the same command goes on'
            ) from error
    return BuildReport(done, time.perf_counter() - begun, warp_seconds)


def _write_all(
    reference: Reference,
    generator: SnapshotGenerator,
    index: dict[str, Any],
    output: Path,
    missing: list[int],
    workers: int,
) -> Iterator[tuple[int, float]]:
    """Write shards, and yield of each the number of images and the seconds in warps."""
    if workers == 1 or len(missing) < 2:
        _start_worker(generator.settings, reference, output, index, generator)
        yield from map(_write_shard, missing)
        return
    pool = ProcessPoolExecutor(
        min(workers, len(missing)),
        mp_context=multiprocessing.get_context('spawn'),
        initializer=_start_process,
        initargs=(generator.settings, reference, output, index),
    )
    try:
        for future in as_completed([pool.submit(_write_shard, shard) for shard in missing]):
            yield future.result()
    finally:
        # The shards in hand are finished, a few seconds; nothing half-written stays.
        pool.shutdown(wait=True, cancel_futures=True)


_state: dict[str, Any] = {}


def _start_process(settings: SnapshotSettings, reference: Reference, output: Path, index: dict[str, Any]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process; the parent decides
    bank = ClusterBank.load(output / OCCLUDER_FILE) if index['occluders'] else None
    _start_worker(settings, reference, output, index, SnapshotGenerator(reference, settings, bank))


def _start_worker(
    settings: SnapshotSettings,
    reference: Reference,
    output: Path,
    index: dict[str, Any],
    generator: SnapshotGenerator,
) -> None:
    cv2.setNumThreads(1)  # one core a process
    _state.update(output=output, index=index, generator=generator)


def _write_shard(shard: int) -> tuple[int, float]:
    generator: SnapshotGenerator = _state['generator']
    before = generator.warp_seconds
    count = shards.write_shard(_state['output'], _state['index'], shard, generator)
    return count, generator.warp_seconds - before


def _existing_index(output: Path) -> dict[str, Any] | None:
    """Return the index in `output`, None if it is empty or missing; raise TrainingError for anything else."""
    if (output / INDEX_FILE).exists():
        return shards.read_index(output)
    if output.exists() and not output.is_dir():
        raise TrainingError(f'expected a folder for the dataset, but {output} is a file')
    own = {OCCLUDER_FILE, PREVIEW_FILE}
    if output.exists() and any(path.name not in own and '.partial' not in path.name for path in output.iterdir()):
        raise TrainingError(f'expected an empty folder or a dataset, but {output} holds other files')
    return None


def _written(output: Path, index: dict[str, Any]) -> list[int]:
    return [shard for shard in range(shards.shard_count(index)) if shards.shard_paths(output, shard)[1].exists()]


def _is_intact(output: Path, index: dict[str, Any], shard: int) -> bool:
    try:
        shards.read_labels(output, index, shard, verify=True)
    except TrainingError:
        return False
    return True


def _differs(output: Path, names: list[str]) -> TrainingError:
    return TrainingError(
        f'expected {output} to be a dataset made with the same arguments, but its {", ".join(names)} differ: '
        'choose another output'
    )


def _check_space(output: Path, index: dict[str, Any]) -> None:
    needed = int(np.prod(index['shape'])) * index['images']
    place = output.absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if needed > free:
        raise TrainingError(
            f'expected {needed / 1e9:.1f} GB of free disk space for {output}, but there are {free / 1e9:.1f} GB'
        )
