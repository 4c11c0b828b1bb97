"""The nodes of this package and the arguments by which they are started: a row for each.

setup.py, the launch files, the demo, the experiments and the tests are loops over these. Imports nothing beyond
Python itself, for setup.py reads it before anything is installed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple


class NodeRow(NamedTuple):
    """How a node is started.

    `launched` is the fact under which servo.launch.py starts it (`launch_facts` of graph/parameters.py); empty: on
    request alone. `in_demo`: the demo and the experiments of the paper start it.
    """

    launched: str = ''
    in_demo: bool = False


NODES = {
    'simulator': NodeRow('simulated', in_demo=True),
    'pose_estimator': NodeRow('always', in_demo=True),
    'pbvs_controller': NodeRow('always', in_demo=True),
    'differential_ik': NodeRow('differential_ik', in_demo=True),
    'experiment': NodeRow('experiment', in_demo=True),
    'moveit_servo_adapter': NodeRow('moveit_servo'),
    'simulated_camera': NodeRow('simulated_camera'),
    'calibrate': NodeRow('calibrate'),
    'visualization': NodeRow('rviz'),
    'camera': NodeRow(),
    'check_arm': NodeRow(),
    'move_arm': NodeRow(),
    'part_finder': NodeRow(),
    'record': NodeRow(),
    'view': NodeRow(),
}
"""By the name of the node, which is that of its module in cnn_vs_ros.nodes and of its executable."""

DEMO = tuple(name for name, row in NODES.items() if row.in_demo)
"""Nodes of the demo."""


def _truth(value: Any) -> bool:
    return value in (True, 'true')


class Argument(NamedTuple):
    """What an argument means: `text` without a capital or a full stop; `default` and `choices` of a launch file.

    It sets a parameter, of its own name or of the name `parameter`, of `nodes`, after `kind` has made it a value.
    An empty default leaves what the params file says.
    """

    text: str
    default: str = ''
    choices: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    kind: Callable[[Any], Any] = str
    parameter: str = ''


_SWITCH, _AUTO, _UNSET_SWITCH = ('true', 'false'), ('auto', 'true', 'false'), ('', 'true', 'false')

ARGUMENTS = {
    'robot': Argument(
        'simulated: the arm and camera of this package; gazebo: the same in Gazebo; mock: the arm on mock '
        'hardware, its camera simulated; external: yours, already running',
        'simulated',
        ('simulated', 'gazebo', 'mock', 'external'),
    ),
    'arm_interface': Argument(
        'what turns twists into joint motion: differential_ik, or moveit_servo (collision checked)',
        'differential_ik',
        ('differential_ik', 'moveit_servo'),
    ),
    'command_interface': Argument(
        'what the joints are sent: velocity (forward_velocity_controller), position '
        '(forward_position_controller) or trajectory (joint_trajectory_controller)',
        choices=('', 'velocity', 'position', 'trajectory'),
        nodes=('differential_ik', 'simulator'),
    ),
    'params_file': Argument(
        'parameters of all nodes; other arguments override it. Empty: config/servo.yaml, whose limits are '
        'those of a real arm, and over it config/simulated.yaml unless the arm is external'
    ),
    'model': Argument(
        "model of the estimator: a shipped model's name or the path of a .onnx file", nodes=('pose_estimator',)
    ),
    'library': Argument(
        'folder of the references; empty: cnn_vs_ros/<namespace> in $ROS_HOME (~/.ros)', nodes=('pose_estimator',)
    ),
    'reference': Argument(
        'name of the reference: loaded if it is there, written by ~/capture_reference', nodes=('pose_estimator',)
    ),
    'depth': Argument('depth of the scene when a reference is captured, m', nodes=('pose_estimator',), kind=float),
    'lost_behaviour': Argument(
        'when the reference is out of sight: stop; retreat along the optical axis, by 15 cm at most (48 cm from a '
        'scene 80 cm away), to see more; or search, which looks round from there as well',
        choices=('', 'stop', 'retreat', 'search'),
        nodes=('pbvs_controller',),
    ),
    'scene': Argument(
        'what the arm sees unless it is external: photo, prints, low_texture, relief, and 80 cm away: poster, '
        'monument, workbench',
        nodes=('simulator', 'simulated_camera'),
    ),
    'simulated_camera': Argument('whether to draw images from joint_states; auto: with a mock arm', 'auto', _AUTO),
    'experiment': Argument(
        'whether to do one job and end, or wait for services; auto: simulated, by differential_ik', 'auto', _AUTO
    ),
    'batch': Argument('how far away the experiment starts: 9 is hardest', nodes=('experiment',), kind=int),
    'seed': Argument('which start of the batch, the first of a series', nodes=('experiment',), kind=int),
    'runs': Argument('a series: so many seeds', nodes=('experiment',), kind=int),
    'required': Argument('runs of a series that must converge; 0: all', nodes=('experiment',), kind=int),
    'perturbed': Argument(
        'moving lights and moving occluders', choices=_UNSET_SWITCH, nodes=('experiment',), kind=_truth
    ),
    'measure_depth': Argument(
        'measure the depth of the reference by small motions first',
        choices=_UNSET_SWITCH,
        nodes=('experiment',),
        kind=_truth,
    ),
    'max_duration': Argument('seconds after which a run ends', nodes=('experiment',), kind=float),
    'settle_time': Argument(
        'seconds to go on recording after arrival, before the final error is measured',
        nodes=('experiment',),
        kind=float,
    ),
    'output_folder': Argument('where the results are written', nodes=('experiment',)),
    'video': Argument(
        'whether to make a video of each run', choices=_UNSET_SWITCH, nodes=('experiment',), kind=_truth
    ),
    'use_sim_time': Argument(
        'time from /clock, where the simulated arm then publishes it and waits for slow nodes; '
        'auto: simulated by differential_ik, and with Gazebo',
        'auto',
        _AUTO,
    ),
    'description_arguments': Argument('further xacro arguments of the arm, mock or in Gazebo'),
    'gui': Argument("whether to show Gazebo's window", 'true', _SWITCH),
    'end_effector': Argument(
        'with moveit_servo: the tip link of the planning group',
        nodes=('moveit_servo_adapter',),
        parameter='end_effector_frame',
    ),
    'moveit_servo_node': Argument(
        'whether to start MoveIt Servo; auto: except with an external arm', 'auto', _AUTO
    ),
    'moveit_config': Argument('folder of the configuration of MoveIt Servo; empty: that of the simulated arm'),
    'image': Argument('topic of the camera images', 'image_raw'),
    'camera_info': Argument('topic of the camera calibration', 'camera_info'),
    'commands': Argument(
        'topic of the commands of the joints; empty: as the controller of command_interface has it'
    ),
    'namespace': Argument('namespace of all nodes'),
    'calibrate': Argument('whether to start calibrate, which moves the arm when it is asked to', 'false', _SWITCH),
    'arm_calibration': Argument(
        'calibration.yaml of calibrate: mount of the camera, and delay of its stamps',
        nodes=(
            'pose_estimator',
            'differential_ik',
            'moveit_servo_adapter',
            'calibrate',
            'simulated_camera',
            'visualization',
        ),
    ),
    'rviz': Argument('whether to show arm, cameras and images in RViz', 'false', _SWITCH),
}
"""Arguments of servo.launch.py; those of the other ways to start that have the same name mean the same."""
