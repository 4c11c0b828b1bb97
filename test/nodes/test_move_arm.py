from __future__ import annotations

import importlib
import importlib.util
import os
import signal
import sys
import threading
import xml.etree.ElementTree as ElementTree
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

from cnn_vs_ros.control import DifferentialIk
from cnn_vs_ros.errors import ParameterError, VisualServoingError
from cnn_vs_ros.geometry import se3
from cnn_vs_ros.nodes import move_arm
from cnn_vs_ros.resources import config_path
from cnn_vs_ros.simulation import draw_start, load_robot_description

POSES = {
    state.get('name'): {joint.get('name'): float(joint.get('value')) for joint in state.iterfind('joint')}
    for state in ElementTree.parse(config_path('moveit/arm.srdf')).iterfind('group_state')
}


class Arm:
    """An arm that goes at once wherever it is told."""

    urdf = load_robot_description()

    def __init__(self) -> None:
        self.moves: list[tuple[dict, float]] = []

    def named(self, name: str) -> dict:
        if name not in POSES:
            raise ParameterError(f'pose should be one of {", ".join(POSES)} but is {name!r}')
        return POSES[name]

    def move(self, joints: dict, speed: float) -> None:
        self.moves.append((dict(joints), speed))


KINEMATICS = DifferentialIk(Arm.urdf, 'camera_optical_frame')


def went(arm: Arm, *arguments: str) -> dict:
    arm.moves.clear()
    options = move_arm.parser().parse_args(arguments)
    return move_arm.goal(options, arm)


def camera_in_reference(joints: dict) -> np.ndarray:
    def pose(values: dict) -> np.ndarray:
        return KINEMATICS.pose([values[name] for name in KINEMATICS.joint_names])

    return se3.inverse(pose(POSES['reference'])) @ pose(joints)


def test_a_named_pose():
    assert went(Arm(), '--to', 'reference') == POSES['reference']


def test_joint_values():
    assert went(Arm(), '--joints', 'elbow_joint=1.2', 'wrist_3_joint=-0.5') == {
        'elbow_joint': 1.2,
        'wrist_3_joint': -0.5,
    }


def test_a_start_is_that_of_the_benchmark():
    np.testing.assert_allclose(
        camera_in_reference(went(Arm(), '--batch', '4', '--seed', '7')), draw_start(4, 7), atol=1e-8
    )


def test_an_offset_is_in_millimetres_and_degrees():
    joints = went(Arm(), '--offset', '20', '-10', '5', '0', '0', '30')
    expected = se3.from_pose_vector([0.02, -0.01, 0.005, 0, 0, np.pi / 6])
    np.testing.assert_allclose(camera_in_reference(joints), expected, atol=1e-8)


@pytest.mark.parametrize(
    ('arguments', 'sentence'),
    [
        (['--to', 'nowhere'], 'pose should be one of reference, up'),
        (['--batch', '12'], 'batch should be 0 to 9'),
        (['--offset', '5000', '0', '0', '0', '0', '0'], 'in reach'),
        (['--joints', 'elbow_joint'], 'JOINT=RADIANS'),
        (['--joints', 'elbow_joint=nan'], 'JOINT=RADIANS'),
        (['--batch', '1', '--reference', 'nowhere'], 'pose should be one of'),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(arguments, sentence):
    with pytest.raises(VisualServoingError, match=sentence):
        went(Arm(), *arguments)


def test_the_command_moves_the_arm_and_says_so(monkeypatch, capsys):
    arm = Arm()
    monkeypatch.setattr(move_arm, 'installed_arm', lambda group, table: arm)
    assert move_arm.main(['--to', 'reference', '--speed', '0.1', '--ros-args', '-p', 'x:=1']) == 0
    assert arm.moves == [(POSES['reference'], 0.1)]
    assert 'there' in capsys.readouterr().out
    assert move_arm.main(['--to', 'nowhere']) == 1
    assert 'pose should be one of' in capsys.readouterr().err
    assert move_arm.main(['--to', 'reference', '--speed', '2']) == 1
    assert 'speed should be' in capsys.readouterr().err


@pytest.mark.skipif(importlib.util.find_spec('moveit') is not None, reason='MoveIt is installed')
def test_without_moveit_it_ends_with_a_sentence(capsys):
    assert move_arm.main(['--to', 'reference']) == 1
    assert 'move_arm needs the package moveit_py' in capsys.readouterr().err


class MoveIt:
    """Stand-in of moveit_py, whose names are those of its bindings in branch jazzy."""

    def __init__(self, **faults: bool) -> None:
        self.faults, self.executed, self.objects = faults, [], []
        self.preempted = threading.Event()
        self.current_state = SimpleNamespace(
            joint_positions=dict.fromkeys(POSES['up'], 0.0), update=lambda: None, robot_model=self
        )
        self.planning_frame = 'world'
        self.named_target_states = list(POSES)

    def started(self, node_name, provide_planning_service=True):
        self.answers_itself = provide_planning_service
        return self

    def get_planning_component(self, planning_component_name):
        assert planning_component_name == 'arm'
        return self

    def get_planning_scene_monitor(self):
        return self

    def get_robot_model(self):
        return self

    def get_trajectory_execution_manager(self):
        return self

    def stop_execution(self):
        self.preempted.set()

    @contextmanager
    def read_only(self):
        yield self

    read_write = read_only

    def apply_collision_object(self, collision_object_msg):
        self.objects.append(collision_object_msg)

    process_attached_collision_object = apply_collision_object

    def get_named_target_state_values(self, name):
        return POSES[name]

    def is_state_colliding(self, robot_state, joint_model_group_name):
        return self.faults.get('colliding', False)

    def set_start_state_to_current_state(self):
        pass

    def set_goal_state(self, robot_state):
        self.goal = robot_state.joint_positions

    def plan(self, single_plan_parameters):
        self.speed = single_plan_parameters.max_velocity_scaling_factor
        return Answer(not self.faults.get('unplannable', False))

    def execute(self, robot_trajectory, controllers):
        """As the real one: refused where the controller is not discovered yet, and then nothing moves."""
        self.executed.append(robot_trajectory)
        if self.faults.get('interrupted'):
            os.kill(os.getpid(), signal.SIGINT)
            return Answer(not self.preempted.wait(5.0))
        if self.faults.get('stopped'):
            self.current_state.joint_positions = {**self.current_state.joint_positions, 'elbow_joint': 0.1}
        discovered = not self.faults.get('late') or len(self.executed) > 2
        return Answer(discovered and not self.faults.get('aborted') and not self.faults.get('stopped'))


class Answer:
    def __init__(self, good: bool) -> None:
        self.good, self.trajectory, self.status = good, 'a trajectory', 'ABORTED'
        self.error_code = SimpleNamespace(val=99999)

    def __bool__(self) -> bool:
        return self.good


@pytest.fixture
def moveit(monkeypatch, tmp_path):
    """Make a MoveItArm on the stand-in with the given faults, and the stand-in."""

    def message(**fields):
        return SimpleNamespace(header=SimpleNamespace(), **fields)

    message.BOX, message.ADD = 1, b'\0'
    file = tmp_path / 'parameters.yaml'
    file.write_text(yaml.safe_dump({'/**': {'ros__parameters': {'robot_description': Arm.urdf}}}))
    state = SimpleNamespace(RobotState=lambda model: SimpleNamespace(update=lambda: None))
    modules = {
        'moveit': SimpleNamespace(),
        'moveit.core': SimpleNamespace(),
        'moveit.core.robot_state': state,
        'moveit.core.robot_trajectory': SimpleNamespace(RobotTrajectory=object),
        'moveit.utils': SimpleNamespace(get_launch_params_filepaths=lambda arguments: [str(file)]),
        'moveit_msgs': SimpleNamespace(),
        'moveit_msgs.msg': SimpleNamespace(
            CollisionObject=message, PlanningScene=object, PlanningSceneComponents=object
        ),
        'moveit_msgs.srv': SimpleNamespace(GetPlanningScene=object),
        'shape_msgs': SimpleNamespace(),
        'shape_msgs.msg': SimpleNamespace(SolidPrimitive=message),
    }

    def make(table=None, **faults):
        stand_in = MoveIt(**faults)
        monkeypatch.setattr('time.sleep', lambda seconds: None)
        planning = SimpleNamespace(
            MoveItPy=stand_in.started, PlanRequestParameters=lambda moveit, ns: SimpleNamespace()
        )
        for name, module in {**modules, 'moveit.planning': planning}.items():
            monkeypatch.setitem(sys.modules, name, module)
        monkeypatch.delitem(sys.modules, 'cnn_vs_ros.nodes.move_arm_moveit', raising=False)
        bindings = importlib.import_module('cnn_vs_ros.nodes.move_arm_moveit')
        monkeypatch.setattr(bindings, '_scene_beside', lambda: faults.get('beside'))
        return move_arm.installed_arm('arm', table), stand_in

    yield make
    sys.modules.pop('cnn_vs_ros.nodes.move_arm_moveit', None)


def test_a_signal_before_the_motion_begins_keeps_it_from_beginning(moveit, monkeypatch):
    arm, stand_in = moveit(late=True)

    def interrupted(_: float) -> None:
        if threading.current_thread() is threading.main_thread():  # before it is tried again
            os.kill(os.getpid(), signal.SIGINT)
            assert stand_in.preempted.wait(5.0)

    monkeypatch.setattr('time.sleep', interrupted)
    with pytest.raises(ParameterError, match='was stopped by a signal'):
        arm.move(POSES['reference'], 0.1)
    assert len(stand_in.executed) == 1


def test_moveit_plans_and_executes(moveit):
    arm, stand_in = moveit(table=-0.01)
    assert arm.urdf == Arm.urdf
    arm.move({'elbow_joint': 1.0}, 0.3)
    assert stand_in.goal == {**dict.fromkeys(POSES['up'], 0.0), 'elbow_joint': 1.0}
    assert stand_in.speed == 0.3
    assert stand_in.executed == ['a trajectory']
    (table,) = stand_in.objects
    assert table.header.frame_id == 'world'
    top = table.primitive_poses[0].position.z + table.primitives[0].dimensions[2] / 2
    assert top == pytest.approx(-0.01)


@pytest.mark.parametrize(
    ('fault', 'sentence', 'executed'),
    [
        ('colliding', 'would collide', 0),
        ('unplannable', 'planning ends with 99999', 0),
        ('aborted', 'execution ends with ABORTED', 5),
        ('stopped', 'execution ends with ABORTED', 1),
        ('interrupted', 'was stopped by a signal', 1),
    ],
)
def test_a_motion_that_fails_is_said(moveit, fault, sentence, executed):
    """And tried again only where the arm has not moved. The controller would go on after a Ctrl-C."""
    arm, stand_in = moveit(**{fault: True})
    with pytest.raises(ParameterError, match=sentence):
        arm.move({'elbow_joint': 1.0}, 0.3)
    assert len(stand_in.executed) == executed
    assert stand_in.preempted.is_set() == (fault == 'interrupted')


def test_what_a_move_group_beside_knows_of_is_kept_clear_of(moveit):
    """It alone knows of the boxes that were put into its scene; asked for by the monitor they come too late."""
    beside = SimpleNamespace(
        world=SimpleNamespace(collision_objects=['a box']),
        robot_state=SimpleNamespace(attached_collision_objects=['a gripper']),
    )
    _, stand_in = moveit(table=0.0, beside=beside)
    assert stand_in.objects[:2] == ['a box', 'a gripper']
    assert len(stand_in.objects) == 3
    assert not stand_in.answers_itself
    _, stand_in = moveit()
    assert not stand_in.objects


def test_a_controller_that_is_discovered_late_is_waited_for(moveit):
    arm, stand_in = moveit(late=True)
    arm.move({'elbow_joint': 1.0}, 0.3)
    assert len(stand_in.executed) == 3


def test_a_joint_that_moveit_does_not_know_is_refused(moveit):
    arm, stand_in = moveit()
    with pytest.raises(ParameterError, match=r'joints should be among .* but are tail'):
        arm.move({'tail': 1.0}, 0.3)
    with pytest.raises(ParameterError, match='pose should be one of reference, up'):
        arm.named('nowhere')
    assert not stand_in.executed
