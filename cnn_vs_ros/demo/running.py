"""Runs the graph as processes of this machine until the experiment in it has ended."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from cnn_vs_ros.environment import check_middleware
from cnn_vs_ros.errors import VisualServoingError
from cnn_vs_ros.exit_status import FAILED, MISSED
from cnn_vs_ros.graph.parameters import Parameters
from cnn_vs_ros.graph.processes import Ended, Interrupted, ProcessGroup, signals_raise
from cnn_vs_ros.graph.starting import NAMESPACE, environment, node_command, write_parameters
from cnn_vs_ros.report.folder import short

EXPERIMENT, VIEW = 'experiment', 'view'
"""Nodes that speak to the user."""
_STATUS = {0: 0, MISSED: 1}  # of the experiment, when it came to its end: converged or not


def run_graph(parameters: Parameters, folder: Path, title: str) -> int:
    """Start the nodes of `parameters`, these over the shipped ones; return 0 (converged), 1 (not) or 2 (failed).

    Logs and the parameters are written to `folder`; `title` begins each line that is printed. Interrupted by a
    signal n, all nodes are stopped and the result is 128 + n.
    """
    logs = folder / 'logs'
    overrides = write_parameters(folder / 'parameters.yaml', parameters)
    commands = {name: node_command(name, overrides, namespace=NAMESPACE) for name in parameters}
    variables = environment(logs)
    domain = f'ROS_DOMAIN_ID={variables["ROS_DOMAIN_ID"]}'
    try:
        with (
            signals_raise(signal.SIGINT, signal.SIGTERM, signal.SIGHUP),
            ProcessGroup(logs, variables) as processes,
        ):
            print(f'{title}: starting {", ".join(commands)}; logs in {short(logs)}; {domain}', flush=True)
            for name, command in commands.items():
                processes.start(name, command, show_output=name in (EXPERIMENT, VIEW))
            ended = processes.wait_for_first_end()
    except Interrupted as interrupted:
        print(f'\n{title}: interrupted by {interrupted}; all nodes are stopped', file=sys.stderr)
        return 128 + interrupted.number
    if ended.name == EXPERIMENT and ended.code in _STATUS:
        return _STATUS[ended.code]
    _explain(ended, processes, title)
    return FAILED


def _explain(ended: Ended, processes: ProcessGroup, title: str) -> None:
    lines = processes.last_lines(ended.name)
    if lines:
        print(f'\nthe end of {short(processes.log(ended.name))}:\n{lines}', file=sys.stderr)
    print(
        f'{title}: {ended.name} ended unexpectedly ({ended.reason}); all other nodes are stopped', file=sys.stderr
    )


def check_installation() -> None:
    """Raise VisualServoingError when a library that the graph needs is missing, or the middleware chosen."""
    missing = [
        name
        for name in ('rclpy', 'mujoco', 'xacro', 'onnxruntime', 'matplotlib')
        if not importlib.util.find_spec(name)
    ]
    if missing:
        raise VisualServoingError(
            f'expected {", ".join(missing)} to be installed but cannot import it; '
            "use `make demo`, or `pip install 'cnn_vs_ros[demo]'` first"
        )
    check_middleware()


def open_file(path: Path) -> None:
    """Open a file with the desktop's program, where there is a desktop to see it."""
    display = os.environ.get('DISPLAY') or os.environ.get('WAYLAND_DISPLAY')
    opener = shutil.which('xdg-open')
    if display and opener and path.exists():
        subprocess.Popen([opener, str(path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
