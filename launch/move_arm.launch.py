"""Move the arm by MoveIt and end: ros2 launch cnn_vs_ros move_arm.launch.py arguments:="--to reference"."""

from __future__ import annotations

import shlex
from pathlib import Path

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.events.process import ProcessExited
from launch.substitutions import Command, LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from cnn_vs_ros.resources import config_path, resource_path

PACKAGE = 'cnn_vs_ros'


def declared_arguments() -> list[DeclareLaunchArgument]:
    """Return the arguments."""
    arguments = {
        'arguments': ('--to reference', 'What to do: ros2 run cnn_vs_ros move_arm --help.'),
        'description_file': (str(resource_path('description/arm.urdf.xacro')), 'URDF or xacro of the arm.'),
        'description_arguments': ('', 'Further xacro arguments.'),
        'moveit_config': (
            str(config_path('moveit')),
            'Folder of arm.srdf, kinematics.yaml, joint_limits.yaml and moveit_py.yaml.',
        ),
        'use_sim_time': ('false', 'Time from /clock, as with Gazebo.'),
    }
    return [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in arguments.items()
    ]


def move_arm(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Return the command for the arguments given."""

    def value(argument: str) -> str:
        return LaunchConfiguration(argument).perform(context)

    folder = Path(value('moveit_config'))
    description = Command(['xacro "', value('description_file'), '" ', value('description_arguments')])
    return [
        Node(
            package=PACKAGE,
            executable='move_arm',
            arguments=shlex.split(value('arguments')),
            parameters=[
                {
                    'robot_description': ParameterValue(description, value_type=str),
                    'robot_description_semantic': (folder / 'arm.srdf').read_text(),
                    'use_sim_time': value('use_sim_time') == 'true',
                },
                *(str(folder / f'{name}.yaml') for name in ('kinematics', 'joint_limits', 'moveit_py')),
            ],
            output='screen',
            on_exit=end,
        )
    ]


def end(event: ProcessExited, _: LaunchContext) -> None:
    """Raise RuntimeError where the command failed: else `ros2 launch` would end with 0."""
    if event.returncode:
        raise RuntimeError(f'move_arm ends with {event.returncode}: the arm is not where it was to go')


def generate_launch_description() -> LaunchDescription:
    """Describe the launch."""
    return LaunchDescription([*declared_arguments(), OpaqueFunction(function=move_arm)])
