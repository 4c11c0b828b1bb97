"""How a run ended, and what a series of runs amounts to."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import cnn_vs_ros
from cnn_vs_ros.benchmark import ROTATION_TOLERANCE, TRANSLATION_TOLERANCE

Array = NDArray[np.float64]

REASONS = {
    'converged': 'the controller says it has arrived',
    'lost': 'the estimator lost the view',
    'stale': 'no estimates came',
    'stopped': 'the controller was stopped',
    'limited': 'the controller has come to a limit',
    'error': 'the controller has found a fault',
    'refused': 'the controller refuses to start',
    'timeout': 'time ran out',
}
"""Why a run ended, and how people read it."""

_DISTRIBUTIONS = (
    'rclpy',
    'numpy',
    'opencv-python-headless',
    'onnxruntime',
    'pin',
    'mujoco',
)


@dataclass(frozen=True)
class Outcome:
    """Result of one run; metres, radians and seconds.

    `start` is [t; theta u] of desired_T_current at the start and `errors_from` tells ground_truth from estimate.
    `batch` is None for a start at a given pose, `reason` a key of REASONS. `worst_transient` is by how much
    perturbations pushed the camera off, where they acted for part of the run.
    """

    seed: int
    batch: int | None
    estimator: str
    reason: str
    translation_error: float
    rotation_error: float
    errors_from: str
    duration: float
    start: tuple[float, ...]
    images_taken: int
    images_processed: int
    latencies: tuple[float, ...] = ()
    worst_transient: float | None = None

    @property
    def converged(self) -> bool:
        """Whether the final error is within tolerance; without ground truth the controller must say so as well."""
        near = self.translation_error < TRANSLATION_TOLERANCE and self.rotation_error < ROTATION_TOLERANCE
        return near and (self.errors_from == 'ground_truth' or self.reason == 'converged')

    @property
    def sentence(self) -> str:
        """The last line of a run."""
        error = f'{1e3 * self.translation_error:.2f} mm, {np.rad2deg(self.rotation_error):.3f} deg'
        if self.converged:
            return f'servo: converged in {self.duration:.1f} s, {error} ({self.estimator})'
        why = REASONS[self.reason]
        return f'servo: NOT converged, {why} after {self.duration:.1f} s, {error} ({self.estimator})'

    def summary(self) -> dict[str, Any]:
        """What summary.json says of a run: millimetres and degrees in the results, SI units in `start`."""
        latency = {}
        if self.latencies:
            median, late = 1e3 * np.percentile(self.latencies, (50, 99))
            latency = {'median_ms': round(float(median), 2), 'p99_ms': round(float(late), 2)}
        transient = (
            {} if self.worst_transient is None else {'worst_transient_mm': _number(1e3 * self.worst_transient)}
        )
        return {
            'converged': self.converged,
            'translation_error_mm': _number(1e3 * self.translation_error),
            'rotation_error_deg': _number(float(np.rad2deg(self.rotation_error))),
            'errors_from': self.errors_from,
            **transient,
            'ended': self.reason,
            'duration_s': round(self.duration, 3),
            'images': self.images_processed,
            'images_lost': self.images_taken - self.images_processed,
            'latency_image_to_twist': latency,
            'estimator': self.estimator,
            'seed': self.seed,
            'batch': self.batch,
            'start': [_number(value) for value in self.start],
        }


def versions() -> dict[str, str]:
    """Versions of the package, of Python and of the libraries that are installed as Python distributions."""
    result = {'cnn_vs_ros': cnn_vs_ros.__version__, 'python': platform.python_version()}
    for name in _DISTRIBUTIONS:
        try:
            result[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return result


def series_summary(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """What summary.json says of a series; the medians are over the runs that converged, None if none did."""
    good = [outcome for outcome in outcomes if outcome.converged]
    median_error = float(np.median([o.translation_error for o in good])) if good else float('nan')
    median_angle = float(np.median([o.rotation_error for o in good])) if good else float('nan')
    return {
        'runs': len(outcomes),
        'converged_count': len(good),
        'median_error_mm': _number(1e3 * median_error),
        'median_error_deg': _number(float(np.rad2deg(median_angle))),
        'outcomes': [outcome.summary() for outcome in outcomes],
        'versions': versions(),
    }


def series_sentence(outcomes: Sequence[Outcome]) -> str:
    """The last line of a series."""
    summary = series_summary(outcomes)
    sentence = f'servo: {summary["converged_count"]} of {summary["runs"]} converged'
    if summary['converged_count']:
        sentence += f', median {summary["median_error_mm"]:.3f} mm, {summary["median_error_deg"]:.4f} deg'
    return f'{sentence} ({outcomes[0].estimator})'


def series_table(outcomes: Sequence[Outcome]) -> str:
    """Table of the runs of a series for people to read."""
    lines = ['seed  start mm   deg   result         time s  error mm     deg']
    for outcome in outcomes:
        start = np.array(outcome.start if outcome.start else [np.nan] * 6)
        distance, angle = 1e3 * np.linalg.norm(start[:3]), np.rad2deg(np.linalg.norm(start[3:]))
        result = 'converged' if outcome.converged else f'no: {outcome.reason}'
        lines.append(
            f'{outcome.seed:4d} {distance:9.1f} {angle:5.1f}   {result:13s} {outcome.duration:7.1f}'
            f' {1e3 * outcome.translation_error:9.3f} {np.rad2deg(outcome.rotation_error):7.4f}'
        )
    return '\n'.join(lines)


def _number(value: float) -> float | None:
    """Six significant digits; None for what JSON has no word for."""
    return float(f'{value:.6g}') if np.isfinite(value) else None
