"""The motion that MoveIt Servo makes of a constant twist, with the dead zones that its parts were seen to have.

Seen with moveit_servo 2.12.4 and KDL: a step whose pose differs by less than the solver's `epsilon` is solved by
standing still, and AccelerationLimitedPlugin drops a step of a joint under 1e-4 rad. The step of each period
starts from where the last command left the arm, so what is dropped is lost.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.control import DifferentialIk
from cnn_vs_ros.geometry import se3

Array = NDArray[np.float64]

KDL_EPSILON = 1e-5
"""Of kdl_kinematics_plugin, where kinematics.yaml has none."""
SMALLEST_SMOOTHED_STEP = 1e-4
"""Radians."""
ACCELERATION_LIMITED = 'online_signal_smoothing::AccelerationLimitedPlugin'


class ServoMotion:
    """Servo's loop over an arm without dynamics.

    Args:
        kinematics: of the arm, to the tip of the planning group.
        servo: parameters `moveit_servo` of servo.yaml.
        solver: parameters of the group in kinematics.yaml.
    """

    def __init__(self, kinematics: DifferentialIk, servo: dict[str, Any], solver: dict[str, Any]) -> None:
        self._kinematics, self._period = kinematics, float(servo['publish_period'])
        self._epsilon = float(solver.get('epsilon', KDL_EPSILON))
        smoothed = servo['use_smoothing'] and servo['smoothing_filter_plugin_name'] == ACCELERATION_LIMITED
        self._smallest_step = SMALLEST_SMOOTHED_STEP if smoothed else 0.0

    def follow(self, q: Array, twist: Array, seconds: float) -> Array:
        """Joint positions (n,) after `seconds` of a twist (6,) of the tip, in its own frame."""
        q = q.copy()
        for _ in range(round(seconds / self._period)):
            step = twist * self._period
            if np.abs(step).max() <= self._epsilon:
                continue
            dq = self._kinematics.unlimited_velocities(q, step)
            dq[np.abs(dq) < self._smallest_step] = 0.0
            q += dq
        return q

    def followed(self, q: Array, twist: Array, seconds: float = 0.2) -> float:
        """Part of a twist that the arm makes: the way along it over the way that was asked for."""
        start, end = self._kinematics.pose(q), self._kinematics.pose(self.follow(q, twist, seconds))
        moved = se3.pose_vector(se3.inverse(start) @ end)
        return float(moved @ twist / (twist @ twist) / seconds)
