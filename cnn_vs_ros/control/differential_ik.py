"""Differential inverse kinematics: from a twist of the camera to joint velocities, by Pinocchio."""

from __future__ import annotations

import numpy as np
import pinocchio
from numpy.typing import ArrayLike, NDArray

from cnn_vs_ros import frames
from cnn_vs_ros.errors import DescriptionError, ParameterError
from cnn_vs_ros.foreign.urdf import parse_urdf
from cnn_vs_ros.geometry import se3

Array = NDArray[np.float64]

_LOOK_AHEAD = 1e-4
"""Radians (sliding joints: metres) to either side by which the slope of the condition number is taken."""


class DifferentialIk:
    """Kinematics of the chain of joints from a robot's root link to one of its frames.

    Away from singularities the joint velocities reproduce the twist exactly. Where a singular value s of the
    Jacobian (in m and rad) falls under `singular_value_threshold`, its direction alone is damped,
    ``s / (s^2 + d^2)`` with ``d^2 = damping^2 (1 - (s / threshold)^2)`` (Maciejewski and Klein 1988), so that
    velocities stay bounded and the other directions stay exact. The whole vector is then scaled down, which keeps
    the direction of the motion, so that no joint exceeds its velocity limit, nor runs towards a position limit
    faster than in proportion to what is left of `position_margin`.

    Towards a singularity a twist loses the part that raises the Jacobian's condition number, from
    `lower_singularity_threshold` on, all of it at `hard_stop_singularity_threshold` (the two thresholds of
    moveit_servo); what lowers that number or leaves it as it is, is free.

    With more than six joints, sliding ones among them, the velocities are the least that give the twist; with
    fewer they give the part of it that the joints can reach, in the sense of least squares over m/s and rad/s.

    Args:
        urdf_xml: robot description; joints off the chain (a gripper's) are ignored.
        tip_frame: any link of it.
        damping: largest damping factor.
        singular_value_threshold: singular value under which damping starts.
        position_margin: distance to a position limit at which slowing starts, radians (sliding joints: metres).
        max_joint_velocity: further limit on every joint's speed, radians a second.
        lower_singularity_threshold: condition number of the Jacobian (m, rad) at which slowing down starts.
        hard_stop_singularity_threshold: that at which the arm halts; greater than the lower one.

    Raises:
        DescriptionError: no valid URDF, no such frame, no joint that moves it, or a joint without velocity limit.
        ParameterError: a damping, threshold, margin or speed that is not positive, or thresholds in wrong order.
    """

    def __init__(
        self,
        urdf_xml: str,
        tip_frame: str = frames.CAMERA,
        *,
        damping: float = 0.05,
        singular_value_threshold: float = 0.08,
        position_margin: float = 0.15,
        max_joint_velocity: float = np.inf,
        lower_singularity_threshold: float = 17.0,
        hard_stop_singularity_threshold: float = 30.0,
    ) -> None:
        parameters = {
            'damping': damping,
            'singular_value_threshold': singular_value_threshold,
            'position_margin': position_margin,
            'max_joint_velocity': max_joint_velocity,
            'lower_singularity_threshold': lower_singularity_threshold,
        }
        for name, value in parameters.items():
            if not value > 0:
                raise ParameterError(f'{name} should be positive but is {value}')
        if not lower_singularity_threshold < hard_stop_singularity_threshold:
            raise ParameterError(
                'hard_stop_singularity_threshold should be greater than lower_singularity_threshold but they are '
                f'{hard_stop_singularity_threshold} and {lower_singularity_threshold}'
            )
        self.tip_frame = tip_frame
        self._slow_from, self._halt_from = lower_singularity_threshold, hard_stop_singularity_threshold
        self._model = _chain(urdf_xml, tip_frame)
        self._data = self._model.createData()
        self._tip = self._model.getFrameId(tip_frame)
        self._damping, self._threshold, self._margin = damping, singular_value_threshold, position_margin
        joints = list(self._model.joints)[1:]
        self.joint_names: list[str] = list(self._model.names)[1:]
        # Pinocchio holds an unbounded rotation as (cos, sin).
        self.circular = np.array([joint.nq == 2 for joint in joints])
        self._q_index = np.array([joint.idx_q for joint in joints])
        self.lower, self.upper = self._position_limits()
        self.velocity_limits = np.minimum(self._velocity_limits(), max_joint_velocity)

    def pose(self, q: ArrayLike) -> Array:
        """Pose base_T_tip (4, 4) at joint positions `q` (n,); base is the root link of the description."""
        pinocchio.framesForwardKinematics(self._model, self._data, self._configuration(q))
        return np.array(self._data.oMf[self._tip].homogeneous)

    def link_poses(self, q: ArrayLike) -> dict[str, Array]:
        """Poses base_T_link (4, 4) of all links by name; joints off the chain are at zero."""
        pinocchio.framesForwardKinematics(self._model, self._data, self._configuration(q))
        return {
            frame.name: np.array(pose.homogeneous)
            for frame, pose in zip(self._model.frames, self._data.oMf, strict=True)
            if frame.type == pinocchio.FrameType.BODY
        }

    def jacobian(self, q: ArrayLike) -> Array:
        """Jacobian (6, n): joint velocities to the twist [v; omega] of the tip, expressed in the tip frame."""
        configuration = self._configuration(q)
        jacobian = pinocchio.computeFrameJacobian(
            self._model, self._data, configuration, self._tip, pinocchio.ReferenceFrame.LOCAL
        )
        return np.asarray(jacobian).reshape(6, -1)  # that of a single joint comes as a vector

    def joint_velocities(self, q: ArrayLike, twist: ArrayLike) -> Array:
        """Joint velocities (n,) that give the tip the `twist` (6,) [v; omega], expressed in the tip frame.

        Damped near singularities and scaled as a whole at velocity limits and towards position limits.

        Raises:
            PoseError: `q` or `twist` has the wrong shape or is not finite.
        """
        velocities = self.unlimited_velocities(q, self.clear_of_singularity(q, twist))
        return velocities * self.limit_scale(q, velocities)

    def unlimited_velocities(self, q: ArrayLike, twist: ArrayLike) -> Array:
        """Joint velocities (n,) for a twist as `joint_velocities` has them before it scales them."""
        twist = se3.as_vector(twist, 6, 'twist')
        return np.asarray(self._damped_inverse(self.jacobian(q)) @ twist)

    def limit_scale(self, q: ArrayLike, velocities: Array) -> float:
        """Part of the joint velocities (n,) that their limits, and the position limits near `q` (n,), leave."""
        q = np.asarray(q, dtype=np.float64)
        left = np.where(velocities > 0, self.upper - q, q - self.lower)
        allowed = self.velocity_limits * np.clip(left / self._margin, 0.0, 1.0)
        speeds = np.abs(velocities)
        moving = speeds > 1e-12
        return float(min(1.0, (allowed[moving] / speeds[moving]).min(initial=np.inf)))

    def condition_number(self, q: ArrayLike) -> float:
        """Condition number of the Jacobian (m, rad) at joint positions `q` (n,); infinite at a singularity."""
        s = np.linalg.svd(self.jacobian(q), compute_uv=False)
        return float(s[0] / s[-1]) if s[-1] > 0 else float('inf')

    def clear_of_singularity(self, q: ArrayLike, twist: ArrayLike) -> Array:
        """What a singularity leaves of a `twist` (6,) at `q` (n,): all but some of what leads towards it.

        Linear and angular velocity lose part of their projection on the velocity that raises the condition number
        fastest, each for itself: neither becomes faster than it was, nor turns into the other.
        """
        twist = se3.as_vector(twist, 6, 'twist')
        condition = self.condition_number(q)
        if condition <= self._slow_from:
            return twist
        fall = (self._fall_of_regularity(q) @ self._damped_inverse(self.jacobian(q))).reshape(2, 3)
        halves = twist.reshape(2, 3)
        shares = (fall * halves).sum(axis=1)
        if shares.sum() <= 0.0:
            return twist
        kept = np.clip((self._halt_from - condition) / (self._halt_from - self._slow_from), 0.0, 1.0)
        raising = np.maximum(shares, 0.0)
        taken = (1.0 - kept) * shares.sum() * raising / raising.sum()
        squares = np.maximum((fall * fall).sum(axis=1), 1e-300)
        return np.asarray(halves - (taken / squares)[:, None] * fall).reshape(6)

    def _fall_of_regularity(self, q: ArrayLike) -> Array:
        """How fast the inverse of the condition number falls with each joint (n,)."""
        q = self._checked(q)
        steps = _LOOK_AHEAD * np.eye(len(q))
        return np.array(
            [1 / self.condition_number(q - step) - 1 / self.condition_number(q + step) for step in steps]
        )

    def within_limits(self, q: ArrayLike) -> bool:
        """Whether joint positions (n,) are within their limits."""
        q = self._checked(q)
        return bool(((self.lower <= q) & (q <= self.upper)).all())

    def _damped_inverse(self, jacobian: Array) -> Array:
        u, s, vt = np.linalg.svd(jacobian, full_matrices=False)
        squared_damping = self._damping**2 * np.clip(1.0 - (s / self._threshold) ** 2, 0.0, 1.0)
        return (vt.T * (s / (s**2 + squared_damping))) @ u.T

    def _checked(self, q: ArrayLike) -> Array:
        return se3.as_vector(q, len(self.joint_names), 'joint positions')

    def _configuration(self, q: ArrayLike) -> Array:
        q = self._checked(q)
        configuration = np.empty(self._model.nq)
        configuration[self._q_index] = np.where(self.circular, np.cos(q), q)
        configuration[self._q_index[self.circular] + 1] = np.sin(q[self.circular])
        return configuration

    def _position_limits(self) -> tuple[Array, Array]:
        lower = np.where(self.circular, -np.inf, self._model.lowerPositionLimit[self._q_index])
        upper = np.where(self.circular, np.inf, self._model.upperPositionLimit[self._q_index])
        return lower, upper

    def _velocity_limits(self) -> Array:
        limits = np.array(self._model.velocityLimit)
        for name, limit in zip(self.joint_names, limits, strict=True):
            if not limit > 0:
                raise DescriptionError(f'joint {name!r} should have a positive velocity limit but has {limit}')
        return limits


def kinematic_model(urdf_xml: str) -> pinocchio.Model:
    """Model of all the joints of a URDF. Raises DescriptionError when it is none, or too large for any arm."""
    parse_urdf(urdf_xml)
    try:
        return pinocchio.buildModelFromXML(urdf_xml)
    except (ValueError, RuntimeError, IndexError, KeyError) as error:
        raise DescriptionError(f'robot description should be a valid URDF but: {error}') from error


def parent_joint(frame: pinocchio.Frame) -> int:
    """Index of the joint that moves `frame`, in Pinocchio 2 as in 3 and later."""
    return int(frame.parentJoint if hasattr(frame, 'parentJoint') else frame.parent)


def _chain(urdf_xml: str, tip_frame: str) -> pinocchio.Model:
    """Model of the joints between the root link and `tip_frame`; the other joints are fixed at zero."""
    model = kinematic_model(urdf_xml)
    if not model.existBodyName(tip_frame):
        bodies = [frame.name for frame in model.frames if frame.type == pinocchio.FrameType.BODY]
        raise DescriptionError(f'tip frame should be one of {", ".join(bodies)} but is {tip_frame!r}')
    chain = set(model.supports[parent_joint(model.frames[model.getFrameId(tip_frame)])])
    others = [index for index in range(1, model.njoints) if index not in chain]
    if others:
        model = pinocchio.buildReducedModel(model, others, pinocchio.neutral(model))
    if model.njoints == 1:
        raise DescriptionError(f'some joint should move the tip frame {tip_frame!r} but none does')
    for name, joint in zip(list(model.names)[1:], list(model.joints)[1:], strict=True):
        if joint.nv != 1:
            raise DescriptionError(f'joint {name!r} should turn or slide about one axis but has {joint.nv}')
    return model
