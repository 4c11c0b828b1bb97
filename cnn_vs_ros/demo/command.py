"""The command ``python -m cnn_vs_ros demo``."""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from cnn_vs_ros.demo.graph import NODES, Parameters, environment, node_command, write_parameters
from cnn_vs_ros.demo.processes import Ended, Interrupted, ProcessGroup, signals_raise
from cnn_vs_ros.errors import VisualServoingError
from cnn_vs_ros.report.folder import RunFolder, new_folder

EXPERIMENT = 'experiment'
FAILED = 2
_STATUS = {0: 0, 3: 1}  # of the experiment, when it came to its end: converged or not
_DESCRIPTION = """
Servo a simulated arm to a reference image: capture the reference, move the arm to a start, servo, and report.
The nodes are those of launch/servo.launch.py, here started as processes without a ROS installation.
"""
_EPILOG = """
Results are in OUTPUT/latest: summary.json, trajectory.csv, report.png, run.mp4 and the nodes' logs.
Exit status: 0 if the run converged (of a series: --require runs), 1 if not, 2 if something went wrong.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.description, parser.epilog = _DESCRIPTION, _EPILOG
    start = parser.add_argument_group('the start')
    start.add_argument(
        '--batch', type=_within(0, 9), default=3, metavar='0..9', help='how far away: 9 is hardest (default: 3)'
    )
    start.add_argument('--seed', type=_within(0), default=0, help='which start of the batch (default: 0)')
    start.add_argument('--runs', type=_within(1), default=1, metavar='N', help='a series: seeds SEED to SEED+N-1')
    start.add_argument(
        '--require', type=_within(0), metavar='K', help='runs of a series that must converge (default: all)'
    )
    scene = parser.add_argument_group('the scene')
    scene.add_argument('--scene', help='photo (default), prints, low_texture or relief')
    scene.add_argument('--perturbed', action='store_true', help='moving lights and moving occluders')
    servo = parser.add_argument_group('the run')
    servo.add_argument('--model', help="a shipped model's name or a .onnx file (default: scene_agnostic)")
    servo.add_argument(
        '--lost-behaviour',
        choices=('stop', 'retreat'),
        default='retreat',
        help='when the reference is out of sight: stop, or back off along the optical axis, by 15 cm at most, '
        'to see more (default: retreat)',
    )
    servo.add_argument(
        '--max-duration',
        type=_positive,
        default=60.0,
        metavar='S',
        help='simulated seconds of a run (default: 60)',
    )
    servo.add_argument(
        '--settle',
        type=_positive,
        default=0.3,
        metavar='S',
        help='seconds to go on recording after arrival, before the final error is measured (default: 0.3)',
    )
    servo.add_argument(
        '--real-time',
        action='store_true',
        help='as on a real robot, nobody waits for anybody (default: simulated time waits for slow computers)',
    )
    output = parser.add_argument_group('the output')
    output.add_argument('--output', type=Path, default=Path('runs'), metavar='DIR', help='default: runs')
    output.add_argument('--no-video', action='store_true', help='do not make run.mp4')
    output.add_argument('--headless', action='store_true', help='do not open the report at the end')


def run(arguments: argparse.Namespace) -> int:
    """Run the demo and return its exit status."""
    try:
        _check_installation()
        folder = new_folder(arguments.output).resolve()
        status = _run_nodes(arguments, folder)
    except VisualServoingError as error:
        print(f'demo: {error}', file=sys.stderr)
        return FAILED
    if status in (0, 1) and not arguments.headless:
        _open(RunFolder(folder).report)
    return status


def _run_nodes(arguments: argparse.Namespace, folder: Path) -> int:
    logs = folder / 'logs'
    overrides = write_parameters(folder / 'parameters.yaml', parameters(arguments, folder))
    commands = {name: node_command(name, overrides) for name in NODES}
    try:
        with (
            signals_raise(signal.SIGINT, signal.SIGTERM, signal.SIGHUP),
            ProcessGroup(logs, environment(logs)) as processes,
        ):
            print(f'demo: starting {", ".join(NODES)}; logs in {_short(logs)}', flush=True)
            for name, command in commands.items():
                processes.start(name, command, show_output=name == EXPERIMENT)
            ended = processes.wait_for_first_end()
    except Interrupted as interrupted:
        print(f'\ndemo: interrupted by {interrupted}; all nodes are stopped', file=sys.stderr)
        return 128 + interrupted.number
    if ended.name == EXPERIMENT and ended.code in _STATUS:
        return _STATUS[ended.code]
    _explain(ended, processes)
    return FAILED


def _explain(ended: Ended, processes: ProcessGroup) -> None:
    lines = processes.last_lines(ended.name)
    if lines:
        print(f'\nthe end of {_short(processes.log(ended.name))}:\n{lines}', file=sys.stderr)
    print(f'demo: {ended.name} ended unexpectedly ({ended.reason}); all other nodes are stopped', file=sys.stderr)


def parameters(arguments: argparse.Namespace, folder: Path) -> Parameters:
    """Return what the arguments change in the shipped parameters, by node."""
    lockstep = not arguments.real_time
    clock = {'use_sim_time': lockstep}
    simulator = {'lockstep': lockstep, 'real_time_factor': 0.0 if lockstep else 1.0}
    estimator = {'reference_folder': str(folder / 'reference')}
    if arguments.scene is not None:
        simulator['scene'] = arguments.scene
    if arguments.model is not None:
        estimator['model'] = arguments.model
    experiment = {
        'batch': arguments.batch,
        'seed': arguments.seed,
        'runs': arguments.runs,
        'required': arguments.require or 0,
        'perturbed': arguments.perturbed,
        'max_duration': arguments.max_duration,
        'settle_time': arguments.settle,
        'output_folder': str(folder),
        'video': not arguments.no_video,
    }
    return {
        'simulator': simulator,  # its clock is the source of the simulated time
        'pose_estimator': {**clock, **estimator},
        'pbvs_controller': {**clock, 'lost_behaviour': arguments.lost_behaviour},
        'differential_ik': clock,
        EXPERIMENT: {**clock, **experiment},
    }


def _check_installation() -> None:
    missing = [
        name for name in ('rclpy', 'mujoco', 'onnxruntime', 'matplotlib') if not importlib.util.find_spec(name)
    ]
    if missing:
        raise VisualServoingError(
            f'expected {", ".join(missing)} to be installed but cannot import it; '
            "use `make demo`, or `pip install 'cnn_vs_ros[demo]'` first"
        )


def _open(report: Path) -> None:
    """Open the report where there is somebody to see it."""
    display = os.environ.get('DISPLAY') or os.environ.get('WAYLAND_DISPLAY')
    opener = shutil.which('xdg-open')
    if display and opener and report.exists():
        subprocess.Popen([opener, str(report)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _short(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


class _within:  # noqa: N801
    """Type of an argument: an integer in a range, which argparse names in its message."""

    def __init__(self, least: int, most: int = 2**31 - 1) -> None:
        self._least, self._most = least, most

    def __call__(self, text: str) -> int:
        value = int(text)
        if not self._least <= value <= self._most:
            raise argparse.ArgumentTypeError(f'should be {self._least} to {self._most} but is {value}')
        return value

    def __repr__(self) -> str:
        return 'whole number'


def _positive(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f'should be positive but is {text}')
    return value


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of ``python -m cnn_vs_ros``."""
    parser = argparse.ArgumentParser(prog='python -m cnn_vs_ros', description='CNN-based visual servoing.')
    commands = parser.add_subparsers(title='commands', required=True, metavar='COMMAND')
    demo = commands.add_parser('demo', help='servo a simulated arm to a reference image')
    add_arguments(demo)
    demo.set_defaults(run=run)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    parsed = make_parser().parse_args(arguments)
    return int(parsed.run(parsed))
