"""The command ``python -m cnn_vs_ros demo``."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path

from cnn_vs_ros.control.command_interface import CommandInterface
from cnn_vs_ros.demo.arguments import positive, whole_number
from cnn_vs_ros.demo.graph import Parameters
from cnn_vs_ros.demo.running import EXPERIMENT, FAILED, VIEW, check_installation, open_file, run_graph
from cnn_vs_ros.demo.scaling import scaled_parameters
from cnn_vs_ros.environment import user_path
from cnn_vs_ros.errors import VisualServoingError
from cnn_vs_ros.report.folder import RunFolder, new_folder

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
    start = parser.add_argument_group('the start')
    start.add_argument(
        '--batch',
        type=whole_number(0, 9),
        default=3,
        metavar='0..9',
        help='how far away: 9 is hardest (default: 3)',
    )
    start.add_argument('--seed', type=whole_number(0), default=0, help='which start of the batch (default: 0)')
    start.add_argument(
        '--runs', type=whole_number(1), default=1, metavar='N', help='a series: seeds SEED to SEED+N-1'
    )
    start.add_argument(
        '--require', type=whole_number(0), metavar='K', help='runs of a series that must converge (default: all)'
    )
    scene = parser.add_argument_group('the scene')
    scene.add_argument(
        '--scene', help='photo (default), prints, low_texture, relief, and 80 cm away: poster, monument, workbench'
    )
    scene.add_argument('--perturbed', action='store_true', help='moving lights and moving occluders')
    servo = parser.add_argument_group('the run')
    servo.add_argument('--model', help="a shipped model's name or a .onnx file (default: scene_agnostic)")
    servo.add_argument(
        '--measure-depth',
        action='store_true',
        help=f'the depth is not known but taken to be {UNKNOWN_DEPTH:g} m: measure it by small motions first',
    )
    servo.add_argument(
        '--lost-behaviour',
        choices=('stop', 'retreat', 'search'),
        default='search',
        help='when the reference is out of sight: stop; back off along the optical axis, by 15 cm at most, to see '
        'more; or look round from there as well (default: search)',
    )
    servo.add_argument(
        '--max-duration',
        type=positive,
        default=60.0,
        metavar='S',
        help='simulated seconds of a run (default: 60)',
    )
    servo.add_argument(
        '--settle',
        type=positive,
        default=0.3,
        metavar='S',
        help='seconds to go on recording after arrival, before the final error is measured (default: 0.3)',
    )
    servo.add_argument(
        '--command-interface',
        choices=[interface.value for interface in CommandInterface],
        default=CommandInterface.VELOCITY.value,
        help='what the simulated arm takes (default: velocity)',
    )
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
    clock = {'use_sim_time': lockstep}
    scaled = scaled_parameters(arguments.scene)
    interface = {'command_interface': arguments.command_interface}
    scaled['simulator'] |= {**interface, 'lockstep': lockstep, 'real_time_factor': 0.0 if lockstep else 1.0}
    scaled['pose_estimator']['library'] = str(folder)
    if arguments.model is not None:
        scaled['pose_estimator']['model'] = arguments.model
    if arguments.measure_depth:
        scaled['pose_estimator']['depth'] = UNKNOWN_DEPTH
    experiment = {
        'batch': arguments.batch,
        'seed': arguments.seed,
        'runs': arguments.runs,
        'required': arguments.require or 0,
        'perturbed': arguments.perturbed,
        'max_duration': arguments.max_duration,
        'settle_time': arguments.settle,
        'measure_depth': arguments.measure_depth,
        'output_folder': str(folder),
        'video': not arguments.no_video,
    }
    chosen: dict[str, dict[str, object]] = {}
    if arguments.measure_depth:
        chosen[CALIBRATE] = dict(clock)
    if arguments.bag:
        chosen[RECORD] = {**clock, 'output': str(folder / 'bag')}
    if arguments.view:
        chosen[VIEW] = dict(clock)
    return {
        'simulator': scaled['simulator'],  # its clock is the source of the simulated time
        'pose_estimator': {**clock, **scaled['pose_estimator']},
        'pbvs_controller': {**clock, **scaled['pbvs_controller'], 'lost_behaviour': arguments.lost_behaviour},
        'differential_ik': {**clock, **interface},
        EXPERIMENT: {**clock, **experiment},
        **chosen,
    }
