"""Start ros2_control on the demonstration arm: mock hardware, or (from gazebo.launch.py) that of Gazebo."""

from __future__ import annotations

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, GroupAction, OpaqueFunction, Shutdown
from launch.substitutions import Command, LaunchConfiguration
from launch_ros.actions import Node, PushRosNamespace
from launch_ros.parameter_descriptions import ParameterValue

from cnn_vs_ros.resources import config_path, resource_path

PACKAGE = 'cnn_vs_ros'
ARM_CONTROLLERS = (
    'forward_velocity_controller',
    'forward_position_controller',
    'joint_trajectory_controller',
)


def declared_arguments() -> list[DeclareLaunchArgument]:
    """Return the arguments."""
    arguments = {
        'hardware': ('mock', 'mock: ros2_control mirrors commands to states; gazebo: the hardware is in Gazebo.'),
        'controller': (
            ARM_CONTROLLERS[0],
            'The arm controller that is active; the others are loaded, inactive.',
        ),
        'controllers_file': (str(config_path('ros2_controllers.yaml')), 'Parameters of the controllers.'),
        'description_file': (str(resource_path('description/arm.urdf.xacro')), 'URDF or xacro of the arm.'),
        'description_arguments': ('', 'Further xacro arguments, for example: camera_xyz:="0.05 0 0.04".'),
        'use_sim_time': ('false', 'Time from /clock.'),
        'namespace': ('', 'Namespace of all nodes.'),
    }
    choices = {
        'hardware': ['mock', 'gazebo'],
        'controller': list(ARM_CONTROLLERS),
        'use_sim_time': ['true', 'false'],
    }
    return [
        DeclareLaunchArgument(name, default_value=default, description=description, choices=choices.get(name))
        for name, (default, description) in arguments.items()
    ]


def robot_nodes(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Return the nodes for the arguments given."""

    def value(argument: str) -> str:
        return LaunchConfiguration(argument).perform(context)

    clock = {'use_sim_time': value('use_sim_time') == 'true'}
    nodes = [state_publisher(clock)]
    if value('hardware') == 'mock':
        nodes.append(
            Node(
                package='controller_manager',
                executable='ros2_control_node',
                parameters=[value('controllers_file'), clock],
                output='screen',
                on_exit=Shutdown(reason='ros2_control_node has ended'),
            )
        )
    inactive = [name for name in ARM_CONTROLLERS if name != value('controller')]
    nodes.append(spawner('joint_state_broadcaster', value('controller')))
    nodes.append(spawner(*inactive, '--inactive'))
    return [GroupAction([PushRosNamespace(value('namespace')), *nodes])]


def state_publisher(clock: dict[str, bool]) -> Node:
    """Return the node that publishes the robot description and its transforms."""
    command = [
        'xacro "',
        LaunchConfiguration('description_file'),
        '" hardware:=',
        LaunchConfiguration('hardware'),
        ' controllers_file:="',
        LaunchConfiguration('controllers_file'),
        '" ',
        LaunchConfiguration('description_arguments'),
    ]
    description = {'robot_description': ParameterValue(Command(command), value_type=str)}
    return Node(
        package='robot_state_publisher',
        executable='robot_state_publisher',
        parameters=[description, clock],
        output='screen',
        on_exit=Shutdown(reason='robot_state_publisher has ended'),
    )


def spawner(*arguments: str) -> Node:
    """Return the process that loads controllers and ends; Gazebo may be slow to come up."""
    return Node(
        package='controller_manager',
        executable='spawner',
        arguments=[
            *arguments,
            '--controller-manager',
            'controller_manager',
            '--controller-manager-timeout',
            '120',
        ],
        output='screen',
    )


def generate_launch_description() -> LaunchDescription:
    """Describe the launch."""
    return LaunchDescription([*declared_arguments(), OpaqueFunction(function=robot_nodes)])
