"""Node: places the arm, captures the reference, servoes, records, reports. Its contract is in docs/nodes.md."""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Sequence
from pathlib import Path

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node

from cnn_vs_ros.environment import user_path
from cnn_vs_ros.errors import VisualServoingError
from cnn_vs_ros.exit_status import FAILED, INTERRUPTED, MISSED
from cnn_vs_ros.nodes.experiment_graph import RosGraph
from cnn_vs_ros.nodes.overrides import check_overrides
from cnn_vs_ros.nodes.parameters import declare
from cnn_vs_ros.nodes.running import initialise, stop_signals
from cnn_vs_ros.report import ProgressLine, RunFolder, new_folder
from cnn_vs_ros.run import Plan
from cnn_vs_ros.run.job import Job

OVERVIEW_TOPIC = 'overview/image_raw'
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


def _do(node: ExperimentNode, progress: ProgressLine) -> int:
    folder = RunFolder(user_path(node.output_folder) if node.output_folder else new_folder('runs'))
    folder.check_writable()
    node.graph.wait_until_up(node.startup_timeout, _ARM_LINKS if node.plan.simulated else ())
    model = Path(node.graph.estimator_parameters('model')[0]).stem
    job = Job(node.graph, node.plan, model, folder, progress, required=node.required, video=node.video)
    return 0 if job.do() else MISSED


def main(args: Sequence[str] | None = None) -> int:
    """Run the experiment to its end, SIGINT or SIGTERM, and return the exit status."""
    progress = ProgressLine()
    try:
        initialise(args)
        executor = SingleThreadedExecutor()
        node = ExperimentNode()
        check_overrides(node, args)
        executor.add_node(node)
        spinning = threading.Thread(target=_spin, args=(executor, node.graph), name='executor', daemon=True)
        with stop_signals(node.graph.interrupt):
            spinning.start()
            try:
                return _do(node, progress)
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
