"""The command ``python -m cnn_vs_ros experiment``: the paper's experiments, over the real nodes."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from cnn_vs_ros.demo.arguments import positive, whole_number
from cnn_vs_ros.demo.graph import Parameters
from cnn_vs_ros.demo.running import EXPERIMENT, FAILED, check_installation, open_file, run_graph
from cnn_vs_ros.demo.scaling import scaled_parameters
from cnn_vs_ros.environment import user_path
from cnn_vs_ros.errors import VisualServoingError
from cnn_vs_ros.report.folder import RunFolder, new_folder
from cnn_vs_ros.run.paper import EXPERIMENTS, PaperExperiment

_DESCRIPTION = """
Repeat an experiment of the paper in simulation, at the paper's distances and start: planar, perturbed, relief or
unseen. The arm servoes by the real nodes. Figure 5 is `python -m training benchmark`.
"""
_EPILOG = """
The last line says what was reached beside the paper. Exit status: 0 if every run is as good as the paper's, 1 if
not, 2 if something went wrong. Results are in OUTPUT/latest: report.html, report.png, run.mp4, summary.json,
trajectory.csv and the nodes' logs.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.description, parser.epilog = _DESCRIPTION, _EPILOG
    parser.add_argument('name', choices=tuple(EXPERIMENTS), metavar='NAME', help=', '.join(EXPERIMENTS))
    parser.add_argument(
        '--model', help="a shipped model's name or a .onnx file: matcher or regressor (default: scene_agnostic)"
    )
    parser.add_argument('--runs', type=whole_number(1), default=1, metavar='N', help='seeds SEED to SEED+N-1')
    parser.add_argument(
        '--seed', type=whole_number(0), default=0, help="0 is the paper's start, others are about it (default: 0)"
    )
    parser.add_argument(
        '--max-duration', type=positive, default=90.0, metavar='S', help='simulated seconds of a run (default: 90)'
    )
    parser.add_argument('--output', type=user_path, default=Path('runs'), metavar='DIR', help='default: runs')
    parser.add_argument('--no-video', action='store_true', help='do not make run.mp4')
    parser.add_argument('--headless', action='store_true', help='do not open the report at the end')


def run(arguments: argparse.Namespace) -> int:
    """Run the experiment and return the exit status."""
    try:
        check_installation()
        experiment = EXPERIMENTS[arguments.name]
        folder = new_folder(arguments.output).resolve()
        status = run_graph(parameters(experiment, arguments, folder), folder, f'experiment {experiment.name}')
        if status not in (0, 1):
            return status
        line, matched = conclusion(experiment, folder)
    except VisualServoingError as error:
        print(f'experiment: {error}', file=sys.stderr)
        return FAILED
    if not arguments.headless:
        open_file(RunFolder(folder).page)
    print(line)
    return 0 if matched else 1


def conclusion(experiment: PaperExperiment, folder: Path) -> tuple[str, bool]:
    """Return what the runs in `folder` reached beside the paper, and whether they match it.

    Raises RunFolderError when there are none.
    """
    summary = RunFolder(folder).summary()
    runs = summary.get('outcomes', [summary])
    return experiment.conclusion(runs, runs[0]['estimator']), all(experiment.matched(run) for run in runs)


def parameters(experiment: PaperExperiment, arguments: argparse.Namespace, folder: Path) -> Parameters:
    """Return what the experiment changes in the shipped parameters, by node."""
    result = scaled_parameters(experiment.scene)
    result['simulator'] |= {
        'lockstep': True,
        'real_time_factor': 0.0,
        'seed': arguments.seed,
        'perturbations.intermittent': True,
    }
    result['pose_estimator']['library'] = str(folder)
    if arguments.model is not None:
        result['pose_estimator']['model'] = arguments.model
    result['pbvs_controller'] |= {
        'lost_behaviour': 'search',
        'keep_servoing': experiment.perturbed_for > 0,
    }
    result[EXPERIMENT] = {
        'start_pose': list(experiment.start_vector),
        'seed': arguments.seed,
        'runs': arguments.runs,
        'perturbed': experiment.perturbed_for > 0,
        'perturbed_for': experiment.perturbed_for,
        'settle_time': 3.0 if experiment.perturbed_for else 0.3,
        'max_duration': arguments.max_duration,
        'output_folder': str(folder),
        'video': not arguments.no_video,
    }
    for node in ('pose_estimator', 'pbvs_controller', 'differential_ik', EXPERIMENT):
        result.setdefault(node, {})['use_sim_time'] = True
    return result
