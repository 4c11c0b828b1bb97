"""Table and JSON of the pairs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from training.benchmark.real.measure import SURE, PairRecord

_NEAR = (10.0, 2.0)  # mm and degrees


def summarise(records: Sequence[PairRecord]) -> dict[str, dict[str, dict[str, Any]]]:
    """``{group: {method: figures}}`` and ``all`` for the whole; None where there is nothing to count."""
    methods = list(dict.fromkeys(record.method for record in records))
    groups = dict.fromkeys(record.group for record in records)
    rows = {group: [record for record in records if record.group == group] for group in groups}
    claiming = {record.method for record in records if record.confidence is not None}
    return {
        group: {m: _figures([r for r in row if r.method == m], m in claiming) for m in methods}
        for group, row in {**rows, 'all': list(records)}.items()
    }


def _figures(records: Sequence[PairRecord], claims_confidence: bool) -> dict[str, Any]:
    found = [record for record in records if record.found]
    judged = [record for record in found if record.wrong is not None]
    wrong = [record for record in judged if record.wrong]
    posed = [r for r in found if r.move_mm is not None and r.turn_deg is not None]
    return {
        'pairs': len(records),
        'found': len(found),
        'judged': len(judged),
        'right': len(judged) - len(wrong),
        'wrong': len(wrong),
        'wrong_and_sure': {str(s): _sure(wrong, s) if claims_confidence else None for s in SURE},
        'median_shift': _median([r.shift for r in judged if r.shift is not None]),
        'median_mm': _median([r.move_mm for r in posed if r.move_mm is not None]),
        'median_deg': _median([r.turn_deg for r in posed if r.turn_deg is not None]),
        'near': sum((r.move_mm or 0) < _NEAR[0] and (r.turn_deg or 0) < _NEAR[1] for r in posed)
        if posed
        else None,
        'separation': separation(judged),
        'found_ms': _median([record.cpu_ms for record in found]),
        'lost_ms': _median([record.cpu_ms for record in records if not record.found]),
    }


def _sure(records: Sequence[PairRecord], least: float) -> int:
    return sum(record.confidence is not None and record.confidence > least for record in records)


def _median(values: Sequence[float]) -> float | None:
    return float(np.median(values)) if values else None


def separation(records: Sequence[PairRecord]) -> float | None:
    """Probability that a right answer is more confident than a wrong one (area under the ROC curve)."""
    claims = [record for record in records if record.confidence is not None]
    right = np.array([record.confidence for record in claims if not record.wrong])
    wrong = np.array([record.confidence for record in claims if record.wrong])
    if not (right.size and wrong.size):
        return None
    more = (right[:, None] > wrong).mean() + 0.5 * (right[:, None] == wrong).mean()
    return float(more)


def table(summary: dict[str, dict[str, dict[str, Any]]]) -> str:
    """Markdown table, a row for each group and method."""
    lines = [
        f'| pairs of | method | found | right | wrong | {" | ".join(f"at > {s}" for s in SURE)} '
        f'| shift (median) | pose (median) | < {_NEAR[0]:g} mm, {_NEAR[1]:g} deg | AUC | found in | lost in |',
        '|---' * (10 + len(SURE)) + '|',
    ]
    for group, methods in summary.items():
        lines += [f'| {group} | {method} | {" | ".join(_cells(f))} |' for method, f in methods.items()]
    return '\n'.join(lines) + '\n'


def _cells(figures: dict[str, Any]) -> list[str]:
    pose = f'{_text(figures["median_mm"], "{:.1f} mm")}, {_text(figures["median_deg"], "{:.2f} deg")}'
    unknown = figures['found'] - figures['judged']
    return [
        f'{figures["found"]} of {figures["pairs"]}' + (f' ({unknown} unjudged)' if unknown else ''),
        str(figures['right']),
        str(figures['wrong']),
        *(_text(count, '{}') for count in figures['wrong_and_sure'].values()),
        _text(None if figures['median_shift'] is None else 100 * figures['median_shift'], '{:.2f} %'),
        pose if figures['median_mm'] is not None else '-',
        _text(figures['near'], '{}'),
        _text(figures['separation'], '{:.3f}'),
        _text(figures['found_ms'], '{:.0f} ms'),
        _text(figures['lost_ms'], '{:.0f} ms'),
    ]


def _text(value: float | None, form: str) -> str:
    return '-' if value is None else form.format(value)


def write(records: Sequence[PairRecord], notes: Sequence[str], folder: Path) -> str:
    """Write `real.json` (notes, figures and every pair) and `real.md` to `folder`; return the table."""
    folder.mkdir(parents=True, exist_ok=True)
    summary = summarise(records)
    content = {'notes': list(notes), 'summary': summary, 'pairs': [asdict(record) for record in records]}
    (folder / 'real.json').write_text(json.dumps(content, indent=1) + '\n')
    text = table(summary) + '\n' + ''.join(f'- {note}\n' for note in notes)
    (folder / 'real.md').write_text(text)
    return text
