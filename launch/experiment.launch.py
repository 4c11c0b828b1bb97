"""Repeat an experiment of the paper with the simulated arm, as `python -m cnn_vs_ros experiment` does."""

from __future__ import annotations

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
from cnn_vs_ros.demo.running import EXPERIMENT
from cnn_vs_ros.environment import user_path
from cnn_vs_ros.graph.starting import NAMESPACE, dds_profile, parameter_files, write_parameters
from cnn_vs_ros.graph.table import ARGUMENTS, DEMO
from cnn_vs_ros.report.folder import new_folder
from cnn_vs_ros.run.paper import EXPERIMENTS, PaperExperiment

PACKAGE = 'cnn_vs_ros'


def declared_arguments() -> list[DeclareLaunchArgument]:
    """Return the arguments."""
    shared = [
        DeclareLaunchArgument(
            name,
            default_value='',
            description=ARGUMENTS[name].text,
            choices=list(ARGUMENTS[name].choices) or None,
        )
        for name in ('model', 'runs', 'max_duration', 'video')
    ]
    return [
        DeclareLaunchArgument('name', default_value='planar', description='Which one.', choices=[*EXPERIMENTS]),
        DeclareLaunchArgument(
            'seed', default_value='0', description="Of the first start: 0 is the paper's, others are about it."
        ),
        DeclareLaunchArgument('output', default_value='runs', description='Folder below which the results are.'),
        *shared,
    ]


def experiment_nodes(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Return the nodes for the arguments given."""
    given = {
        argument.name: LaunchConfiguration(argument.name).perform(context) for argument in declared_arguments()
    }
    experiment = EXPERIMENTS[given['name']]
    folder = new_folder(user_path(given['output'])).resolve()
    overrides = write_parameters(folder / 'parameters.yaml', parameters(experiment, given, folder))
    nodes = {
        name: Node(
            package=PACKAGE,
            executable=name,
            name=name,
            namespace=NAMESPACE,
            parameters=[str(file) for file in (*parameter_files(), overrides)],
            output='screen',
            on_exit=None if name == EXPERIMENT else Shutdown(reason=f'{name} has ended'),
        )
        for name in DEMO
    }
    verdict = OpaqueFunction(function=say_conclusion, args=[experiment, folder])
    end = [verdict, Shutdown(reason='the experiment has ended')]
    handler = RegisterEventHandler(OnProcessExit(target_action=nodes[EXPERIMENT], on_exit=end))
    profile = [SetEnvironmentVariable(*item) for item in dds_profile('fastdds.xml').items()]
    return [*profile, handler, *nodes.values()]


def say_conclusion(_: LaunchContext, experiment: PaperExperiment, folder: Path) -> list[LaunchDescriptionEntity]:
    """Say what was reached, if the experiment came to its end."""
    if not (folder / 'summary.json').is_file():
        return []
    return [LogInfo(msg=conclusion(experiment, folder)[0])]


def generate_launch_description() -> LaunchDescription:
    """Describe the launch."""
    return LaunchDescription([*declared_arguments(), OpaqueFunction(function=experiment_nodes)])
