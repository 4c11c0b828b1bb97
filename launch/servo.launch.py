"""Servo an arm to a reference image: simulated, in Gazebo, on mock hardware, or your own (robot:=external)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import (
    DeclareLaunchArgument,
    GroupAction,
    IncludeLaunchDescription,
    LogInfo,
    OpaqueFunction,
    SetEnvironmentVariable,
    Shutdown,
)
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import Command, LaunchConfiguration
from launch_ros.actions import Node, PushRosNamespace
from launch_ros.parameter_descriptions import ParameterValue

from cnn_vs_ros.control.command_interface import CommandInterface
from cnn_vs_ros.graph.parameters import launch_facts, launch_parameters
from cnn_vs_ros.graph.starting import dds_profile, parameter_files
from cnn_vs_ros.graph.table import ARGUMENTS
from cnn_vs_ros.resources import config_path, resource_path, share_directory

PACKAGE = 'cnn_vs_ros'


def declared_arguments() -> list[DeclareLaunchArgument]:
    """Return the arguments; one that is empty leaves what params_file says."""
    return [
        DeclareLaunchArgument(
            name,
            default_value=argument.default,
            description=f'{argument.text[0].upper()}{argument.text[1:]}.',
            choices=list(argument.choices) or None,
        )
        for name, argument in ARGUMENTS.items()
    ]


def servo_nodes(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Return the nodes for the arguments given."""
    given = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    robot, facts = given['robot'], launch_facts(given)
    if robot == 'gazebo' and given['namespace']:
        raise RuntimeError('namespace should be empty with robot:=gazebo, whose controllers have none')
    if facts['simulated'] and facts['moveit_servo'] and facts['use_sim_time']:
        raise RuntimeError(
            'use_sim_time should be false with robot:=simulated arm_interface:=moveit_servo: simulated time waits '
            'for commands, and MoveIt Servo sends none while it rests'
        )
    files = [given['params_file']] if given['params_file'] else parameter_files(real_arm=robot == 'external')
    interface = CommandInterface(given['command_interface'] or 'velocity')
    commands = given['commands'] or interface.topic
    # params_file may say which one it is; the experiment of the simulated arm listens to all of them.
    remapped = [interface] if facts['simulated'] else list(CommandInterface)
    remappings = [
        ('image_raw', given['image']),
        ('camera_info', given['camera_info']),
        *((each.topic, commands) for each in remapped if given['commands']),
    ]
    nodes = [
        Node(
            package=PACKAGE,
            executable=name,
            name=name,
            parameters=[*map(str, files), parameters],
            remappings=remappings,
            output='screen',
            on_exit=Shutdown(reason=f'{name} has ended'),
        )
        for name, parameters in launch_parameters(given).items()
    ]
    clock = {'use_sim_time': facts['use_sim_time']}
    if facts['moveit_servo'] and facts['moveit_servo_node']:
        configuration = Path(given['moveit_config'] or config_path('moveit'))
        nodes.append(moveit_servo(configuration, commands if facts['simulated'] else '', clock))
    if facts['rviz']:
        nodes += rviz_nodes(facts['simulated'], clock)
    if robot in ('gazebo', 'mock'):
        controller = 'joint_trajectory_controller' if facts['moveit_servo'] else interface.controller
        nodes.append(arm_with_controllers(robot, controller, given, facts['use_sim_time']))
    profile = dds_profile('fastdds_network.xml' if robot == 'external' else 'fastdds.xml')
    environment = [SetEnvironmentVariable(name, value) for name, value in profile.items()]
    if robot == 'external':
        environment += network_advice()
    return [*environment, GroupAction([PushRosNamespace(given['namespace']), *nodes])]


def arm_with_controllers(
    robot: str, controller: str, given: Mapping[str, str], sim_time: bool
) -> IncludeLaunchDescription:
    """Return the launch of the arm on mock hardware or in Gazebo, with the controller that is sent commands."""
    # An included launch inherits what it is not given; the namespace is pushed already.
    arguments = {
        'namespace': '',
        'use_sim_time': str(sim_time).lower(),
        'controller': controller,
        'description_arguments': given['description_arguments'],
    }
    if robot == 'gazebo':
        arguments |= {'scene': given['scene'] or 'photo', 'gui': given['gui']}
    file = 'gazebo.launch.py' if robot == 'gazebo' else 'robot.launch.py'
    return IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(share_directory() / 'launch' / file)), launch_arguments=arguments.items()
    )


def moveit_servo(configuration: Path, velocities: str, clock: dict[str, bool]) -> Node:
    """Return the node of MoveIt Servo for the demonstration arm; `velocities` is the topic of a simulated one."""
    parameters = [str(configuration / f'{name}.yaml') for name in ('kinematics', 'joint_limits', 'servo')]
    semantic = (configuration / 'arm.srdf').read_text()
    # The simulator takes joint velocities, and stops by itself when they cease.
    output = {
        'command_out_type': 'std_msgs/Float64MultiArray',
        'command_out_topic': velocities,
        'publish_joint_positions': False,
    }
    return Node(
        package='moveit_servo',
        executable='servo_node',
        name='servo_node',
        parameters=[
            *parameters,
            {'robot_description': description(), 'robot_description_semantic': semantic, **clock},
            *([{'moveit_servo': output}] if velocities else []),
        ],
        output='screen',
        on_exit=Shutdown(reason='servo_node has ended'),
    )


def description() -> ParameterValue:
    """Return the description of the demonstration arm."""
    file = resource_path('description/arm.urdf.xacro')
    command = Command([f'xacro "{file}" ', LaunchConfiguration('description_arguments')])
    return ParameterValue(command, value_type=str)


def rviz_nodes(simulated: bool, clock: dict[str, bool]) -> list[Node]:
    """Return RViz and, for the simulated arm, the transforms that it shows."""
    config = config_path('servo.rviz')
    nodes = [Node(package='rviz2', executable='rviz2', arguments=['-d', str(config)], parameters=[clock])]
    if simulated:
        parameters = [{'robot_description': description(), **clock}]
        publisher = 'robot_state_publisher'
        nodes.append(Node(package=publisher, executable=publisher, parameters=parameters))
    return nodes


def network_advice() -> list[LaunchDescriptionEntity]:
    """Return what to say of an arm that anybody on the network may drive."""
    if os.environ.get('ROS_AUTOMATIC_DISCOVERY_RANGE') == 'LOCALHOST':
        return []
    advice = (
        'anyone on the network who has this ROS_DOMAIN_ID can send commands to the arm: set '
        'ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST where all of the graph is on this computer, else give Fast DDS '
        "the interface of the arm's own network (docs/safety.md, Keeping strangers off)"
    )
    return [LogInfo(msg=advice)]


def generate_launch_description() -> LaunchDescription:
    """Describe the launch."""
    return LaunchDescription([*declared_arguments(), OpaqueFunction(function=servo_nodes)])
