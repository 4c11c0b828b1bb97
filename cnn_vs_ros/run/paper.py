"""The paper's robot experiments (section V-B and V-C): where they start, what disturbs them, what they reached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cnn_vs_ros.benchmark import ROTATION_TOLERANCE

_PLANAR_START = (0.01, -0.24, -0.09, -10.0, -16.0, -43.0)


@dataclass(frozen=True)
class PaperExperiment:
    """One experiment: `start` is [t; theta u] of desired_T_current in metres and degrees, `tolerance` in metres.

    `scene` is of the simulator. With `perturbed_for` seconds, lights and occluders disturb the run for that long,
    while the arm keeps servoing, and may push it off by at most `transient_tolerance` metres.
    """

    name: str
    scene: str
    start: tuple[float, ...]
    tolerance: float
    paper: str
    perturbed_for: float = 0.0
    transient_tolerance: float = float('inf')

    @property
    def start_vector(self) -> tuple[float, ...]:
        """The start in metres and radians."""
        return (*self.start[:3], *(float(angle) for angle in np.deg2rad(self.start[3:])))

    def matched(self, run: dict[str, Any]) -> bool:
        """Whether a run's summary is at least as good as the paper's figure."""
        distance, angle = run['translation_error_mm'], run['rotation_error_deg']
        if distance is None or angle is None or run['ended'] not in ('converged', 'timeout'):
            return False
        transient = run.get('worst_transient_mm') or 0.0
        return bool(
            1e-3 * distance < self.tolerance
            and np.deg2rad(angle) < ROTATION_TOLERANCE
            and 1e-3 * transient <= self.transient_tolerance
        )

    def conclusion(self, runs: Sequence[dict[str, Any]], estimator: str) -> str:
        """The last line: what was reached, beside the paper."""
        matched = sum(self.matched(run) for run in runs)
        text = f'{self.name}: ' + (
            f'{matched} of {len(runs)} runs as good as the paper; ' if len(runs) > 1 else ''
        )
        distances = [run['translation_error_mm'] for run in runs]
        angles = [run['rotation_error_deg'] for run in runs]
        if None in distances:
            text += 'final error unknown'
        else:
            word = 'worst ' if len(runs) > 1 else ''
            text += f'{word}{max(distances):.3f} mm, {max(angles):.4f} deg'
        if self.perturbed_for:
            transients = [run.get('worst_transient_mm') or 0.0 for run in runs]
            text += f', pushed off by {max(transients):.2f} mm while perturbed'
        verdict = 'matched' if matched == len(runs) else 'NOT matched'
        return f'{text} ({estimator}); the paper: {self.paper}: {verdict}'


EXPERIMENTS = {
    experiment.name: experiment
    for experiment in (
        PaperExperiment('planar', 'poster', _PLANAR_START, 1e-3, 'under 1 mm'),
        PaperExperiment(
            'perturbed',
            'poster',
            _PLANAR_START,
            1e-3,
            'up to 10 cm while perturbed, under 1 mm once nominal again',
            perturbed_for=20.0,
            transient_tolerance=0.1,
        ),
        PaperExperiment(
            'relief',
            'monument',
            (0.33, -0.05, -0.012, 13.0, -26.0, -39.0),
            0.5e-3,
            'under 0.5 mm',
        ),
        PaperExperiment('unseen', 'workbench', _PLANAR_START, 1e-3, 'a few cm, then below a millimetre'),
    )
}
