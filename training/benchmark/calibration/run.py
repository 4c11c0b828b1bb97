"""Trials of the calibration in simulated cells, and their table."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.benchmark import CAMERA
from cnn_vs_ros.calibration import verdict
from cnn_vs_ros.calibration.first_guess import guess_of_tracks
from cnn_vs_ros.calibration.motion import MotionLimits, first_places, later_places
from cnn_vs_ros.calibration.recording import ASSUMED_DEPTH
from cnn_vs_ros.calibration.solver import calibrate
from cnn_vs_ros.calibration.tracks import Tracker
from cnn_vs_ros.errors import HandEyeError
from cnn_vs_ros.estimation import PoseEstimator
from cnn_vs_ros.geometry import se3
from training.benchmark.calibration.board import calibrate_by_board
from training.benchmark.calibration.cell import Session, Trouble, draw_cell
from training.benchmark.records import mend_lines

Array = NDArray[np.float64]

TROUBLES = {
    'nominal': Trouble(),
    'joint noise 0.02 deg': Trouble(joint_noise=np.radians(0.02)),
    'k1 -0.1, not corrected': Trouble(k1=-0.1),
    'stamps 100 ms late': Trouble(late=0.1),
}
_RESULTS = 'calibration.jsonl'


@dataclass(frozen=True)
class Trial:
    """One calibration: errors in mm, degrees, parts, ms; `normalised` are errors in standard deviations."""

    trouble: str
    seed: int
    failure: str
    mm: float = np.nan
    deg: float = np.nan
    normalised: tuple[float, ...] = ()
    depth: float = np.nan
    normal_deg: float = np.nan
    delay_ms: float = np.nan
    focal: float = np.nan
    seconds: float = np.nan
    named: tuple[bool, ...] = ()
    board_mm: float = np.nan
    board_deg: float = np.nan


def run(count: int, output: Path) -> str:
    """Run `count` trials under each trouble, but those that `output` holds already; return their table."""
    output.mkdir(parents=True, exist_ok=True)
    path = output / _RESULTS
    mend_lines(path)
    lines = path.read_text().splitlines() if path.exists() else []
    trials = [Trial(**json.loads(line)) for line in lines]
    done = {(trial.trouble, trial.seed) for trial in trials}
    estimator = PoseEstimator.load()
    with path.open('a') as file:
        for seed in range(count):
            for name in TROUBLES:
                if (name, seed) not in done:
                    trials.append(_trial(name, seed, estimator))
                    file.write(json.dumps(asdict(trials[-1])) + '\n')
                    file.flush()
    return table(trials)


def _trial(name: str, seed: int, estimator: PoseEstimator) -> Trial:
    cell, limits = draw_cell(seed, TROUBLES[name]), MotionLimits()
    try:
        board = se3.pose_error(se3.inverse(cell.mount) @ calibrate_by_board(cell, limits))
    except HandEyeError:
        board = np.nan, np.nan
    board_mm, board_deg = 1e3 * board[0], float(np.degrees(board[1]))
    session = Session(cell, limits)
    tracker = Tracker(estimator, session.reference)
    try:
        session.go(first_places(limits))
        for image in session.images:
            tracker.add(image)
        shown, guess = len(session.images), guess_of_tracks(session.recording, tracker.tracks)
        session.go(later_places(limits, guess.mount, guess.scale * ASSUMED_DEPTH))
        for image in session.images[shown:]:
            tracker.add(image)
        found = calibrate(session.recording, tracker.tracks)
        with_focal = calibrate(session.recording, tracker.tracks, ('k1', 'focal'))
    except HandEyeError as error:
        return Trial(name, seed, str(error), board_mm=board_mm, board_deg=board_deg)
    step = se3.pose_vector(se3.inverse(cell.mount) @ found.mount)
    distance, angle = se3.pose_error(se3.inverse(cell.mount) @ found.mount)
    assert found.delay is not None
    return Trial(
        name,
        seed,
        '',
        mm=1e3 * distance,
        deg=float(np.degrees(angle)),
        normalised=tuple(float(value) for value in step / np.sqrt(np.diag(found.mount_covariance))),
        depth=abs(found.depth / cell.depth - 1.0),
        normal_deg=float(np.degrees(np.arccos(min(1.0, float(found.normal @ cell.normal))))),
        delay_ms=1e3 * abs(found.delay - cell.trouble.late),
        focal=abs(with_focal.lens['fx'][0] / CAMERA.fx - 1.0) if 'fx' in with_focal.lens else np.nan,
        seconds=session.seconds,
        named=tuple(verdict.explain(wrong, found.mount).kind == kind for kind, wrong in _wrong(cell.mount, seed)),
        board_mm=board_mm,
        board_deg=board_deg,
    )


def _wrong(mount: Array, seed: int) -> Iterator[tuple[str, Array]]:
    """Two wrong mounts, of all kinds in turn, besides off by a few mm and degrees as drawings are."""
    rng = np.random.default_rng([seed, 21])
    off = se3.from_pose_vector(rng.normal(0, 1, 6) * np.repeat([5e-3, np.radians(2.0)], 3))
    right = mount @ off
    quarter = se3.rotation_exp((0, 0, np.pi / 2))
    swap = np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]])
    kinds = (
        (verdict.INVERTED, se3.inverse(right)),
        (verdict.QUARTER, right @ se3.transform(quarter, np.zeros(3))),
        (verdict.HALF, right @ se3.transform(quarter @ quarter, np.zeros(3))),
        (verdict.SWAPPED, right @ se3.transform(swap, np.zeros(3))),
        (verdict.NOT_OPTICAL, right @ verdict.optical_T_link),
        (verdict.QUARTER, right @ se3.transform(quarter.T, np.zeros(3))),
    )
    yield kinds[2 * seed % len(kinds)]
    yield kinds[(2 * seed + 1) % len(kinds)]


def table(trials: list[Trial]) -> str:
    """Medians, with the worst in brackets; one row a trouble."""
    rows = [
        '| | trials | failed | mount, mm | degrees | depth, % | normal, deg | delay, ms | focal, % | s on the arm '
        '| errors in standard deviations, rms | wrong mounts named | ChArUco, mm | degrees |',
        '|---|' + '---|' * 13,
    ]
    for name in TROUBLES:
        chosen = [trial for trial in trials if trial.trouble == name]
        good = [trial for trial in chosen if not trial.failure]
        if not good:
            continue
        normalised = np.array([trial.normalised for trial in good])
        named = [value for trial in good for value in trial.named]
        cells = [
            *(
                _spread([getattr(trial, key) for trial in good], factor)
                for key, factor in (
                    ('mm', 1),
                    ('deg', 1),
                    ('depth', 100),
                    ('normal_deg', 1),
                    ('delay_ms', 1),
                    ('focal', 100),
                    ('seconds', 1),
                )
            ),
            f'{np.sqrt((normalised**2).mean()):.2f}',
            f'{sum(named)} of {len(named)}',
            _spread([trial.board_mm for trial in chosen], 1),
            _spread([trial.board_deg for trial in chosen], 1),
        ]
        rows.append(f'| {name} | {len(chosen)} | {len(chosen) - len(good)} | ' + ' | '.join(cells) + ' |')
    return '\n'.join(rows)


def _spread(values: list[float], factor: float) -> str:
    known = np.array([value for value in values if np.isfinite(value)]) * factor
    return f'{np.median(known):.3g} ({known.max():.3g})' if len(known) else '-'
