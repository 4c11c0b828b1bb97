"""Tables, figures and the JSON summary of a benchmark."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cnn_vs_ros.benchmark import BATCHES
from training.benchmark.bound import bound_mm
from training.benchmark.conditions import NOMINAL_VIEWS
from training.benchmark.records import RunRecord

Groups = dict[tuple[str, str], list[RunRecord]]


def summarise(records: Iterable[RunRecord]) -> dict[str, Any]:
    """``{method: {condition: figures}}``; rates from 0 to 1, null where there is no run or no time."""
    groups: Groups = defaultdict(list)
    for record in records:
        groups[record.key.method, record.key.condition].append(record)
    summary: dict[str, Any] = defaultdict(dict)
    for (method, condition), group in groups.items():
        summary[method][condition] = _figures(group)
    return dict(summary)


def _figures(group: Sequence[RunRecord]) -> dict[str, Any]:
    right = [record for record in group if record.converged]
    hold = [value for record in right for value in record.hold_mm]
    images = sum(record.images for record in group)
    scenes = sorted({record.key.scene for record in group})
    claims = [record for record in group if record.confident_frames]
    return {
        'runs': len(group),
        'converged': len(right) / len(group),
        'per_batch': [_rate([r for r in group if r.key.batch == batch]) for batch in range(BATCHES)],
        'per_scene': {name: _rate([r for r in group if r.key.scene == name]) for name in scenes},
        'median_error_mm': _quantile([record.error_mm for record in right], 0.5),
        'median_error_deg': _quantile([record.error_deg for record in right], 0.5),
        'held_error_mm_p95': _quantile(hold, 0.95),
        'over_bound': _quantile(_over_bound(right), 0.5),
        'per_scene_over_bound': {
            name: _quantile(_over_bound([r for r in right if r.key.scene == name]), 0.5) for name in scenes
        },
        'elsewhere': sum(record.elsewhere for record in group) / len(group),
        'path': _quantile([record.path for record in right if record.path is not None], 0.5),
        'path_p95': _quantile([record.path for record in right if record.path is not None], 0.95),
        'median_steps': _quantile([float(record.steps) for record in right], 0.5),
        'tracked_frame_ms': _quantile([r.tracked_ms for r in group if r.tracked_ms is not None], 0.5),
        'acquisition_ms': _quantile([r.acquisition_ms for r in group if r.acquisition_ms is not None], 0.5),
        'images': images,
        'confident': sum(r.confident_frames for r in group) / images if claims else None,
        'confidently_wrong': sum(r.confidently_wrong for r in group) / images if claims else None,
    }


def _over_bound(records: Sequence[RunRecord]) -> list[float]:
    """Final errors in units of their scene's bound (bound.py), which is of the nominal view of the reference."""
    records = [record for record in records if record.key.condition in NOMINAL_VIEWS]
    bounds = {name: bound_mm(name) for name in {record.key.scene for record in records}}
    return [record.error_mm / bound for record in records if (bound := bounds[record.key.scene]) is not None]


def _rate(group: Sequence[RunRecord]) -> float | None:
    return sum(record.converged for record in group) / len(group) if group else None


def _quantile(values: Sequence[float], share: float) -> float | None:
    return float(np.quantile(values, share)) if values else None


def table(summary: dict[str, Any]) -> str:
    """Markdown table of a summary, one row for each method and condition."""
    lines = [
        '| method | condition | runs | converged | batch 9 | elsewhere | path (median, p95) '
        '| final error (median) | over bound | held, p95 | tracked frame | acquisition |',
        '|---' * 12 + '|',
    ]
    for method, conditions in summary.items():
        for condition, figures in conditions.items():
            lines.append(f'| {method} | {condition} | {" | ".join(_cells(figures))} |')
    return '\n'.join(lines) + '\n'


def _cells(figures: dict[str, Any]) -> list[str]:
    return [
        str(figures['runs']),
        _percent(figures['converged']),
        _percent(figures['per_batch'][-1]),
        _percent(figures['elsewhere']),
        f'{_number(figures["path"], "", 2)}, {_number(figures["path_p95"], "", 2)}',
        f'{_number(figures["median_error_mm"], "mm", 3)}, {_number(figures["median_error_deg"], "deg", 4)}',
        _number(figures['over_bound'], '', 1),
        _number(figures['held_error_mm_p95'], 'mm', 3),
        _number(figures['tracked_frame_ms'], 'ms', 1),
        _number(figures['acquisition_ms'], 'ms', 1),
    ]


def scene_table(summary: dict[str, Any]) -> str:
    """Markdown table for each scene: convergence, and the median final error over the bound."""
    scenes = sorted({name for c in summary.values() for f in c.values() for name in f['per_scene']})
    lines = ['| method | condition | ' + ' | '.join(scenes) + ' |', '|---' * (len(scenes) + 2) + '|']
    for method, conditions in summary.items():
        for condition, figures in conditions.items():
            rates, errors = figures['per_scene'], figures['per_scene_over_bound']
            cells = [f'{_percent(rates.get(name))}, {_number(errors.get(name), "", 1)}' for name in scenes]
            lines.append(f'| {method} | {condition} | ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines) + '\n'


def _percent(rate: float | None) -> str:
    return '-' if rate is None else f'{100 * rate:.1f} %'


def _number(value: float | None, unit: str, digits: int) -> str:
    return '-' if value is None else f'{value:.{digits}f} {unit}'.rstrip()


def plot(summary: dict[str, Any], path: Path) -> None:
    """Draw convergence against batch for each method, a panel a condition (as the paper's figure 5)."""
    import matplotlib

    matplotlib.use('Agg')
    from matplotlib import pyplot

    conditions = sorted({name for figures in summary.values() for name in figures}, key=_condition_order)
    figure, axes = pyplot.subplots(
        1, len(conditions), figsize=(5.2 * len(conditions), 4.2), squeeze=False, sharey=True, layout='constrained'
    )
    handles = {}
    for axis, condition in zip(axes[0], conditions, strict=True):
        for index, (method, figures) in enumerate(summary.items()):
            if condition not in figures:
                continue
            rates = figures[condition]['per_batch']
            shares = [np.nan if rate is None else 100 * rate for rate in rates]  # a gap where none ran
            # A method looks alike in every panel, and need not be in the first.
            look = {'marker': '+xo*sd^v'[index % 8], 'color': f'C{index}', 'linewidth': 1.2}
            [handles[method]] = axis.plot(range(BATCHES), shares, **look)
        axis.set(title=condition, xlabel='batch (start offset grows)', ylim=(-3, 103), xlim=(-0.3, BATCHES - 0.7))
        axis.grid(alpha=0.3)
    axes[0][0].set_ylabel('runs converged (%)')
    figure.legend(handles.values(), handles, loc='outside right upper', fontsize=8)
    figure.savefig(path, dpi=130)
    pyplot.close(figure)


def _condition_order(name: str) -> tuple[int, str]:
    return (0 if name == 'nominal' else 1, name)


def write(records: Sequence[RunRecord], folder: Path) -> dict[str, Any]:
    """Write `summary.json`, `table.md` and `convergence.png` to `folder`; return the summary."""
    summary = summarise(records)
    (folder / 'summary.json').write_text(json.dumps(summary, indent=1) + '\n')
    (folder / 'table.md').write_text(table(summary) + '\n' + scene_table(summary))
    plot(summary, folder / 'convergence.png')
    return summary
