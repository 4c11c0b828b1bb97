"""The command ``python -m cnn_vs_ros demo``."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path

from cnn_vs_ros.demo.arguments import add_shared, not_negative, positive, whole_number, words
from cnn_vs_ros.demo.running import VIEW, check_installation, open_file, run_graph
from cnn_vs_ros.environment import user_path
from cnn_vs_ros.errors import VisualServoingError
from cnn_vs_ros.exit_status import FAILED
from cnn_vs_ros.graph.parameters import Parameters, parameters_of, scaled_parameters
from cnn_vs_ros.graph.table import DEMO
from cnn_vs_ros.report.folder import RunFolder, new_folder
from cnn_vs_ros.resources import SHIPPED_MODEL
from cnn_vs_ros.run import Plan
from cnn_vs_ros.simulation import SCENES

CALIBRATE, RECORD = 'calibrate', 'record'
UNKNOWN_DEPTH = 1.0
"""Metres that the estimator takes the depth to be until it is measured."""
_DESCRIPTION = """
Servo a simulated arm to a reference image: capture the reference, move the arm to a start, servo, and report.
The nodes are those of launch/servo.launch.py, here started as processes without a ROS installation.
"""
_EPILOG = """
Results are in OUTPUT/latest: report.html, report.png, run.mp4, summary.json, trajectory.csv and the nodes' logs.
Exit status: 0 if the run converged (of a series: --require runs), 1 if not, 2 if something went wrong.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.description, parser.epilog = _DESCRIPTION, _EPILOG
    plan = Plan()
    start = parser.add_argument_group('the start')
    add_shared(start, 'batch', default_text=str(plan.batch), type=whole_number(0, 9), metavar='0..9')
    add_shared(start, 'seed', default_text=str(plan.seed), type=whole_number(0))
    add_shared(start, 'runs', type=whole_number(1), metavar='N')
    add_shared(start, 'required', 'require', type=whole_number(0), metavar='K')
    scene = parser.add_argument_group('the scene')
    add_shared(scene, 'scene', default_text='photo', choices=tuple(SCENES), metavar='SCENE')
    add_shared(scene, 'perturbed', action='store_true')
    servo = parser.add_argument_group('the run')
    add_shared(servo, 'model', default_text=SHIPPED_MODEL)
    known = f'it is known; with this it is taken to be {UNKNOWN_DEPTH:g} m until then'
    add_shared(servo, 'measure_depth', default_text=known, action='store_true')
    add_shared(servo, 'lost_behaviour', default_text='search', choices=words('lost_behaviour'), default='search')
    add_shared(servo, 'max_duration', default_text=f'{plan.max_duration:g}', type=positive, metavar='S')
    add_shared(servo, 'settle_time', 'settle', f'{plan.settle_time:g}', type=not_negative, metavar='S')
    add_shared(servo, 'command_interface', default_text='velocity', choices=words('command_interface'))
    servo.add_argument(
        '--real-time',
        action='store_true',
        help='as on a real robot, nobody waits for anybody (default: simulated time waits for slow computers)',
    )
    output = parser.add_argument_group('the output')
    output.add_argument('--output', type=user_path, default=Path('runs'), metavar='DIR', help='default: runs')
    output.add_argument('--no-video', action='store_true', help='do not make run.mp4')
    output.add_argument('--bag', action='store_true', help='record the run to OUTPUT/latest/bag (see replay)')
    output.add_argument(
        '--view',
        action='store_true',
        help='show it meanwhile on a web page of this computer, whose address is printed',
    )
    output.add_argument('--headless', action='store_true', help='do not open the report at the end')


def run(arguments: argparse.Namespace) -> int:
    """Run the demo and return its exit status."""
    try:
        check_installation()
        if arguments.view and not importlib.util.find_spec('viser'):
            raise VisualServoingError("--view needs the package viser: pip install 'cnn_vs_ros[view]'")
        folder = new_folder(arguments.output).resolve()
        status = run_graph(parameters(arguments, folder), folder, 'demo')
    except VisualServoingError as error:
        print(f'demo: {error}', file=sys.stderr)
        return FAILED
    if status in (0, 1) and not arguments.headless:
        open_file(RunFolder(folder).page)
    return status


def parameters(arguments: argparse.Namespace, folder: Path) -> Parameters:
    """Return what the arguments change in the shipped parameters, by node."""
    lockstep = not arguments.real_time
    chosen = {CALIBRATE: arguments.measure_depth, RECORD: arguments.bag, VIEW: arguments.view}
    given = {
        **vars(arguments),
        'depth': UNKNOWN_DEPTH if arguments.measure_depth else None,
        'library': folder,
        'output_folder': folder,
        'video': not arguments.no_video,
    }
    nodes = [*DEMO, *(name for name, wanted in chosen.items() if wanted)]
    result = parameters_of(nodes, given, scaled_parameters(arguments.scene), sim_time=lockstep)
    result['simulator'] |= {'lockstep': lockstep, 'real_time_factor': 0.0 if lockstep else 1.0}
    if arguments.bag:
        result[RECORD]['output'] = str(folder / 'bag')
    return result
