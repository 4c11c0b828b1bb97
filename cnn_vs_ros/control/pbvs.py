"""Pose-based visual servoing (equation 6 of the paper)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.control.gain import AdaptiveGain
from cnn_vs_ros.errors import ParameterError, PoseError
from cnn_vs_ros.geometry import RelativePose, se3

Array = NDArray[np.float64]


class PbvsLaw:
    """Control law ``v = -lambda R^T t``, ``omega = -lambda theta u`` with ``desired_T_current`` = (R, t).

    Translation and rotation errors then decay as ``exp(-lambda t)``, the camera's centre on a straight line.
    `gain` is lambda in 1/s, or an AdaptiveGain of the error size ``|[t / length; theta u]|``, in which `length`
    metres weigh as much as one radian (at the depth of the scene, both move the image about as far).
    """

    def __init__(self, gain: float | AdaptiveGain = 0.8, length: float = 0.25) -> None:
        if not isinstance(gain, AdaptiveGain):
            gain = AdaptiveGain(float(gain), float(gain), 0.0)
        if not (math.isfinite(length) and length > 0):
            raise ParameterError(f'length should be positive metres but is {length}')
        self.gain = gain
        self.length = length

    def __call__(self, pose: RelativePose) -> Array:
        """Twist (6,) ``[v; omega]`` of the current camera in its own frame, m/s and rad/s.

        Raises PoseError when the pose is lost, not finite or not rigid: there is no twist to send then.
        """
        if pose.is_lost:
            raise PoseError('relative pose should be acquired or tracked but is lost')
        return self.twist(pose.transform)

    def twist(self, desired_T_current: Array) -> Array:
        """Twist (6,) for a pose (4, 4) of the current camera in the desired camera frame."""
        matrix = se3.as_transform(desired_T_current, 'desired_T_current')
        translation, theta_u = matrix[:3, 3], se3.rotation_log(matrix[:3, :3])
        error = math.hypot(np.linalg.norm(translation) / self.length, np.linalg.norm(theta_u))
        return -self.gain(error) * np.concatenate([matrix[:3, :3].T @ translation, theta_u])
