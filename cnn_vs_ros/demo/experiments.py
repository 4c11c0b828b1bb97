"""The command ``python -m cnn_vs_ros experiment``: the paper's experiments, over the real nodes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cnn_vs_ros.demo.arguments import add_shared, positive, whole_number
from cnn_vs_ros.demo.running import EXPERIMENT, check_installation, open_file, run_graph
from cnn_vs_ros.environment import user_path
from cnn_vs_ros.errors import VisualServoingError
from cnn_vs_ros.exit_status import FAILED
from cnn_vs_ros.graph.parameters import Parameters, parameters_of, scaled_parameters
from cnn_vs_ros.graph.table import DEMO
from cnn_vs_ros.report.folder import RunFolder, new_folder
from cnn_vs_ros.resources import SHIPPED_MODEL
from cnn_vs_ros.run.paper import EXPERIMENTS, PaperExperiment

LONGEST_RUN = 90.0
"""Simulated seconds after which a run ends."""
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
    add_shared(parser, 'model', default_text=SHIPPED_MODEL)
    add_shared(parser, 'runs', type=whole_number(1), metavar='N')
    parser.add_argument(
        '--seed', type=whole_number(0), default=0, help="0 is the paper's start, others are about it (default: 0)"
    )
    add_shared(parser, 'max_duration', default_text=f'{LONGEST_RUN:g}', type=positive, metavar='S')
    parser.add_argument('--output', type=user_path, default=Path('runs'), metavar='DIR', help='default: runs')
    parser.add_argument('--no-video', action='store_true', help='do not make run.mp4')
    parser.add_argument('--headless', action='store_true', help='do not open the report at the end')


def run(arguments: argparse.Namespace) -> int:
    """Run the experiment and return the exit status."""
    try:
        check_installation()
        experiment = EXPERIMENTS[arguments.name]
        folder = new_folder(arguments.output).resolve()
        given = {**vars(arguments), 'video': not arguments.no_video}
        status = run_graph(parameters(experiment, given, folder), folder, f'experiment {experiment.name}')
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


def parameters(experiment: PaperExperiment, given: Mapping[str, Any], folder: Path) -> Parameters:
    """Return what the experiment and the arguments `given` change in the shipped parameters, by node."""
    perturbed = experiment.perturbed_for > 0
    given = {
        **given,
        'max_duration': given['max_duration'] or LONGEST_RUN,
        'settle_time': 3.0 if perturbed else None,
        'scene': experiment.scene,
        'perturbed': perturbed,
        'lost_behaviour': 'search',
        'library': folder,
        'output_folder': folder,
    }
    result = parameters_of(DEMO, given, scaled_parameters(experiment.scene), sim_time=True)
    result['simulator'] |= {
        'lockstep': True,
        'real_time_factor': 0.0,
        'seed': int(given['seed']),
        'perturbations.intermittent': True,
    }
    result['pbvs_controller']['keep_servoing'] = perturbed
    result[EXPERIMENT] |= {
        'start_pose': list(experiment.start_vector),
        'perturbed_for': experiment.perturbed_for,
    }
    return result
