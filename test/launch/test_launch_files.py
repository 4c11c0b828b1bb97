"""What the launch files start, and with what: looked at without `launch`, which is part of a ROS installation."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from cnn_vs_ros.graph.table import ARGUMENTS, DEMO, NODES
from test.stand_ins.launch import described, executables

LAUNCH = Path(__file__).resolve().parents[2] / 'launch'
SERVO = LAUNCH / 'servo.launch.py'


def launched(**given: str) -> dict:
    return executables(described(SERVO, **given))


def given_to(node) -> dict:
    """Parameters that a node is given besides files."""
    return node.named['parameters'][-1]


def files_of(node) -> list[str]:
    return [Path(file).name for file in node.named['parameters'] if isinstance(file, str)]


@pytest.mark.parametrize('file', sorted(LAUNCH.glob('*.launch.py')), ids=lambda file: file.name)
def test_every_launch_file_describes_nodes_that_there_are(file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('ROS_HOME', str(tmp_path))
    nodes = executables(described(file))
    assert nodes
    assert {name for name, node in nodes.items() if node.named['package'] == 'cnn_vs_ros'} <= set(NODES)


def test_a_move_that_fails_ends_its_launch_with_another_status_than_0():
    [node] = executables(described(LAUNCH / 'move_arm.launch.py')).values()
    end = node.named['on_exit']
    end(SimpleNamespace(returncode=0), None)
    with pytest.raises(RuntimeError, match='move_arm ends with 1'):
        end(SimpleNamespace(returncode=1), None)


def test_the_simulated_robot_needs_all_nodes_of_the_demo():
    nodes = launched()
    assert sorted(nodes) == sorted(DEMO)
    for name, node in nodes.items():
        assert type(node.named['on_exit']).__name__ == 'Shutdown', name
        assert node.named['name'] == name


def test_an_external_robot_brings_its_own_arm_and_camera_and_keeps_the_limits_of_a_real_one():
    nodes = launched(robot='external')
    assert set(nodes) == set(DEMO) - {'simulator', 'experiment'}
    assert files_of(nodes['pbvs_controller']) == ['servo.yaml']
    for robot in ('simulated', 'gazebo', 'mock'):
        assert files_of(launched(robot=robot)['pbvs_controller']) == ['servo.yaml', 'simulated.yaml']
    assert launched(params_file='mine.yaml')['pbvs_controller'].named['parameters'][0] == 'mine.yaml'


def test_a_mock_arm_has_a_simulated_camera():
    nodes = launched(robot='mock', scene='prints')
    assert set(nodes) == set(DEMO) - {'simulator', 'experiment'} | {'simulated_camera'}
    assert given_to(nodes['simulated_camera'])['scene'] == 'prints'
    assert 'simulated_camera' not in launched(robot='mock', simulated_camera='false')


@pytest.mark.parametrize(('robot', 'sim_time'), [('mock', 'auto'), ('mock', 'true'), ('gazebo', 'auto')])
def test_the_arm_has_the_time_of_the_nodes(robot, sim_time):
    entities = described(SERVO, robot=robot, use_sim_time=sim_time)
    [arm] = [dict(entity.named['launch_arguments']) for entity in entities if 'launch_arguments' in entity.named]
    assert (arm['use_sim_time'] == 'true') is given_to(executables(entities)['pbvs_controller'])['use_sim_time']


@pytest.mark.parametrize(('distribution', 'version'), [('jazzy', '8'), ('kilted', '9'), ('rolling', None)])
@pytest.mark.parametrize('gui', ['true', 'false'])
def test_gazebo_is_a_process_of_the_launch_itself(gui, distribution, version, tmp_path, monkeypatch):
    """Begun by a shell, as ros_gz_sim does it, it outlived a launch that was not ended by Ctrl-C in a terminal."""
    monkeypatch.setenv('ROS_HOME', str(tmp_path))
    monkeypatch.setenv('ROS_DISTRO', distribution)
    monkeypatch.setenv('GZ_SIM_SYSTEM_PLUGIN_PATH', '/mine')
    monkeypatch.setenv('LD_LIBRARY_PATH', '/ros/lib')
    entities = described(LAUNCH / 'gazebo.launch.py', scene='prints', gui=gui)
    [gazebo] = [entity.named for entity in entities if 'cmd' in entity.named]
    assert gazebo['cmd'][:2] == ['gz', 'sim']
    assert ('-s' in gazebo['cmd']) == ('--headless-rendering' in gazebo['cmd']) == (gui == 'false')
    assert [word for word in gazebo['cmd'] if word.endswith('.sdf') and Path(word).is_file()]
    assert (gazebo['cmd'][-2:] == ['--force-version', version]) == (version is not None)
    assert gazebo['additional_env']['GZ_SIM_SYSTEM_PLUGIN_PATH'] == '/mine:/ros/lib'
    assert type(gazebo['on_exit']).__name__ == 'Shutdown'


def test_moveit_servo_takes_the_place_of_differential_ik():
    nodes = {*DEMO, 'moveit_servo_adapter', 'servo_node'} - {'differential_ik'}
    by_moveit = launched(arm_interface='moveit_servo', experiment='true', end_effector='flange')
    assert set(by_moveit) == nodes
    assert given_to(by_moveit['moveit_servo_adapter'])['end_effector_frame'] == 'flange'
    nodes -= {'experiment', 'simulator', 'servo_node'}
    assert set(launched(arm_interface='moveit_servo', robot='external')) == nodes


def test_what_is_asked_for_is_started_beside():
    assert set(launched(rviz='true')) == {*DEMO, 'visualization', 'rviz2', 'robot_state_publisher'}
    assert set(launched(calibrate='true')) == {*DEMO, 'calibrate'} == set(launched(measure_depth='true'))


def test_arguments_override_parameters():
    nodes = launched(batch='7', depth='0.4', scene='poster', command_interface='position', video='false')
    assert given_to(nodes['experiment'])['batch'] == 7
    assert given_to(nodes['experiment'])['video'] is False
    assert given_to(nodes['pose_estimator'])['depth'] == 0.4  # not that of the scene
    assert given_to(nodes['pbvs_controller'])['gain.length'] == pytest.approx(0.8)
    for name in ('simulator', 'differential_ik'):
        assert given_to(nodes[name])['command_interface'] == 'position'
    plain = launched(params_file='mine.yaml', scene='poster')
    assert set(given_to(plain['pbvs_controller'])) == {'use_sim_time'}


def test_an_argument_sets_a_parameter_that_its_nodes_have():
    sections = yaml.safe_load((LAUNCH.parent / 'config' / 'servo.yaml').read_text())
    for name, argument in ARGUMENTS.items():
        assert argument.default in argument.choices or not argument.choices, name
        for node in set(argument.nodes) - {'moveit_servo_adapter', 'visualization'}:
            assert (argument.parameter or name) in sections[f'/**/{node}']['ros__parameters'], (name, node)


def test_topics_are_remapped_for_all_nodes():
    nodes = launched(robot='external', image='/camera/image_rect', commands='/arm/commands')
    remapped = dict(nodes['differential_ik'].named['remappings'])
    assert remapped['image_raw'] == '/camera/image_rect'
    assert remapped['forward_velocity_controller/commands'] == '/arm/commands'


@pytest.mark.parametrize(
    ('given', 'sentence'),
    [
        ({'robot': 'gazebo', 'namespace': 'left'}, 'namespace should be empty'),
        ({'arm_interface': 'moveit_servo', 'use_sim_time': 'true'}, 'use_sim_time should be false'),
    ],
)
def test_arguments_that_cannot_go_together_are_refused(given, sentence):
    with pytest.raises(RuntimeError, match=sentence):
        launched(**given)


def test_the_experiment_of_the_paper_is_that_of_the_command(tmp_path):
    nodes = executables(
        described(LAUNCH / 'experiment.launch.py', name='perturbed', output=str(tmp_path), seed='2', runs='3')
    )
    assert sorted(nodes) == sorted(DEMO)
    (folder,) = tmp_path.glob('*')
    written = yaml.safe_load((folder / 'parameters.yaml').read_text())
    assert written['/**/experiment']['ros__parameters']['perturbed'] is True
    assert [written['/**/experiment']['ros__parameters'][name] for name in ('seed', 'runs')] == [2, 3]
    assert files_of(nodes['experiment']) == ['servo.yaml', 'simulated.yaml', 'parameters.yaml']
