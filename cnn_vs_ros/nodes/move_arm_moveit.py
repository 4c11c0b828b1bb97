"""MoveIt behind `move_arm`. moveit_py is not on PyPI: only `move_arm` imports this, and only when it runs."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path

import rclpy
import yaml
from geometry_msgs.msg import Pose
from moveit.core.robot_state import RobotState
from moveit.core.robot_trajectory import RobotTrajectory
from moveit.planning import MoveItPy, PlanRequestParameters
from moveit.utils import get_launch_params_filepaths
from moveit_msgs.msg import CollisionObject, PlanningScene, PlanningSceneComponents
from moveit_msgs.srv import GetPlanningScene
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions
from shape_msgs.msg import SolidPrimitive

from cnn_vs_ros.errors import ParameterError
from cnn_vs_ros.nodes.running import stop_signals

_TABLE_SIZE = (4.0, 4.0, 0.1)
# MoveIt refuses at once to execute where it has not discovered the controller yet: 2 of 14 commands ended so.
_TRIES, _PAUSE = 5, 0.5  # s
_STOP_PERIOD = 0.05  # s
_STILL = 1e-3  # rad or m, of each joint
_SCENE, _DISCOVERY, _ANSWER = 'get_planning_scene', 2.0, 5.0  # s


class MoveItArm:
    """A planning group of MoveIt, set up by the parameter files of the command line (launch/move_arm.launch.py).

    It keeps clear of what is in the planning scene of a move_group, or Servo, that runs beside it.

    Args:
        group: planning group.
        table: height of a table in the planning frame, metres; None for none.

    Raises:
        ParameterError: no robot description among the parameters, or a planning scene that is not told.
    """

    def __init__(self, group: str, table: float | None) -> None:
        self._group = group
        self._is_stopped = self._is_executing = False
        self.urdf = _description(get_launch_params_filepaths(sys.argv))
        # With a planning service of its own it would answer itself, and others in place of move_group.
        self._moveit = MoveItPy(node_name='move_arm', provide_planning_service=False)
        self._arm = self._moveit.get_planning_component(group)
        self._monitor = self._moveit.get_planning_scene_monitor()
        beside = _scene_beside()
        # Not the monitor's own request_planning_scene_state: what that is told counts some time later only.
        with self._monitor.read_write() as scene:
            if beside is not None:
                for thing in beside.world.collision_objects:
                    scene.apply_collision_object(thing)
                for held in beside.robot_state.attached_collision_objects:
                    scene.process_attached_collision_object(held)
            if table is not None:
                scene.apply_collision_object(_table(table, scene.planning_frame))
            scene.current_state.update()

    def named(self, name: str) -> Mapping[str, float]:
        """Joint positions of a named pose of the SRDF. Raises ParameterError when there is none."""
        known = list(self._arm.named_target_states)
        if name not in known:
            raise ParameterError(f'pose should be one of {", ".join(known)} but is {name!r}')
        return dict(self._arm.get_named_target_state_values(name))

    def move(self, joints: Mapping[str, float], speed: float) -> None:
        """Plan and go to joint positions; joints not named stay. Main thread only.

        A signal to stop ends the motion: MoveIt's own handler would leave the controller to go on by itself.
        Raises ParameterError when the arm does not get there.
        """
        with self._monitor.read_only() as scene:
            goal = RobotState(self._moveit.get_robot_model())
            positions = dict(scene.current_state.joint_positions)
            unknown = [name for name in joints if name not in positions]
            if unknown:
                raise ParameterError(f'joints should be among {", ".join(positions)} but are {", ".join(unknown)}')
            goal.joint_positions = {**positions, **joints}
            goal.update()
            if scene.is_state_colliding(robot_state=goal, joint_model_group_name=self._group):
                raise ParameterError('goal should be clear of collisions but the arm would collide there')
        self._arm.set_start_state_to_current_state()
        self._arm.set_goal_state(robot_state=goal)
        parameters = PlanRequestParameters(self._moveit, '')
        parameters.max_velocity_scaling_factor = speed
        parameters.max_acceleration_scaling_factor = speed
        plan = self._arm.plan(single_plan_parameters=parameters)
        if not plan:
            raise ParameterError(f'a way to the goal should be found but planning ends with {plan.error_code.val}')
        with stop_signals(self._stop):
            self._is_executing = True
            try:
                self._execute(plan.trajectory, positions)
            finally:
                self._is_executing = False

    def _stop(self) -> None:
        """Stop the motion, also one that is about to begin: again until there is none."""
        self._is_stopped = True
        manager = self._moveit.get_trajectory_execution_manager()
        while self._is_executing:
            manager.stop_execution()
            time.sleep(_STOP_PERIOD)

    def _execute(self, trajectory: RobotTrajectory, start: Mapping[str, float]) -> None:
        """Go along a trajectory; again where the arm has not moved from the joint positions of its `start`."""
        for _ in range(_TRIES):
            self._check_stopped()
            status = self._moveit.execute(trajectory, controllers=[])
            self._check_stopped()
            if status:
                return
            time.sleep(_PAUSE)
            now = self._positions()
            if any(abs(now[name] - start[name]) > _STILL for name in start):
                break
        raise ParameterError(f'the arm should reach the goal but execution ends with {status.status}')

    def _check_stopped(self) -> None:
        if self._is_stopped:
            raise ParameterError('the arm should reach the goal but was stopped by a signal')

    def _positions(self) -> Mapping[str, float]:
        """Joint positions as they were heard last."""
        with self._monitor.read_only() as scene:
            return dict(scene.current_state.joint_positions)


def _scene_beside() -> PlanningScene | None:
    """Return the planning scene of another node of MoveIt, None where there is none.

    Raises ParameterError where it is there but does not answer.
    """
    context = rclpy.Context()
    rclpy.init(context=context, signal_handler_options=SignalHandlerOptions.NO)
    try:
        node = rclpy.create_node('move_arm_scene', context=context)
        client = node.create_client(GetPlanningScene, _SCENE)
        if not client.wait_for_service(_DISCOVERY):
            return None
        wanted = (
            PlanningSceneComponents.WORLD_OBJECT_GEOMETRY | PlanningSceneComponents.ROBOT_STATE_ATTACHED_OBJECTS
        )
        told = client.call_async(GetPlanningScene.Request(components=PlanningSceneComponents(components=wanted)))
        executor = SingleThreadedExecutor(context=context)
        executor.add_node(node)
        executor.spin_until_future_complete(told, _ANSWER)
        if not told.done():
            raise ParameterError(f'{_SCENE} should tell what the arm has to keep clear of but does not answer')
        return told.result().scene
    finally:
        rclpy.shutdown(context=context)


def _description(files: list[str]) -> str:
    """Robot description among the parameter files of a launch. Raises ParameterError when there is none."""
    for file in files:
        for section in (yaml.safe_load(Path(file).read_text()) or {}).values():
            description = section.get('ros__parameters', {}).get('robot_description')
            if isinstance(description, str):
                return description
    raise ParameterError('the parameter robot_description should be given but is not: use move_arm.launch.py')


def _table(height: float, frame: str) -> CollisionObject:
    box = SolidPrimitive(type=SolidPrimitive.BOX, dimensions=list(_TABLE_SIZE))
    pose = Pose()
    pose.position.z = height - _TABLE_SIZE[2] / 2
    pose.orientation.w = 1.0
    table = CollisionObject(id='table', operation=CollisionObject.ADD, primitives=[box], primitive_poses=[pose])
    table.header.frame_id = frame
    return table
