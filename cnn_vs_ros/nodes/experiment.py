"""Node: places the arm, captures the reference, servoes, records, reports. Its contract is in docs/nodes.md."""

from __future__ import annotations

import contextlib
import sys
import threading
import traceback
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from cnn_vs_ros.errors import VisualServoingError
from cnn_vs_ros.nodes.experiment_graph import RosGraph
from cnn_vs_ros.nodes.parameters import declare
from cnn_vs_ros.nodes.running import stop_signals
from cnn_vs_ros.report import ProgressLine, RunFolder, new_folder, write_run
from cnn_vs_ros.report.folder import short
from cnn_vs_ros.run import Outcome, Plan, Recorder, Series, series_summary
from cnn_vs_ros.run.outcome import series_table

OVERVIEW_TOPIC = 'overview/image_raw'
NOT_CONVERGED, FAILED, INTERRUPTED = 3, 2, 130
"""Exit statuses besides 0, for when all runs, or as many as required, converged; 1 is left to tracebacks."""

_ARM_LINKS = (('twist', 3),)
"""Topics of the simulated arm with their readers, of whom this node is one."""

_PLAN: dict[str, tuple[str, tuple[float, float] | None]] = {
    'batch': ('Difficulty of the starts, 0 to 9.', (0, 9)),
    'seed': ('Seed of the first start.', (0, 2**31 - 1)),
    'runs': ('Number of runs, with consecutive seeds.', (1, 10_000)),
    'simulated': ('Whether the simulator places the arm.', None),
    'perturbed': ('Whether lights and occluders move meanwhile.', None),
    'perturbed_for': ('Perturbations end after this time, s; 0: never.', (0.0, 3600.0)),
    'measure_depth': ('Whether calibrate measures the depth first.', None),
    'max_duration': ('A run ends after this time, s.', (0.1, 3600.0)),
    'settle_time': ('From arrival to the measurement, s.', (0.0, 60.0)),
    'lost_timeout': ('A run ends when lost for this long, s.', (0.1, 600.0)),
}
"""Description and bounds of the parameters that are fields of Plan."""


class ExperimentNode(Node):
    """The parameters of a series of runs and its view of the graph."""

    def __init__(self) -> None:
        super().__init__('experiment')
        plan = Plan()
        given = {
            name: declare(self, name, getattr(plan, name), text, bounds=bounds)
            for name, (text, bounds) in _PLAN.items()
        }
        start = declare(
            self,
            'start_pose',
            list(plan.start_pose),
            'Start [t; theta u] relative to the reference, m and rad; all zero: by batch.',
        )
        self.plan = Plan(**given, start_pose=tuple(start))
        self.required = declare(
            self, 'required', 0, 'Runs that must converge for exit status 0; 0: all.', bounds=(0, 10_000)
        )
        self.startup_timeout = declare(
            self,
            'startup_timeout',
            60.0,
            'The other nodes must be up after this, wall-clock s.',
            bounds=(1.0, 600.0),
        )
        self.output_folder = declare(
            self, 'output_folder', '', 'Where the results are written; empty: a new folder below runs.'
        )
        self.video = declare(self, 'video', True, 'Whether a video of each run is made.')
        self.graph = RosGraph(
            self,
            simulated=self.plan.simulated,
            clips=self.video,
            measure_depth=self.plan.measure_depth,
        )
        if self.plan.simulated and self.video:
            self.graph.watch(OVERVIEW_TOPIC)


class Job:
    """What the node does from beginning to end."""

    def __init__(self, node: ExperimentNode, progress: ProgressLine) -> None:
        self._node = node
        self._graph = node.graph
        self._progress = progress
        self._folder = RunFolder(node.output_folder or new_folder('runs'))

    def do(self) -> int:
        """Do it, and return the exit status. Raises VisualServoingError, KeyboardInterrupt."""
        node, plan = self._node, self._node.plan
        self._graph.wait_until_up(node.startup_timeout, _ARM_LINKS if plan.simulated else ())
        model = Path(self._graph.estimator_parameters('model')[0]).stem
        series = Series(self._graph, plan, model, self._show)
        outcomes: list[Outcome] = []
        try:
            series.prepare()
            if series.depth_sentence:
                print(f'measure_depth: {series.depth_sentence}', flush=True)
            for seed in range(plan.seed, plan.seed + plan.runs):
                self._run(series, seed, outcomes)
        except BaseException:
            self._progress.clear()
            self._graph.hurry()
            with contextlib.suppress(VisualServoingError):
                series.finish()
            raise
        series.finish()
        return self._conclude(outcomes)

    def _run(self, series: Series, seed: int, outcomes: list[Outcome]) -> None:
        self._folder.begin()
        single = self._node.plan.runs == 1
        folder = self._folder if single else RunFolder(self._folder.path / f'seed_{seed:03d}')
        outcome, recording = series.run(seed)
        self._progress.clear()
        if series.refusal:
            print(series.refusal, flush=True)
        outcomes.append(outcome)
        reference = self._graph.recorder.reference
        write_run(folder, outcome, recording, reference, video=self._node.video)
        if not single:
            print(f'seed {seed}: {outcome.sentence}', flush=True)
            self._folder.write_summary(series_summary(outcomes))

    def _conclude(self, outcomes: list[Outcome]) -> int:
        converged = sum(outcome.converged for outcome in outcomes)
        required = self._node.required or len(outcomes)
        if len(outcomes) == 1:
            files = [
                path for path in (self._folder.page, self._folder.report, self._folder.video) if path.exists()
            ]
            print('\n'.join(str(short(path)) for path in files))
            print(outcomes[0].sentence, flush=True)
        else:
            summary = series_summary(outcomes)
            print(f'\n{series_table(outcomes)}\n\nresults: {short(self._folder.path)}')
            print(_series_sentence(summary, outcomes[0].estimator), flush=True)
        return 0 if converged >= required else NOT_CONVERGED

    def _show(self, seconds: float) -> None:
        self._progress.show(progress_text(seconds, self._graph.recorder))


def _series_sentence(summary: dict, estimator: str) -> str:
    sentence = f'servo: {summary["converged_count"]} of {summary["runs"]} converged'
    if summary['converged_count']:
        sentence += f', median {summary["median_error_mm"]:.3f} mm, {summary["median_error_deg"]:.4f} deg'
    return f'{sentence} ({estimator})'


def progress_text(seconds: float, recorder: Recorder) -> str:
    """Text of the progress line."""
    text = f'{recorder.servo_status:<9} {seconds:5.1f} s'
    estimate, said = recorder.estimate, recorder.said
    if estimate is not None and said is not None:
        cosine = np.clip((np.trace(estimate[:3, :3]) - 1) / 2, -1, 1)
        distance, angle = 1e3 * np.linalg.norm(estimate[:3, 3]), np.rad2deg(np.arccos(cosine))
        text += f'   to go {distance:6.1f} mm {angle:5.1f} deg'
        text += '' if said.confidence is None else f'   confidence {said.confidence:.2f}'
    return text


def main(args: Sequence[str] | None = None) -> int:
    """Run the experiment to its end, SIGINT or SIGTERM, and return the exit status."""
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    progress = ProgressLine()
    executor = SingleThreadedExecutor()
    try:
        node = ExperimentNode()
        executor.add_node(node)
        spinning = threading.Thread(target=_spin, args=(executor, node.graph), name='executor', daemon=True)
        with stop_signals(node.graph.interrupt):
            spinning.start()
            try:
                return Job(node, progress).do()
            finally:
                executor.shutdown()
                spinning.join()
                node.destroy_node()
    except VisualServoingError as error:
        progress.clear()
        print(f'experiment: {error}', file=sys.stderr, flush=True)
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        rclpy.try_shutdown()


def _spin(executor: SingleThreadedExecutor, graph: RosGraph) -> None:
    try:
        executor.spin()
    except ExternalShutdownException:
        pass
    except Exception as error:
        traceback.print_exc()
        graph.fail(f'a message cannot be understood: {error!r}')
