"""What came of the runs of a benchmark, and the file that keeps it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class RunKey:
    """What identifies a run; the start and the disturbances follow from it and the seed.

    `model` is the hash (SHA-256) of the user's model file that the method runs, '' for a method that runs none.
    """

    method: str
    scene: str
    condition: str
    batch: int
    run: int
    seed: int
    model: str = ''


@dataclass
class RunRecord:
    """What came of a run. Errors in mm and degrees, times in ms of the processor.

    `images` counts all images of the run, `confident_frames` those whose pose was reported with a confidence over
    0.9, `confidently_wrong` those of them that were off by more than `SUCCESS`. `elsewhere` is a run that ended
    over 5 mm or 1 degree from the goal while its method said that it was there, stood still, or was sure
    (confidence over 0.5) of a pose that was as far off. `path` is the way of the camera to where it stayed, in
    distances of the start.
    """

    key: RunKey
    converged: bool
    error_mm: float
    error_deg: float
    steps: int
    start_mm: float
    start_deg: float
    hold_mm: list[float] = field(default_factory=list)
    tracked_ms: float | None = None
    acquisition_ms: float | None = None
    images: int = 0
    confident_frames: int = 0
    confidently_wrong: int = 0
    elsewhere: bool = False
    path: float | None = None


class RunFile:
    """`runs.jsonl`: a line a run; what is there is not run again."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / 'runs.jsonl'

    def read(self) -> Iterator[RunRecord]:
        """Yield the records written so far; a last line cut short by an interruption is dropped."""
        if not self.path.is_file():
            return
        for line in self.path.read_text().splitlines():
            try:
                values = json.loads(line)
            except json.JSONDecodeError:
                continue
            yield RunRecord(**{**values, 'key': RunKey(**values['key'])})

    def append(self, record: RunRecord) -> None:
        """Write one record, whole, at the end."""
        with self.path.open('a') as file:
            file.write(json.dumps(asdict(record)) + '\n')

    def mend(self) -> None:
        """Drop a line that an interruption cut short, so that the next one starts on its own."""
        mend_lines(self.path)


def mend_lines(path: Path) -> None:
    """Drop the last line of the file `path`, if there is one, where an interruption cut it short."""
    if path.is_file():
        text = path.read_bytes()
        if text and not text.endswith(b'\n'):
            path.write_bytes(text[: text.rfind(b'\n') + 1])


def of_one_model(records: Iterable[RunRecord], keys: Iterable[RunKey]) -> list[RunRecord]:
    """Return of each run the last record, and of each method and scene those of one model.

    It is the model of `keys`, or else that of the last record.
    """
    last = {record.key: record for record in records}
    models = {(key.method, key.scene): key.model for key in (*last, *keys)}
    return [record for key, record in last.items() if models[key.method, key.scene] == key.model]
