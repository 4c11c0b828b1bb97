"""The facts that the robot's files share: joints, controllers, topics and frames, across all of them."""

from __future__ import annotations

import ast
import xml.etree.ElementTree as ElementTree

import numpy as np
import pinocchio
import pytest
import rclpy
import yaml

from cnn_vs_ros import frames
from cnn_vs_ros.control import DifferentialIk
from cnn_vs_ros.control.command_interface import CommandInterface
from cnn_vs_ros.control.moveit_servo import rigid_transform
from cnn_vs_ros.resources import config_path
from cnn_vs_ros.simulation import load_robot_description
from cnn_vs_ros.simulation.description import joint_limits
from test.ros_graph import ROOT, in_own_domain
from test.stand_ins.moveit_servo_motion import ACCELERATION_LIMITED, ServoMotion

URDF = load_robot_description(hardware='gazebo', controllers_file='controllers.yaml')
ROBOT = ElementTree.fromstring(URDF)
LIMITS = {limit.name: limit for limit in joint_limits(URDF)}
JOINTS = list(LIMITS)
LINKS = {link.get('name') for link in ROBOT.iterfind('link')}
SRDF = ElementTree.parse(config_path('moveit/arm.srdf')).getroot()
PARAMETER_FILES = [
    'ros2_controllers.yaml',
    *(f'moveit/{path.name}' for path in config_path('moveit').glob('*.yaml')),
]


def section(file: str, node: str = '/**') -> dict:
    return yaml.safe_load(config_path(file).read_text())[node]['ros__parameters']


def constant(file: str, name: str):
    """Value of a constant of a Python file."""
    for node in ast.parse((ROOT / file).read_text()).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == name:
            return ast.literal_eval(node.value)
    raise AssertionError(f'{file} has no {name}')


def declared(file: str, name: str):
    """Default of a parameter that a node declares."""
    for call in ast.walk(ast.parse((ROOT / 'cnn_vs_ros' / 'nodes' / f'{file}.py').read_text())):
        if isinstance(call, ast.Call) and getattr(call.func, 'id', '') == 'declare' and _names(call, name):
            default = call.args[2]
            return getattr(frames, default.attr) if isinstance(default, ast.Attribute) else default.value
    raise AssertionError(f'{file} declares no {name}')


def _names(call: ast.Call, name: str) -> bool:
    return isinstance(call.args[1], ast.Constant) and call.args[1].value == name


def published(file: str) -> set[str]:
    makers = {'create_publisher', 'create_lifecycle_publisher'}
    tree = ast.parse((ROOT / 'cnn_vs_ros' / 'nodes' / f'{file}.py').read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return {
        call.args[1].value.replace('~', file)
        for call in calls
        if getattr(call.func, 'attr', '') in makers and isinstance(call.args[1], ast.Constant)
    }


@pytest.mark.parametrize('file', PARAMETER_FILES)
def test_ros_reads_every_parameter_file(file):
    """rcl's parser is stricter than YAML's: no aliases, no lists of mixed types."""
    with in_own_domain('--params-file', str(config_path(file))):
        for key, content in yaml.safe_load(config_path(file).read_text()).items():
            name = key.rpartition('/')[2].replace('**', 'any')
            node = rclpy.create_node(name, namespace='some', automatically_declare_parameters_from_overrides=True)
            values = node.get_parameters_by_prefix('')
            assert values.keys() > {'use_sim_time'}
            first = next(iter(content['ros__parameters']))
            assert any(value.partition('.')[0] == first for value in values)
            node.destroy_node()


def test_joints():
    for controller in (interface.controller for interface in CommandInterface):
        assert section('ros2_controllers.yaml', f'/**/{controller}')['joints'] == JOINTS
    trajectories = section('ros2_controllers.yaml', '/**/joint_trajectory_controller')
    assert set(JOINTS) < set(trajectories['constraints'])
    assert list(section('moveit/joint_limits.yaml')['robot_description_planning']['joint_limits']) == JOINTS
    manager = section('moveit/moveit_py.yaml')['moveit_simple_controller_manager']
    assert [manager[name]['joints'] for name in manager['controller_names']] == [JOINTS]
    for state in SRDF.iterfind('group_state'):
        assert [joint.get('name') for joint in state.iterfind('joint')] == JOINTS


def test_controllers():
    loaded = {
        name
        for name, value in section('ros2_controllers.yaml', '/**/controller_manager').items()
        if isinstance(value, dict)
    }
    arm = set(constant('launch/robot.launch.py', 'ARM_CONTROLLERS'))
    assert loaded == arm | {'joint_state_broadcaster'}
    assert {interface.controller for interface in CommandInterface} == arm
    trajectory = CommandInterface.TRAJECTORY
    servo = section('moveit/servo.yaml', '/**/servo_node')['moveit_servo']
    assert servo['command_out_topic'] == trajectory.topic
    manager = section('moveit/moveit_py.yaml')['moveit_simple_controller_manager']
    assert manager['controller_names'] == [trajectory.controller]


def test_the_hardware_has_the_interfaces_that_the_controllers_claim():
    forward = [
        section('ros2_controllers.yaml', f'/**/{interface.controller}')['interface_name']
        for interface in (CommandInterface.VELOCITY, CommandInterface.POSITION)
    ]
    assert forward == ['velocity', 'position']
    trajectory = section('ros2_controllers.yaml', '/**/joint_trajectory_controller')
    for joint in ROBOT.iterfind('ros2_control/joint'):
        commands = {item.get('name') for item in joint.iterfind('command_interface')}
        states = {item.get('name') for item in joint.iterfind('state_interface')}
        assert {*forward, *trajectory['command_interfaces']} <= commands
        assert set(trajectory['state_interfaces']) <= states


def test_limits_of_planning_are_within_those_of_the_description():
    for name, limit in section('moveit/joint_limits.yaml')['robot_description_planning']['joint_limits'].items():
        assert 0 < limit['max_velocity'] <= LIMITS[name].velocity


def test_semantic_description():
    assert SRDF.get('name') == ROBOT.get('name')
    (group,) = SRDF.iterfind('group')
    chain = group.find('chain')
    tip = declared('moveit_servo_adapter', 'end_effector_frame')
    assert (chain.get('base_link'), chain.get('tip_link')) == ('base_link', tip)
    rigid_transform(URDF, tip, declared('moveit_servo_adapter', 'camera_frame'))
    assert list(section('moveit/kinematics.yaml')['robot_description_kinematics']) == [group.get('name')]
    node = section('moveit/servo.yaml', '/**/servo_node')
    assert node['moveit_servo']['move_group_name'] == node['planning_group_name'] == group.get('name')
    assert node['moveit_servo']['publish_period'] == node['update_period']
    collidable = {link.get('name') for link in ROBOT.iterfind('link') if link.find('collision') is not None}
    for pair in SRDF.iterfind('disable_collisions'):
        assert {pair.get('link1'), pair.get('link2')} <= collidable
    initial = {
        joint.get('name'): joint.findtext("state_interface[@name='position']/param")
        for joint in ROBOT.iterfind('ros2_control/joint')
    }
    reference = SRDF.find("group_state[@name='reference']")
    assert {joint.get('name'): joint.get('value') for joint in reference} == initial


def test_the_named_poses_are_within_the_limits_and_free_of_collisions():
    model = pinocchio.buildModelFromXML(URDF)
    geometry = pinocchio.buildGeomFromUrdfString(model, URDF, pinocchio.GeometryType.COLLISION)
    geometry.addAllCollisionPairs()
    pinocchio.removeCollisionPairs(model, geometry, str(config_path('moveit/arm.srdf')))
    assert len(geometry.collisionPairs) > 8
    for state in SRDF.iterfind('group_state'):
        q = np.array([float(joint.get('value')) for joint in state])
        for name, value in zip(JOINTS, q, strict=True):
            assert LIMITS[name].lower < value < LIMITS[name].upper
        data = geometry.createData()
        assert not pinocchio.computeCollisions(model, model.createData(), geometry, data, q, True), state.get(
            'name'
        )


def test_moveit_servo_is_set_up_as_its_adapter_wants():
    servo = section('moveit/servo.yaml', '/**/servo_node')['moveit_servo']
    assert servo['command_in_type'] == 'speed_units'
    assert servo['apply_twist_commands_about_ee_frame'] is True
    # It clips linear and angular speeds apart from one another: never below what pbvs_controller may ask for.
    limits = section('simulated.yaml', '/**/pbvs_controller')['limits']
    lever = np.linalg.norm(rigid_transform(URDF, 'tool0', 'camera_optical_frame')[:3, 3])
    assert servo['scale']['linear'] >= limits['linear_velocity'] + lever * limits['angular_velocity']
    assert servo['scale']['rotational'] >= limits['angular_velocity']
    ik = section('servo.yaml', '/**/differential_ik')
    for name in ('lower_singularity_threshold', 'hard_stop_singularity_threshold'):
        assert servo[name] == ik[name]


def test_topics_between_gazebo_and_ros():
    bridged = {
        item['gz_topic_name']: item for item in yaml.safe_load(config_path('gazebo_bridge.yaml').read_text())
    }
    sensor = ROBOT.find('gazebo/sensor')
    image, info = sensor.findtext('topic'), sensor.findtext('camera/camera_info_topic')
    assert set(bridged) == {image, info, '/clock'}
    assert bridged[image]['ros_topic_name'] == 'image_raw'
    assert bridged[info]['ros_topic_name'] == 'camera_info'
    assert {item['direction'] for item in bridged.values()} == {'GZ_TO_ROS'}
    keys = {'ros_topic_name', 'gz_topic_name', 'ros_type_name', 'gz_type_name', 'direction'}
    assert all(set(item) == keys for item in bridged.values())


def test_rviz_shows_what_is_published():
    manager = yaml.safe_load(config_path('servo.rviz').read_text())['Visualization Manager']
    assert manager['Global Options']['Fixed Frame'] == declared('visualization', 'fixed_frame') == 'world'
    assert 'world' in LINKS
    topics = {
        display['Topic']['Value'] if 'Topic' in display else display['Description Topic']['Value']
        for display in manager['Displays']
        if 'Topic' in display or 'Description Topic' in display
    }
    drawn = published('visualization') | {f'visualization/{part}_image' for part in ('desired', 'difference')}
    assert topics <= drawn | {'image_raw', 'robot_description'}
    assert {'visualization/markers', 'visualization/difference_image', 'image_raw'} <= topics
    frames = next(item for item in manager['Displays'] if item['Class'].endswith('/TF'))['Frames']
    assert set(frames) - {'All Enabled'} <= LINKS | {declared('visualization', 'desired_frame')}


def test_rviz_shows_the_images_beside_the_arm():
    """Without a state it puts all docks on one side; hidden or not is left to chance where it is not said."""
    settings = yaml.safe_load(config_path('servo.rviz').read_text())
    window = settings['Window Geometry']
    assert window['Hide Left Dock'] is window['Hide Right Dock'] is False
    state = bytes.fromhex(window['QMainWindow State'])
    shown = [display['Name'] for display in settings['Visualization Manager']['Displays']]
    images = [name for name in shown if name.lower().endswith('image') or name == 'Difference']
    assert len(images) == 3
    assert all(name.encode('utf-16-be') in state for name in images)


def test_plots_show_what_is_published():
    root = ElementTree.parse(config_path('plotjuggler.xml')).getroot()
    chosen = root.find('Plugins/plugin/selected_topics').get('value').split(';')
    assert {topic.strip('/') for topic in chosen} <= published('pose_estimator') | published('pbvs_controller')
    curves = {curve.get('name') for curve in root.iter('curve')}
    assert len(curves) == 12
    assert all(any(curve.startswith(f'{topic}/') for topic in chosen) for curve in curves)


def test_plots_keep_a_whole_servo_and_have_titles_that_fit():
    """Seen in PlotJuggler 3.17: a title of 23 letters was cut off, and all but 5 s were gone."""
    root = ElementTree.parse(config_path('plotjuggler.xml')).getroot()
    assert float(root.find('streaming_buffer_size').get('value')) >= 60.0
    assert max(len(area.get('name')) for area in root.iter('DockArea')) <= 20


def test_launch_files_use_arguments_that_the_description_has():
    from cnn_vs_ros.simulation.description import _declared_arguments

    arguments = _declared_arguments(ROOT / 'resource' / 'description' / 'arm.urdf.xacro')
    text = (ROOT / 'launch' / 'robot.launch.py').read_text()
    for name in ('hardware', 'controllers_file'):
        assert f' {name}:=' in text
        assert name in arguments


def servo_motion(servo: dict | None = None, solver: dict | None = None) -> ServoMotion:
    (own,) = section('moveit/kinematics.yaml')['robot_description_kinematics'].values()
    shipped = section('moveit/servo.yaml', '/**/servo_node')['moveit_servo']
    return ServoMotion(
        DifferentialIk(URDF, 'tool0'), {**shipped, **(servo or {})}, own if solver is None else solver
    )


def test_moveit_servo_follows_slow_and_fast_twists():
    motion = servo_motion()
    q = np.array([float(joint.get('value')) for joint in SRDF.find("group_state[@name='reference']")])
    axes = np.eye(6)
    for speed in (0.0005, 0.001, 0.005, 0.02, 0.05):
        for axis in axes[:3]:
            assert motion.followed(q, speed * axis) == pytest.approx(1.0, abs=0.1), speed
    for speed in (0.001, 0.005, 0.02, 0.1, 0.2):
        for axis in axes[3:]:
            assert motion.followed(q, speed * axis) == pytest.approx(1.0, abs=0.1), speed


@pytest.mark.parametrize(
    ('servo', 'solver'),
    [({}, {}), ({'use_smoothing': True, 'smoothing_filter_plugin_name': ACCELERATION_LIMITED}, None)],
)
def test_what_keeps_moveit_servo_from_arriving_is_seen(servo, solver):
    q = np.array([float(joint.get('value')) for joint in SRDF.find("group_state[@name='reference']")])
    assert servo_motion(servo, solver).followed(q, np.array([0.0, 0.0, 0.001, 0.0, 0.0, 0.0])) < 0.5
