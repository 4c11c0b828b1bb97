"""A series from its beginning to its report, with what people read of it meanwhile."""

from __future__ import annotations

import contextlib

import numpy as np

from cnn_vs_ros.errors import VisualServoingError
from cnn_vs_ros.geometry import se3
from cnn_vs_ros.report import ProgressLine, RunFolder, write_run
from cnn_vs_ros.report.folder import short
from cnn_vs_ros.run.outcome import Outcome, series_sentence, series_summary, series_table
from cnn_vs_ros.run.recorder import Recorder
from cnn_vs_ros.run.series import Graph, Plan, Series


class Job:
    """A series and its folder.

    `estimator` is its name, for the record; `required` of the runs must converge, 0: all.
    """

    def __init__(
        self,
        graph: Graph,
        plan: Plan,
        estimator: str,
        folder: RunFolder,
        progress: ProgressLine,
        *,
        required: int = 0,
        video: bool = True,
    ) -> None:
        self._graph, self._plan, self._folder, self._progress = graph, plan, folder, progress
        self._series = Series(graph, plan, estimator, self._show)
        self._required, self._video = required, video
        self._outcomes: list[Outcome] = []

    def do(self) -> bool:
        """Do it, and return whether enough runs converged. Raises VisualServoingError, KeyboardInterrupt."""
        series = self._series
        try:
            series.prepare()
            if series.depth_sentence:
                print(f'measure_depth: {series.depth_sentence}', flush=True)
            for seed in range(self._plan.seed, self._plan.seed + self._plan.runs):
                self._run(seed)
        except BaseException:
            self._progress.clear()
            self._graph.hurry()
            with contextlib.suppress(VisualServoingError):
                series.finish()
            raise
        series.finish()
        self._conclude()
        converged = sum(outcome.converged for outcome in self._outcomes)
        return converged >= (self._required or len(self._outcomes))

    def _run(self, seed: int) -> None:
        self._folder.begin()
        single = self._plan.runs == 1
        folder = self._folder if single else RunFolder(self._folder.path / f'seed_{seed:03d}')
        outcome, finished = self._series.run(seed)
        self._progress.clear()
        if self._series.refusal:
            print(self._series.refusal, flush=True)
        self._outcomes.append(outcome)
        write_run(folder, outcome, finished, self._graph.recorder.reference, video=self._video)
        if not single:
            print(f'seed {seed}: {outcome.sentence}', flush=True)
            self._folder.write_summary(series_summary(self._outcomes))

    def _conclude(self) -> None:
        folder, outcomes = self._folder, self._outcomes
        if len(outcomes) == 1:
            files = [path for path in (folder.page, folder.report, folder.video) if path.exists()]
            print('\n'.join(str(short(path)) for path in files))
            print(outcomes[0].sentence, flush=True)
        else:
            print(f'\n{series_table(outcomes)}\n\nresults: {short(folder.path)}')
            print(series_sentence(outcomes), flush=True)

    def _show(self, seconds: float) -> None:
        self._progress.show(progress_text(seconds, self._graph.recorder))


def progress_text(seconds: float, recorder: Recorder) -> str:
    """Text of the progress line."""
    text = f'{recorder.servo_status:<9} {seconds:5.1f} s'
    if recorder.estimate is not None and recorder.said is not None:
        metres, radians = se3.pose_error(recorder.estimate)
        text += f'   to go {1e3 * metres:6.1f} mm {np.degrees(radians):5.1f} deg'
        confidence = recorder.said.confidence
        text += '' if confidence is None else f'   confidence {confidence:.2f}'
    return text
