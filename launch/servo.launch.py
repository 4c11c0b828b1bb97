"""Servo an arm to a reference image: the simulated arm of this package, or your own (robot:=external)."""

from __future__ import annotations

import os
from collections.abc import Callable

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, GroupAction, OpaqueFunction, SetEnvironmentVariable, Shutdown
from launch.substitutions import Command, LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node, PushRosNamespace
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

PACKAGE = 'cnn_vs_ros'
DDS_PROFILE_VARIABLES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')

# argument: (node, parameter, type)
OVERRIDES: dict[str, tuple[str, str, Callable]] = {
    'model': ('pose_estimator', 'model', str),
    'reference': ('pose_estimator', 'reference_folder', str),
    'depth': ('pose_estimator', 'depth', float),
    'lost_behaviour': ('pbvs_controller', 'lost_behaviour', str),
    'scene': ('simulator', 'scene', str),
    'batch': ('experiment', 'batch', int),
    'seed': ('experiment', 'seed', int),
}


def shared(*path: str) -> PathJoinSubstitution:
    """Path in the share folder of this package."""
    return PathJoinSubstitution([FindPackageShare(PACKAGE), *path])


def declared_arguments() -> list[DeclareLaunchArgument]:
    """Return the arguments; one that is empty leaves what params_file says."""
    arguments = {
        'robot': ('simulated', 'simulated: the arm and camera of this package; external: yours, already running.'),
        'params_file': (shared('config', 'servo.yaml'), 'Parameters of all nodes; other arguments override it.'),
        'model': ('', "Model of the estimator: a shipped model's name or the path of a .onnx file."),
        'reference': ('', 'Reference folder: loaded if it exists, written by pose_estimator/capture_reference.'),
        'depth': ('', 'Depth of the scene when a reference is captured, m.'),
        'lost_behaviour': ('', 'When the reference is out of sight: stop, or retreat along the optical axis.'),
        'scene': ('', 'What the simulated arm sees: photo, prints, low_texture or relief.'),
        'experiment': (
            'auto',
            'Whether to do one job and end, or wait for services; auto: with the simulated arm.',
        ),
        'batch': ('', 'How far away the experiment starts, 0 to 9.'),
        'seed': ('', 'Which start of the batch the experiment takes.'),
        'use_sim_time': (
            'auto',
            'Time from /clock, where the simulated arm then publishes it and waits for slow nodes; '
            'auto: with the simulated arm.',
        ),
        'image': ('image_raw', 'Topic of the camera images.'),
        'camera_info': ('camera_info', 'Topic of the camera calibration.'),
        'commands': ('forward_velocity_controller/commands', 'Topic of the joint velocity commands.'),
        'namespace': ('', 'Namespace of all nodes.'),
        'rviz': ('false', 'Whether to show the arm in RViz.'),
    }
    choices = {
        'robot': ['simulated', 'external'],
        'lost_behaviour': ['', 'stop', 'retreat'],
        'experiment': ['auto', 'true', 'false'],
        'use_sim_time': ['auto', 'true', 'false'],
        'rviz': ['true', 'false'],
    }
    return [
        DeclareLaunchArgument(name, default_value=default, description=description, choices=choices.get(name))
        for name, (default, description) in arguments.items()
    ]


def servo_nodes(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Return the nodes for the arguments given."""

    def value(argument: str) -> str:
        return LaunchConfiguration(argument).perform(context)

    simulated = value('robot') == 'simulated'

    def is_true(argument: str) -> bool:
        return simulated if value(argument) == 'auto' else value(argument) == 'true'

    def required(name: str, **parameters: object) -> Node:
        overrides = {
            parameter: kind(value(argument))
            for argument, (node, parameter, kind) in OVERRIDES.items()
            if node == name and value(argument)
        }
        return Node(
            package=PACKAGE,
            executable=name,
            name=name,
            parameters=[value('params_file'), {**parameters, **overrides}],
            remappings=[
                ('image_raw', value('image')),
                ('camera_info', value('camera_info')),
                ('forward_velocity_controller/commands', value('commands')),
            ],
            output='screen',
            on_exit=Shutdown(reason=f'{name} has ended'),
        )

    rviz, clock = is_true('rviz'), {'use_sim_time': is_true('use_sim_time')}
    nodes = [
        required('pose_estimator', **clock),
        required('pbvs_controller', **clock),
        required('differential_ik', **clock),
    ]
    if simulated:
        # Under RViz robot_state_publisher publishes the description.
        simulator = {'lockstep': is_true('use_sim_time'), 'publish_robot_description': not rviz}
        nodes.append(required('simulator', **simulator))
    if is_true('experiment'):
        nodes.append(required('experiment', simulated=simulated, **clock))
    if rviz:
        nodes += rviz_nodes(simulated, clock)
    environment = dds_profile() if simulated else []
    return [*environment, GroupAction([PushRosNamespace(value('namespace')), *nodes])]


def rviz_nodes(simulated: bool, parameters: dict[str, object]) -> list[Node]:
    """Return RViz and, for the simulated arm, the transforms that it shows."""
    nodes = [Node(package='rviz2', executable='rviz2', arguments=['-d', shared('config', 'servo.rviz')])]
    if simulated:
        description = ParameterValue(
            Command(['xacro ', shared('resource', 'description', 'arm.urdf.xacro')]), value_type=str
        )
        nodes.append(
            Node(
                package='robot_state_publisher',
                executable='robot_state_publisher',
                parameters=[{'robot_description': description, **parameters}],
            )
        )
    return nodes


def dds_profile() -> list[SetEnvironmentVariable]:
    """Return the DDS profile under which no image is lost, unless the user has one."""
    if any(os.environ.get(name) for name in DDS_PROFILE_VARIABLES):
        return []
    return [SetEnvironmentVariable(DDS_PROFILE_VARIABLES[0], shared('config', 'fastdds.xml'))]


def generate_launch_description() -> LaunchDescription:
    """Describe the launch."""
    return LaunchDescription([*declared_arguments(), OpaqueFunction(function=servo_nodes)])
