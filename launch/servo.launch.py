"""Servo an arm to a reference image: simulated, in Gazebo, on mock hardware, or your own (robot:=external)."""

from __future__ import annotations

import os
from collections.abc import Callable
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
from launch.substitutions import Command, LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node, PushRosNamespace
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from cnn_vs_ros.control.command_interface import CommandInterface

PACKAGE = 'cnn_vs_ros'
DDS_PROFILE_VARIABLES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')
ARM_INTERFACES = ('differential_ik', 'moveit_servo')
"""What turns twists into commands of the joints."""

# argument: (node, parameter, type)
OVERRIDES: dict[str, tuple[str, str, Callable]] = {
    'model': ('pose_estimator', 'model', str),
    'library': ('pose_estimator', 'library', str),
    'reference': ('pose_estimator', 'reference', str),
    'depth': ('pose_estimator', 'depth', float),
    'lost_behaviour': ('pbvs_controller', 'lost_behaviour', str),
    'command_interface': ('differential_ik', 'command_interface', str),
    'batch': ('experiment', 'batch', int),
    'seed': ('experiment', 'seed', int),
}


ARM_CALIBRATED = (
    'pose_estimator',
    'differential_ik',
    'moveit_servo_adapter',
    'calibrate',
    'simulated_camera',
    'visualization',
)
"""Nodes that take what a calibration has found."""


def shared(*path: str) -> PathJoinSubstitution:
    """Path in the share folder of this package."""
    return PathJoinSubstitution([FindPackageShare(PACKAGE), *path])


def declared_arguments() -> list[DeclareLaunchArgument]:
    """Return the arguments; one that is empty leaves what params_file says."""
    arguments = {
        'robot': (
            'simulated',
            'simulated: the arm and camera of this package; gazebo: the same in Gazebo; mock: the arm on mock '
            'hardware, its camera simulated; external: yours, already running.',
        ),
        'arm_interface': (
            'differential_ik',
            'What turns twists into joint motion: differential_ik, or moveit_servo (collision checked).',
        ),
        'command_interface': (
            '',
            'What differential_ik sends: velocity (forward_velocity_controller), position '
            '(forward_position_controller) or trajectory (joint_trajectory_controller).',
        ),
        'params_file': (
            '',
            'Parameters of all nodes; other arguments override it. Empty: config/servo.yaml, whose limits are '
            'those of a real arm, and over it config/simulated.yaml unless the arm is external.',
        ),
        'model': ('', "Model of the estimator: a shipped model's name or the path of a .onnx file."),
        'library': ('', 'Folder of the references. Empty: cnn_vs_ros/<namespace> in $ROS_HOME (~/.ros).'),
        'reference': ('', 'Name of the reference: loaded if it is there, written by ~/capture_reference.'),
        'depth': ('', 'Depth of the scene when a reference is captured, m.'),
        'lost_behaviour': ('', 'When the reference is out of sight: stop, retreat or search.'),
        'scene': ('', 'What the arm sees unless it is external: photo, prints, low_texture, relief and others.'),
        'simulated_camera': ('auto', 'Whether to draw images from joint_states; auto: with a mock arm.'),
        'experiment': (
            'auto',
            'Whether to do one job and end, or wait for services; auto: simulated, by differential_ik.',
        ),
        'batch': ('', 'How far away the experiment starts, 0 to 9.'),
        'seed': ('', 'Which start of the batch the experiment takes.'),
        'use_sim_time': (
            'auto',
            'Time from /clock, where the simulated arm then publishes it and waits for slow nodes; '
            'auto: simulated by differential_ik, and with Gazebo.',
        ),
        'description_arguments': ('', 'Further xacro arguments of the arm, mock or in Gazebo.'),
        'gui': ('true', "Whether to show Gazebo's window."),
        'end_effector': ('tool0', 'With moveit_servo: the tip link of the planning group.'),
        'moveit_servo_node': ('auto', 'Whether to start MoveIt Servo; auto: except with an external arm.'),
        'moveit_config': (shared('config', 'moveit'), 'Folder of the configuration of MoveIt Servo.'),
        'image': ('image_raw', 'Topic of the camera images.'),
        'camera_info': ('camera_info', 'Topic of the camera calibration.'),
        'commands': (
            '',
            'Topic of the commands of the joints; empty: as the controller of command_interface has it.',
        ),
        'namespace': ('', 'Namespace of all nodes.'),
        'calibrate': ('false', 'Whether to start calibrate, which moves the arm when it is asked to.'),
        'arm_calibration': ('', 'calibration.yaml of calibrate: mount of the camera, and delay of its stamps.'),
        'rviz': ('false', 'Whether to show arm, cameras and images in RViz.'),
    }
    choices = {
        'robot': ['simulated', 'gazebo', 'mock', 'external'],
        'arm_interface': list(ARM_INTERFACES),
        'command_interface': ['', *(interface.value for interface in CommandInterface)],
        'lost_behaviour': ['', 'stop', 'retreat', 'search'],
        'experiment': ['auto', 'true', 'false'],
        'use_sim_time': ['auto', 'true', 'false'],
        'rviz': ['true', 'false'],
        'calibrate': ['true', 'false'],
        'gui': ['true', 'false'],
        'moveit_servo_node': ['auto', 'true', 'false'],
        'simulated_camera': ['auto', 'true', 'false'],
    }
    return [
        DeclareLaunchArgument(name, default_value=default, description=description, choices=choices.get(name))
        for name, (default, description) in arguments.items()
    ]


def servo_nodes(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Return the nodes for the arguments given."""

    def value(argument: str) -> str:
        return LaunchConfiguration(argument).perform(context)

    robot, by_moveit = value('robot'), value('arm_interface') == 'moveit_servo'
    simulated, in_lockstep = robot == 'simulated', robot == 'simulated' and not by_moveit
    automatic = {
        'experiment': in_lockstep,
        'use_sim_time': in_lockstep or robot == 'gazebo',
        'moveit_servo_node': robot != 'external',
        'simulated_camera': robot == 'mock',
    }

    interface = CommandInterface(value('command_interface') or 'velocity')
    commands = value('commands') or interface.topic
    # params_file may say which one it is; the experiment of the simulated arm listens to all of them.
    remapped = [interface] if simulated else list(CommandInterface)
    files = [value('params_file')] if value('params_file') else [*parameter_files(robot)]

    def is_true(argument: str) -> bool:
        return automatic[argument] if value(argument) == 'auto' else value(argument) == 'true'

    def required(name: str, **parameters: object) -> Node:
        overrides = {
            parameter: kind(value(argument))
            for argument, (node, parameter, kind) in OVERRIDES.items()
            if node == name and value(argument)
        }
        if name in ('simulator', 'simulated_camera') and value('scene'):
            overrides['scene'] = value('scene')
        if name in ARM_CALIBRATED and value('arm_calibration'):
            overrides['arm_calibration'] = value('arm_calibration')
        return Node(
            package=PACKAGE,
            executable=name,
            name=name,
            parameters=[*files, {**parameters, **overrides}],
            remappings=[
                ('image_raw', value('image')),
                ('camera_info', value('camera_info')),
                *((each.topic, commands) for each in remapped if value('commands')),
            ],
            output='screen',
            on_exit=Shutdown(reason=f'{name} has ended'),
        )

    rviz, clock = is_true('rviz'), {'use_sim_time': is_true('use_sim_time')}
    nodes = [
        required('pose_estimator', **clock),
        required('pbvs_controller', **clock),
    ]
    if not by_moveit:
        nodes.append(required('differential_ik', **clock))
    else:
        nodes.append(required('moveit_servo_adapter', end_effector_frame=value('end_effector'), **clock))
        if is_true('moveit_servo_node'):
            nodes.append(moveit_servo(value('moveit_config'), commands if simulated else '', clock))
    if simulated:
        # Under RViz robot_state_publisher publishes the description.
        simulator = {'lockstep': clock['use_sim_time'], 'publish_robot_description': not rviz}
        if value('command_interface'):
            simulator['command_interface'] = interface.value
        nodes.append(required('simulator', **simulator))
    if is_true('simulated_camera'):
        nodes.append(required('simulated_camera', **clock))
    if is_true('experiment'):
        nodes.append(required('experiment', simulated=simulated, **clock))
    if is_true('calibrate'):
        nodes.append(required('calibrate', **clock))
    if rviz:
        nodes += [required('visualization', **clock), *rviz_nodes(simulated, clock)]
    if robot in ('gazebo', 'mock'):
        controller = 'joint_trajectory_controller' if by_moveit else interface.controller
        nodes.append(arm_with_controllers(robot, controller, value))
        if robot == 'gazebo' and value('namespace'):
            raise RuntimeError('namespace should be empty with robot:=gazebo, whose controllers have none')
    environment = dds_profile('fastdds_network.xml' if robot == 'external' else 'fastdds.xml')
    if robot == 'external':
        environment += network_advice()
    return [*environment, GroupAction([PushRosNamespace(value('namespace')), *nodes])]


def parameter_files(robot: str) -> list[PathJoinSubstitution]:
    """Return the shipped parameter files for an arm, each over the one before."""
    names = ['servo.yaml'] if robot == 'external' else ['servo.yaml', 'simulated.yaml']
    return [shared('config', name) for name in names]


def arm_with_controllers(robot: str, controller: str, value: Callable[[str], str]) -> IncludeLaunchDescription:
    """Return the launch of the arm on mock hardware or in Gazebo, with the controller that is sent commands."""
    # An included launch inherits what it is not given; the namespace is pushed already.
    arguments = {
        'namespace': '',
        'use_sim_time': str(robot == 'gazebo').lower(),
        'controller': controller,
        'description_arguments': value('description_arguments'),
    }
    if robot == 'gazebo':
        arguments |= {'scene': value('scene') or 'photo', 'gui': value('gui')}
    file = 'gazebo.launch.py' if robot == 'gazebo' else 'robot.launch.py'
    return IncludeLaunchDescription(
        PythonLaunchDescriptionSource(shared('launch', file)), launch_arguments=arguments.items()
    )


def moveit_servo(configuration: str, velocities: str, clock: dict[str, bool]) -> Node:
    """Return the node of MoveIt Servo for the demonstration arm; `velocities` is the topic of a simulated one."""
    folder = Path(configuration)
    parameters = [str(folder / f'{name}.yaml') for name in ('kinematics', 'joint_limits', 'servo')]
    semantic = (folder / 'arm.srdf').read_text()
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
    file = shared('resource', 'description', 'arm.urdf.xacro')
    command = Command(['xacro ', file, ' ', LaunchConfiguration('description_arguments')])
    return ParameterValue(command, value_type=str)


def rviz_nodes(simulated: bool, clock: dict[str, bool]) -> list[Node]:
    """Return RViz and, for the simulated arm, the transforms that it shows."""
    config = shared('config', 'servo.rviz')
    nodes = [Node(package='rviz2', executable='rviz2', arguments=['-d', config], parameters=[clock])]
    if simulated:
        parameters = [{'robot_description': description(), **clock}]
        publisher = 'robot_state_publisher'
        nodes.append(Node(package=publisher, executable=publisher, parameters=parameters))
    return nodes


def dds_profile(name: str) -> list[LaunchDescriptionEntity]:
    """Return the DDS profile under which no image is lost, unless the user has one."""
    if any(os.environ.get(name) for name in DDS_PROFILE_VARIABLES):
        return []
    return [SetEnvironmentVariable(DDS_PROFILE_VARIABLES[0], shared('config', name))]


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
