"""The report of a run as one web page that needs no other file."""

from __future__ import annotations

import base64
import html
from pathlib import Path
from typing import Any

from cnn_vs_ros.report.folder import RunFolder

_LARGEST_VIDEO = 20_000_000
_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #222; max-width: 1100px; margin: 2em auto; padding: 0 1em; }
h1 { font-size: 1.5em; margin-bottom: 0.2em; } .ok { color: #00702e; } .bad { color: #b00020; }
img, video { width: 100%; border: 1px solid #ddd; } td { padding: 0.15em 1.5em 0.15em 0; vertical-align: top; }
td:first-child { color: #666; } h2 { font-size: 1.1em; margin-top: 1.6em; } code { color: #444; }
"""
_ROWS = {
    'translation_error_mm': ('final translation error', '{:.3f} mm'),
    'rotation_error_deg': ('final rotation error', '{:.4f} deg'),
    'errors_from': ('errors measured against', '{}'),
    'worst_transient_mm': ('pushed off while perturbed by', '{:.2f} mm'),
    'ended': ('how the run ended', '{}'),
    'duration_s': ('duration', '{:.2f} s'),
    'images': ('images processed', '{}'),
    'images_lost': ('images lost', '{}'),
    'estimator': ('estimator', '{}'),
    'batch': ('batch of the start', '{}'),
    'seed': ('seed', '{}'),
}


def write_page(folder: RunFolder) -> Path:
    """Write report.html from the other files of a run's folder, and return its path.

    It holds the figures of summary.json, report.png and, up to 20 MB, the video. Raises RunFolderError when the
    summary is missing.
    """
    summary = folder.summary()
    good = bool(summary.get('converged'))
    verdict = 'converged' if good else 'not converged'
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        f'<title>{verdict} - visual servoing run</title><style>{_STYLE}</style></head><body>',
        f'<h1>Visual servoing run: <span class="{"ok" if good else "bad"}">{verdict}</span></h1>',
        _table(summary),
    ]
    if folder.report.is_file():
        parts.append(f'<h2>Course of the run</h2><img alt="plots" src="{_data(folder.report, "image/png")}">')
    if folder.video.is_file() and folder.video.stat().st_size <= _LARGEST_VIDEO:
        parts.append(f'<h2>Video</h2><video controls loop src="{_data(folder.video, "video/mp4")}"></video>')
    parts.append(_versions(summary))
    parts.append('</body></html>\n')
    folder.page.write_text('\n'.join(parts), encoding='utf-8')
    return folder.page


def _table(summary: dict[str, Any]) -> str:
    rows = []
    for key, (label, form) in _ROWS.items():
        if summary.get(key) is not None:
            rows.append(f'<tr><td>{label}</td><td>{html.escape(form.format(summary[key]))}</td></tr>')
    latency = summary.get('latency_image_to_twist') or {}
    if latency:
        text = f'{latency["median_ms"]:.1f} ms in the median, {latency["p99_ms"]:.1f} ms at the 99th percentile'
        rows.append(f'<tr><td>image to twist</td><td>{text}</td></tr>')
    return '<table>' + ''.join(rows) + '</table>'


def _versions(summary: dict[str, Any]) -> str:
    versions = ', '.join(f'{name} {version}' for name, version in summary.get('versions', {}).items())
    return f'<p><code>{html.escape(versions)}</code></p>' if versions else ''


def _data(path: Path, kind: str) -> str:
    return f'data:{kind};base64,{base64.b64encode(path.read_bytes()).decode("ascii")}'
