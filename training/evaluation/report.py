"""Table, JSON and plot of an evaluation."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cnn_vs_ros.benchmark import ROTATION_TOLERANCE, TRANSLATION_TOLERANCE
from training.evaluation.measure import CONDITIONS, SHARES, Answer

PARTS = ('network', 'estimator')
RIGHT = 1e3 * TRANSLATION_TOLERANCE, float(np.rad2deg(ROTATION_TOLERANCE))
"""Millimetres and degrees: an answer within both is right."""


def summarise(answers: Sequence[Answer]) -> dict[str, Any]:
    """``{part: {condition: [figures of each share]}}``: medians over the views that were answered, and rates."""
    return {
        part: {
            condition: [
                _figures([a for a in answers if a.condition == condition and a.share == share], part)
                for share in SHARES
            ]
            for condition in CONDITIONS
        }
        for part in PARTS
    }


def _figures(group: Sequence[Answer], part: str) -> dict[str, Any]:
    found = [getattr(answer, part) for answer in group]
    errors = np.array([error for error in found if error is not None]).reshape(-1, 2)
    offsets = np.array([answer.offset for answer in group]).reshape(-1, 2)
    return {
        'share': group[0].share if group else None,
        'views': len(group),
        'answered': len(errors) / len(group) if group else None,
        'right': float((errors <= RIGHT).all(axis=1).sum()) / len(group) if group else None,
        'median_offset_mm': _median(offsets[:, 0]),
        'median_offset_deg': _median(offsets[:, 1]),
        'median_mm': _median(errors[:, 0]),
        'median_deg': _median(errors[:, 1]),
    }


def _median(values: np.ndarray) -> float | None:
    return float(np.median(values)) if len(values) else None


def table(summary: dict[str, Any]) -> str:
    """Markdown: a row for each part, condition and share."""
    lines = [
        '| part | condition | offset (median) | answered | error (median) | within 1 mm and 0.2 deg |',
        '|---|---|---|---|---|---|',
    ]
    for part, conditions in summary.items():
        for condition, rows in conditions.items():
            for row in rows:
                error = (
                    '-' if row['median_mm'] is None else f'{row["median_mm"]:.2f} mm, {row["median_deg"]:.2f} deg'
                )
                offset = f'{row["median_offset_mm"]:.1f} mm, {row["median_offset_deg"]:.1f} deg'
                lines.append(
                    f'| {part} | {condition} | {offset} '
                    f'| {100 * row["answered"]:.0f} % | {error} | {100 * row["right"]:.0f} % |'
                )
    return '\n'.join(lines) + '\n'


def plot(summary: dict[str, Any], path: Path) -> None:
    """Draw the median errors against the size of the offset, a line for each condition."""
    import matplotlib

    matplotlib.use('Agg')
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 2, figsize=(9, 7), layout='constrained', sharex='col')
    for row, part in zip(axes, PARTS, strict=True):
        for axis, unit, name in zip(row, ('mm', 'deg'), ('translation', 'rotation'), strict=True):
            for condition, rows in summary[part].items():
                points = [(r[f'median_offset_{unit}'], r[f'median_{unit}']) for r in rows if r[f'median_{unit}']]
                if points:
                    axis.plot(*zip(*points, strict=True), marker='o', markersize=3, label=condition)
            axis.set(title=f'{part}: {name}', ylabel=f'error ({unit})', yscale='log')
            axis.grid(alpha=0.3)
    for axis, unit in zip(axes[1], ('mm', 'deg'), strict=True):
        axis.set_xlabel(f'offset from the reference ({unit})')
    axes[0][0].legend(fontsize=8)
    figure.savefig(path, dpi=130)
    pyplot.close(figure)


def write(answers: Sequence[Answer], folder: Path) -> dict[str, Any]:
    """Write `summary.json`, `table.md` and `errors.png` to `folder`; return the summary."""
    summary = summarise(answers)
    (folder / 'summary.json').write_text(json.dumps(summary, indent=1) + '\n')
    (folder / 'table.md').write_text(table(summary))
    plot(summary, folder / 'errors.png')
    return summary
