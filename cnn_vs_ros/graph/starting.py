"""How a node is started as a process: its command, its parameters, its environment."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from cnn_vs_ros.environment import MIDDLEWARE, RANGE, SERVER, profile_variable
from cnn_vs_ros.graph.private_domain import private_domain
from cnn_vs_ros.resources import config_path

NAMESPACE = 'demo'
"""That of the demo's nodes and of the paper's experiments: no topic of theirs is then one of a real arm."""


def parameter_files(real_arm: bool = False) -> list[Path]:
    """Return the shipped parameter files, each over the one before; the last is of simulated arms."""
    return [config_path(name) for name in ('servo.yaml', *(() if real_arm else ('simulated.yaml',)))]


def node_command(name: str, overrides: Path, module: str = '', namespace: str = '') -> list[str]:
    """Return the command that runs a node with the shipped parameters and, over them, those of a file.

    `module` is that of a node that is not among this package's; `namespace` empty leaves it where it is.
    """
    arguments = [word for file in (*parameter_files(), overrides) for word in ('--params-file', str(file))]
    program = [module] if module else ['cnn_vs_ros.nodes', name]
    placed = ['-r', f'__ns:=/{namespace}'] if namespace else []
    return [sys.executable, '-m', *program, '--ros-args', *arguments, *placed]


def write_parameters(path: Path, parameters: Mapping[str, Mapping[str, Any]]) -> Path:
    """Write parameters by node, in any namespace, as a ROS parameter file."""
    content = {f'/**/{node}': {'ros__parameters': dict(values)} for node, values in parameters.items()}
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def dds_profile(name: str, base: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the variable of the DDS profile under which no image is lost, unless the user has one in `base`."""
    base = os.environ if base is None else base
    variable = profile_variable(base)
    return {} if base.get(variable) else {variable: str(config_path(name))}


def environment(log_folder: Path, base: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of the nodes: DDS on this machine only, with room for images, in a domain of its own.

    The simulated arm takes commands on the topic of real ones, and gives them: so it never joins the domain that
    the user has set in `base` (by default this process's environment). What else is set there stays as it is.
    """
    base = os.environ if base is None else base
    apart = {
        'ROS_DOMAIN_ID': str(private_domain(base.get('ROS_DOMAIN_ID', ''))),
        RANGE: 'LOCALHOST',
        'ROS_STATIC_PEERS': '',
        SERVER: '',
    }
    ours = {
        MIDDLEWARE: 'rmw_fastrtps_cpp',
        'AMENT_PREFIX_PATH': sys.prefix,
        'ROS_LOG_DIR': str(log_folder / 'ros'),
        'PYTHONUNBUFFERED': '1',
    }
    return ours | dict(base) | dds_profile('fastdds.xml', base) | apart
