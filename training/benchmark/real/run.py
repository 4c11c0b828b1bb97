"""All pairs of a folder, shown to all methods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import cv2
import torch

from training.benchmark.real import folder, pictures, report
from training.benchmark.real.answers import PairMethod, make_pair_method
from training.benchmark.real.measure import PairRecord, measure
from training.benchmark.real.pairs import Choice, Pair, RealSet
from training.progress import progress_bar


@dataclass(frozen=True)
class Request:
    """What `python -m training benchmark --real` asks for."""

    folder: Path
    sets: list[str]
    methods: list[str]
    choice: Choice
    model: str | None = None
    threads: int = 1
    output: Path = Path('runs/benchmark')
    pictures: bool = False


def run(request: Request) -> str:
    """Show the pairs, write `real.json`, `real.md` and pictures to the output folder; return the table."""
    cv2.setNumThreads(request.threads)
    torch.set_num_threads(request.threads)
    methods = {name: make_pair_method(name, request.model, request.threads) for name in request.methods}
    shown: list[pictures.Shown] = []
    notes: list[str] = []
    text = ''
    for real in folder.read(request.folder, request.sets, request.choice):
        notes += real.notes
        for name, method in methods.items():
            shown += [(record, pair, real) for record, pair in _measured(name, method, real)]
        # After each set, so that an interruption leaves what was done.
        text = report.write([record for record, _, _ in shown], notes, request.output)
    if request.pictures:
        pictures.write(shown, request.output / 'pictures')
    return text


def _measured(name: str, method: PairMethod, real: RealSet) -> Sequence[tuple[PairRecord, Pair]]:
    # The reference is set once for all its images, as a user would.
    done = []
    with progress_bar(total=len(real.pairs), unit='pair', desc=f'{real.name} {name}') as bar:
        for (_, key), pairs in groupby(real.pairs, lambda pair: (pair.camera, pair.reference)):
            first = True
            for pair in pairs:
                if first:
                    method.set_reference(real.load(key), pair.camera, pair.depth)
                    first = False
                method.forget()
                done.append((measure(name, method, real, pair), pair))
                bar.update()
    return done
