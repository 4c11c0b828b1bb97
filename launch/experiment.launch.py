"""Repeat an experiment of the paper with the simulated arm, as `python -m cnn_vs_ros experiment` does."""

from __future__ import annotations

import os
from argparse import Namespace
from pathlib import Path

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import (
    DeclareLaunchArgument,
    LogInfo,
    OpaqueFunction,
    RegisterEventHandler,
    SetEnvironmentVariable,
    Shutdown,
)
from launch.event_handlers import OnProcessExit
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from cnn_vs_ros.demo.experiments import conclusion, parameters
from cnn_vs_ros.demo.graph import NODES, PARAMETERS_FILE, PROFILES_FILE, write_parameters
from cnn_vs_ros.demo.running import EXPERIMENT
from cnn_vs_ros.report.folder import new_folder
from cnn_vs_ros.resources import config_path
from cnn_vs_ros.run.paper import EXPERIMENTS, PaperExperiment

PACKAGE = 'cnn_vs_ros'
DDS_PROFILE_VARIABLES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')


def declared_arguments() -> list[DeclareLaunchArgument]:
    """Return the arguments."""
    arguments = {
        'name': ('planar', 'Which experiment.', [*EXPERIMENTS]),
        'model': ('', "A shipped model's name or the path of a .onnx file; empty: scene_agnostic.", None),
        'runs': ('1', 'Number of runs, with consecutive seeds.', None),
        'seed': ('0', "Seed of the first start: 0 is the paper's, others are about it.", None),
        'max_duration': ('90.0', 'A run ends after this time, simulated s.', None),
        'output': ('runs', 'Folder below which the results are written.', None),
        'video': ('true', 'Whether to make a video of each run.', ['true', 'false']),
    }
    return [
        DeclareLaunchArgument(name, default_value=default, description=description, choices=choices)
        for name, (default, description, choices) in arguments.items()
    ]


def experiment_nodes(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Return the nodes for the arguments given."""
    given = {
        argument.name: LaunchConfiguration(argument.name).perform(context) for argument in declared_arguments()
    }
    experiment = EXPERIMENTS[given['name']]
    folder = new_folder(given['output']).resolve()
    wanted = Namespace(
        model=given['model'] or None,
        runs=int(given['runs']),
        seed=int(given['seed']),
        max_duration=float(given['max_duration']),
        no_video=given['video'] == 'false',
    )
    overrides = write_parameters(folder / 'parameters.yaml', parameters(experiment, wanted, folder))
    nodes = {
        name: Node(
            package=PACKAGE,
            executable=name,
            name=name,
            parameters=[str(config_path(PARAMETERS_FILE)), str(overrides)],
            output='screen',
            on_exit=None if name == EXPERIMENT else Shutdown(reason=f'{name} has ended'),
        )
        for name in NODES
    }
    verdict = OpaqueFunction(function=say_conclusion, args=[experiment, folder])
    end = [verdict, Shutdown(reason='the experiment has ended')]
    handler = RegisterEventHandler(OnProcessExit(target_action=nodes[EXPERIMENT], on_exit=end))
    return [*dds_profile(), handler, *nodes.values()]


def say_conclusion(_: LaunchContext, experiment: PaperExperiment, folder: Path) -> list[LaunchDescriptionEntity]:
    """Say what was reached, if the experiment came to its end."""
    if not (folder / 'summary.json').is_file():
        return []
    return [LogInfo(msg=conclusion(experiment, folder)[0])]


def dds_profile() -> list[SetEnvironmentVariable]:
    """Return the DDS profile under which no image is lost, unless the user has one."""
    if any(os.environ.get(name) for name in DDS_PROFILE_VARIABLES):
        return []
    return [SetEnvironmentVariable(DDS_PROFILE_VARIABLES[0], str(config_path(PROFILES_FILE)))]


def generate_launch_description() -> LaunchDescription:
    """Describe the launch."""
    return LaunchDescription([*declared_arguments(), OpaqueFunction(function=experiment_nodes)])
