"""Start the demonstration arm in Gazebo (Harmonic), over the same scenes as this package's simulator."""

from __future__ import annotations

import os
from pathlib import Path

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    IncludeLaunchDescription,
    OpaqueFunction,
    Shutdown,
)
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

from cnn_vs_ros.environment import ros_home
from cnn_vs_ros.resources import config_path
from cnn_vs_ros.simulation.gazebo import write_world

PACKAGE = 'cnn_vs_ros'
VERSIONS = {'jazzy': '8', 'kilted': '9'}
"""Of Gazebo, that a distribution's gz_ros2_control is built for."""


def declared_arguments() -> list[DeclareLaunchArgument]:
    """Return the arguments."""
    arguments = {
        'scene': ('photo', 'What the arm sees: a scene of the simulator, or the path of an SDF world.'),
        'gui': ('true', "Whether to show Gazebo's window."),
        'controller': ('forward_velocity_controller', 'The arm controller that is active: see robot.launch.py.'),
        'description_arguments': ('', 'Further xacro arguments of the arm.'),
        'bridge_file': (str(config_path('gazebo_bridge.yaml')), 'Topics between Gazebo and ROS.'),
    }
    return [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in arguments.items()
    ]


def gazebo_nodes(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Return the nodes for the arguments given."""

    def value(argument: str) -> str:
        return LaunchConfiguration(argument).perform(context)

    arm = PathJoinSubstitution([FindPackageShare(PACKAGE), 'launch', 'robot.launch.py'])
    arm_arguments = {
        'hardware': 'gazebo',
        'controller': value('controller'),
        'description_arguments': value('description_arguments'),
        'use_sim_time': 'true',
        'namespace': '',
    }
    options = [] if value('gui') == 'true' else ['-s', '--headless-rendering']
    version = VERSIONS.get(os.environ.get('ROS_DISTRO', ''))
    return [
        # Not by the launch file of ros_gz_sim, which starts it from a shell that does not pass signals on: Gazebo
        # would outlive a launch that ends otherwise than by Ctrl-C.
        ExecuteProcess(
            cmd=[
                *('gz', 'sim', '-r', '-v', '2', *options, str(world(value('scene')))),
                *(['--force-version', version] if version else []),
            ],
            name='gazebo',
            additional_env={'GZ_SIM_SYSTEM_PLUGIN_PATH': plugin_path()},
            output='screen',
            on_exit=Shutdown(reason='gazebo has ended'),
        ),
        IncludeLaunchDescription(PythonLaunchDescriptionSource(arm), launch_arguments=arm_arguments.items()),
        Node(
            package='ros_gz_sim',
            executable='create',
            arguments=['-topic', 'robot_description', '-name', 'arm'],
            output='screen',
        ),
        Node(
            package='ros_gz_bridge',
            executable='parameter_bridge',
            name='gazebo_bridge',
            parameters=[{'config_file': value('bridge_file'), 'use_sim_time': True}],
            output='screen',
            on_exit=Shutdown(reason='gazebo_bridge has ended'),
        ),
    ]


def plugin_path() -> str:
    """Return where Gazebo looks for plugins: where the user says, and where ROS has its libraries."""
    names = ('GZ_SIM_SYSTEM_PLUGIN_PATH', 'LD_LIBRARY_PATH')
    return os.pathsep.join(filter(None, (os.environ.get(name) for name in names)))


def world(scene: str) -> Path:
    """Return the SDF file of a scene, written below $ROS_HOME; a path is returned as it is."""
    if scene.endswith('.sdf'):
        return Path(scene)
    return write_world(scene, ros_home() / PACKAGE / 'worlds' / scene)


def generate_launch_description() -> LaunchDescription:
    """Describe the launch."""
    return LaunchDescription([*declared_arguments(), OpaqueFunction(function=gazebo_nodes)])
