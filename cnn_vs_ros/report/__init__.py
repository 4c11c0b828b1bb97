"""What a run leaves behind: a folder with summary, trajectory, report picture and video."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from cnn_vs_ros.report.folder import RunFolder, new_folder
from cnn_vs_ros.report.page import write_page
from cnn_vs_ros.report.progress import ProgressLine

if TYPE_CHECKING:
    from cnn_vs_ros.report.figure import draw_report
    from cnn_vs_ros.report.results import write_run
    from cnn_vs_ros.report.video import write_video

__all__ = ['ProgressLine', 'RunFolder', 'draw_report', 'new_folder', 'write_page', 'write_run', 'write_video']

_PICTURED = {'draw_report': 'figure', 'write_run': 'results', 'write_video': 'video'}


def __getattr__(name: str) -> Any:
    # Imported when first used: who only reads or names a folder needs no matplotlib.
    if name in _PICTURED:
        return getattr(import_module(f'{__name__}.{_PICTURED[name]}'), name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
