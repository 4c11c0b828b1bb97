"""The nodes of the demo and how each is started: the same executables and parameters as launch/servo.launch.py."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from cnn_vs_ros.demo.private_domain import private_domain
from cnn_vs_ros.environment import MIDDLEWARE, RANGE, SERVER
from cnn_vs_ros.resources import config_path

NODES = ('simulator', 'pose_estimator', 'pbvs_controller', 'differential_ik', 'experiment')
"""Names of the nodes, of their modules in cnn_vs_ros.nodes and of their executables."""

TOOLS = (
    'calibrate',
    'camera',
    'check_arm',
    'moveit_servo_adapter',
    'move_arm',
    'part_finder',
    'record',
    'simulated_camera',
    'view',
    'visualization',
)
"""Names of the nodes that are started on request."""

PARAMETERS_FILES = 'servo.yaml', 'simulated.yaml'
PROFILES_FILE = 'fastdds.xml'

Parameters = Mapping[str, Mapping[str, Any]]


def node_command(name: str, overrides: Path) -> list[str]:
    """Return the command that runs a node with the shipped parameters and, over them, those of a file."""
    files = [*map(config_path, PARAMETERS_FILES), overrides]
    arguments = [word for file in files for word in ('--params-file', str(file))]
    return [sys.executable, '-m', 'cnn_vs_ros.nodes', name, '--ros-args', *arguments]


def write_parameters(path: Path, parameters: Parameters) -> Path:
    """Write parameters by node as a ROS parameter file."""
    content = {node: {'ros__parameters': dict(values)} for node, values in parameters.items()}
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


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
    result = {
        MIDDLEWARE: 'rmw_fastrtps_cpp',
        'FASTRTPS_DEFAULT_PROFILES_FILE': str(config_path(PROFILES_FILE)),
        'AMENT_PREFIX_PATH': sys.prefix,
        'ROS_LOG_DIR': str(log_folder / 'ros'),
        'PYTHONUNBUFFERED': '1',
    }
    return result | dict(base) | apart
