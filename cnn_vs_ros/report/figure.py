"""The report picture of a run: the panels of figure 6 of the paper."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from cnn_vs_ros.benchmark import ROTATION_TOLERANCE, TRANSLATION_TOLERANCE
from cnn_vs_ros.report.folder import RunFolder
from cnn_vs_ros.run.recorder import grey
from cnn_vs_ros.run.trajectory import Trajectory

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_AXES = ('x', 'y', 'z')
_TRANSLATION = ('#c1272d', '#008176', '#0000a7')
_ROTATION = ('#f2a33a', '#cc6ba8', '#4fb0e0')
"""Colours of the components along and about x, y and z: six, told apart also where lines cross."""
_DPI = 100
_SMALLEST = 1e-3  # of the logarithmic axes: millimetres and degrees


def draw_report(folder: RunFolder) -> Path:
    """Draw report.png from the other files of a run's folder, and return its path.

    (a) positioning error; (b) SSD to the reference image; (c) translation and rotation; (d) camera velocities;
    (e) initial and (f) final image; (g) initial and (h) final difference; the reference.
    """
    trajectory, summary = folder.trajectory(), folder.summary()
    figure = Figure(figsize=(16, 7.6), dpi=_DPI)
    FigureCanvasAgg(figure)
    figure.suptitle(_title(summary), fontsize=14, y=0.975)
    top = figure.add_gridspec(1, 4, left=0.035, right=0.955, top=0.88, bottom=0.455, wspace=0.3)
    bottom = figure.add_gridspec(1, 5, left=0.01, right=0.99, top=0.36, bottom=0.01, wspace=0.03)
    plots = top.subplots(squeeze=False)[0]
    _positioning_error(plots[0], trajectory)
    _ssd(plots[1], trajectory)
    _components(plots[2], trajectory)
    _velocities(plots[3], trajectory)
    for axes in plots:
        axes.set_xlabel('time [s]')
        axes.grid(alpha=0.3)
        axes.margins(x=0)
    _images(bottom.subplots(squeeze=False)[0], folder)
    figure.savefig(folder.report)
    return folder.report


def _title(summary: dict) -> str:
    result = 'converged' if summary['converged'] else f'not converged ({summary["ended"]})'
    error = 'final error unknown'
    if summary['translation_error_mm'] is not None:
        error = (
            f'final error {summary["translation_error_mm"]:.3f} mm, {summary["rotation_error_deg"]:.4f} deg '
            f'({summary["errors_from"].replace("_", " ")})'
        )
    where = '' if summary['batch'] is None else f'batch {summary["batch"]}, '
    start = f'{where}seed {summary["seed"]}, {summary["estimator"]}'
    return f'{result} in {summary["duration_s"]:.1f} s, {error}; {start}'


def _positioning_error(axes: Axes, trajectory: Trajectory) -> None:
    axes.set_title('(a) positioning error [mm, deg]', fontsize=10)
    for values, style, source in ((trajectory.truth, '-', 'true'), (trajectory.estimate, ':', 'estimated')):
        if not np.isfinite(values).any():
            continue
        distances = 1e3 * np.linalg.norm(values[:, :3], axis=1)
        angles = np.rad2deg(np.linalg.norm(values[:, 3:], axis=1))
        axes.plot(trajectory.time, distances, style, color=_TRANSLATION[0], label=f'{source} translation [mm]')
        axes.plot(trajectory.time, angles, style, color=_TRANSLATION[2], label=f'{source} rotation [deg]')
    axes.axhline(1e3 * TRANSLATION_TOLERANCE, color=_TRANSLATION[0], linewidth=0.6, alpha=0.6)
    axes.axhline(np.rad2deg(ROTATION_TOLERANCE), color=_TRANSLATION[2], linewidth=0.6, alpha=0.6)
    axes.set_yscale('log')
    axes.set_ylim(bottom=_SMALLEST)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8)


def _ssd(axes: Axes, trajectory: Trajectory) -> None:
    axes.set_title('(b) SSD to the reference [millions of grey levels²]', fontsize=10)
    axes.plot(trajectory.time, 1e-6 * trajectory.ssd, color='black')
    axes.set_ylim(bottom=0)


def _components(axes: Axes, trajectory: Trajectory) -> None:
    axes.set_title('(c) estimated t [mm], θu [deg, dashed, right]', fontsize=10)
    _six(axes, trajectory, trajectory.estimate, (1e3, np.rad2deg(1)), ('t', 'θu'))


def _velocities(axes: Axes, trajectory: Trajectory) -> None:
    axes.set_title('(d) camera velocity v [m/s], ω [rad/s, dashed, right]', fontsize=10)
    _six(axes, trajectory, trajectory.twist, (1.0, 1.0), ('v', 'ω'))


def _six(
    axes: Axes,
    trajectory: Trajectory,
    values: np.ndarray,
    scales: tuple[float, float],
    symbols: tuple[str, str],
) -> None:
    """Draw three translational components against the left axis, and dashed three rotational against the right."""
    other = axes.twinx()
    for half, (side, style, colours) in enumerate(((axes, '-', _TRANSLATION), (other, '--', _ROTATION))):
        columns = scales[half] * values[:, 3 * half : 3 * half + 3]
        for column, axis, colour in zip(columns.T, _AXES, colours, strict=True):
            axes.plot([], [], style, color=colour, label=f'{symbols[half]}{axis}')
            side.plot(trajectory.time, column, style, color=colour)
        # Both zeros at the same height.
        largest = float(np.nanmax(np.abs(columns))) if np.isfinite(columns).any() else 0.0
        side.set_ylim(-1.08 * (largest or 1.0), 1.08 * (largest or 1.0))
    axes.legend(fontsize=8, ncols=2)


def _images(panels: np.ndarray, folder: RunFolder) -> None:
    initial, final, reference = (folder.image(name) for name in ('initial', 'final', 'reference'))
    shown = (
        ('(e) initial image', initial),
        ('(f) final image', final),
        ('reference image', reference),
        ('(g) initial difference', difference(initial, reference)),
        ('(h) final difference', difference(final, reference)),
    )
    for axes, (title, image) in zip(panels, shown, strict=True):
        axes.set_title(title, fontsize=10)
        axes.set_axis_off()
        if image is not None:
            axes.imshow(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), interpolation='antialiased')


def difference(image: np.ndarray | None, reference: np.ndarray | None) -> np.ndarray | None:
    """Signed difference of two BGR images' grey levels around mid-grey (H, W, 3); None unless they compare."""
    if image is None or reference is None or image.shape[:2] != reference.shape[:2]:
        return None
    half = cv2.addWeighted(grey(image), 0.5, grey(reference), -0.5, 128.0)
    return np.asarray(cv2.cvtColor(half, cv2.COLOR_GRAY2BGR))
