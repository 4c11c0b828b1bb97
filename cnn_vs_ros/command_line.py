"""The command line ``python -m cnn_vs_ros COMMAND``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from cnn_vs_ros import __version__
from cnn_vs_ros.calibration import command as calibration
from cnn_vs_ros.commands import references, servoing
from cnn_vs_ros.demo import command as demo
from cnn_vs_ros.demo import experiments, tools

# A module with `add_arguments` and `run`: command, what it does, module. Those of `tools` are declared there.
COMMANDS = (
    ('demo', 'servo a simulated arm to a reference image', demo),
    ('experiment', 'repeat an experiment of the paper', experiments),
    ('calibrate', 'calibrate a camera on an arm from images of anything', calibration),
    ('references', 'list the references of a robot, with thumbnails', references),
)


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(prog='python -m cnn_vs_ros', description='CNN-based visual servoing.')
    parser.add_argument('--version', action='version', version=f'cnn_vs_ros {__version__}')
    commands = parser.add_subparsers(title='commands', required=True, metavar='COMMAND')
    for name, summary, module in COMMANDS:
        command = commands.add_parser(name, help=summary)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    servoing.add_commands(commands)
    tools.add_commands(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    parsed = make_parser().parse_args(arguments)
    return int(parsed.run(parsed))
