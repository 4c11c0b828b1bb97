"""From twists of the tip to the commands of the joints: what moves the arm, what holds it back, and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cnn_vs_ros.control.differential_ik import DifferentialIk
from cnn_vs_ros.control.distrust import Distrust
from cnn_vs_ros.control.joint_ramp import JointRamp
from cnn_vs_ros.control.joint_states import JointStates
from cnn_vs_ros.control.limits import STOP_DISTANCE
from cnn_vs_ros.control.motion_watch import MotionWatch
from cnn_vs_ros.control.servo import ServoStatus
from cnn_vs_ros.control.speed_scaling import SpeedScaling
from cnn_vs_ros.control.tip_box import TipBox
from cnn_vs_ros.errors import JointStateError, NotFollowingError, VisualServoingError
from cnn_vs_ros.geometry import se3

Array = NDArray[np.float64]
State = tuple[ServoStatus, str]

FOLLOWING = ServoStatus.SERVOING, 'the arm follows the twists'

HALTED = 0.25
"""Part of a motion under which an arm that a limit slows down counts as halted: those who watch the camera by its
images must hear of it before so little is left that it seems not to follow (`least_followed`, 0.2)."""

SHORTEST_STOP = 0.1
"""Seconds that a stop may take from any speed of the tip, else no more than what keeps it within STOP_DISTANCE."""

_REMEMBERED = 0.3
"""Seconds after which an arm that has halted counts as moving again."""


class Obstacle(Protocol):
    """Something that the arm must not run into."""

    def scale(self, q: Array, velocities: Array) -> float:
        """Part, from 0 to 1, of joint velocities (n,) that may be kept at joint positions (n,)."""


@dataclass(frozen=True)
class ArmBounds:
    """What bounds the motion of the joints: see JointRamp, TipBox and MotionWatch."""

    acceleration: float = 10.0
    jerk: float = 500.0
    stop_time: float = 0.2
    disagreement_time: float = 0.3
    box: TipBox = field(default_factory=lambda: TipBox((-2.0, -2.0, 0.0), (2.0, 2.0, 2.0)))


class ArmDrive:
    """The one way by which an arm gets its commands: every one of them is a step of one ramp.

    Args:
        kinematics: of the arm.
        joint_states: what is known of its joints.
        bounds: of its motion.
        obstacle: what it must keep clear of besides, itself for instance.
        scaling: what the robot leaves of the commanded speed.
    """

    def __init__(
        self,
        kinematics: DifferentialIk,
        joint_states: JointStates,
        bounds: ArmBounds,
        obstacle: Obstacle | None = None,
        scaling: SpeedScaling | None = None,
    ) -> None:
        self._kinematics, self._joint_states, self._box = kinematics, joint_states, bounds.box
        self._obstacle, self._scaling = obstacle, scaling or SpeedScaling()
        joints = kinematics.joint_names
        self._ramp = JointRamp(len(joints), bounds.acceleration, bounds.jerk, bounds.stop_time)
        self._watch = MotionWatch(joints, bounds.disagreement_time, kinematics.circular)
        self._halted, self._halt = -np.inf, ''
        self._distrust = Distrust()
        self._longest_stop = bounds.stop_time

    @property
    def is_moving(self) -> bool:
        """Whether the last command was not zero."""
        return self._ramp.is_moving

    def follow(self, twist: ArrayLike, now: float) -> Array:
        """Command (n,) at `now`, seconds, on the way to a `twist` (6,) of the tip in its own frame.

        Raises:
            VisualServoingError: the arm should not move, which is to be followed by `stop`. A JointStateError: for
                want of joint states; a NotFollowingError: because it did not do what it was commanded. The latter
                goes on until the twists have been zero for a while, whoever sends them then knows, and for as long
                as somebody else moves the arm.
        """
        twist = se3.as_vector(twist, 6, 'twist')
        stands = not self._ramp.is_moving and self._watch.stands
        if self._distrust.hear(not twist.any(), now, may_end=stands):
            self._watch.reset()
        try:
            q = self._joint_states.positions(now)
        except JointStateError:
            self._watch.reset()
            raise
        if not self._distrust.reason:
            self._distrust.begin(self._observe(q, now))
        if self._distrust.reason:
            raise NotFollowingError(self._distrust.reason)
        if pause := self._scaling.pause(now):
            self._halted, self._halt = now, f'halted: {pause}'
            return self._ramp.stop(now)
        command = self._ramp.follow(self._wanted(q, twist, now), now)
        # The ramp may lag behind a limit that comes near; these two it must not pass.
        command = self._ramp.scale(min(self._kinematics.limit_scale(q, command), self._box_scale(q, command)))
        self._longest_stop = self._stop_within(float(np.linalg.norm(self._tip_velocity(q, command))))
        return se3.as_vector(command, len(q), 'joint velocities')

    def stop(self, now: float) -> Array:
        """Command (n,) at `now` of a stop, which ends with zeros in time whatever else happens."""
        command = self._ramp.stop(now, self._longest_stop)
        self._watch_the_stop(now)
        return command

    def state(self, now: float) -> State:
        """What the arm does, after a command at `now` that followed, and why."""
        if now - self._halted < _REMEMBERED:
            return ServoStatus.LIMITED, self._halt
        return FOLLOWING

    def _wanted(self, q: Array, twist: Array, now: float) -> Array:
        clear = self._kinematics.clear_of_singularity(q, twist)
        velocities = self._kinematics.unlimited_velocities(q, clear)
        scales = {
            'a singularity': float(clear @ clear) / max(float(twist @ twist), 1e-300),
            'a joint limit': self._kinematics.limit_scale(q, velocities),
            'a face of the box': self._box_scale(q, velocities),
        }
        if self._obstacle is not None:
            scales['a collision'] = self._obstacle.scale(q, velocities)
        least = min(scales, key=lambda name: scales[name])
        if scales[least] < HALTED and twist.any():
            self._halted, self._halt = now, f'halted: before {least}'
        del scales['a singularity']  # it has had its part
        return np.asarray(velocities * min(scales.values()))

    def _box_scale(self, q: Array, velocities: Array) -> float:
        base_T_tip = self._kinematics.pose(q)
        return self._box.scale(base_T_tip[:3, 3], base_T_tip[:3, :3] @ self._tip_velocity(q, velocities))

    def _tip_velocity(self, q: Array, velocities: Array) -> Array:
        return np.asarray(self._kinematics.jacobian(q) @ velocities)[:3]

    @staticmethod
    def _stop_within(tip_speed: float) -> float:
        """Seconds of a stop from a speed of the tip, m/s: half of the way that it would go on in that time."""
        return max(SHORTEST_STOP, 2.0 * STOP_DISTANCE / tip_speed if tip_speed > 0 else np.inf)

    def _watch_the_stop(self, now: float) -> None:
        try:
            q = self._joint_states.positions(now)
        except VisualServoingError:
            self._watch.reset()
            return
        self._observe(q, now)

    def _observe(self, q: Array, now: float) -> str:
        """See whether the joints do what they are commanded, as far as the robot's speed scaling lets them."""
        return self._watch.observe(self._scaling.part(now) * self._ramp.command, q, now)
