"""The depth of the scene without a ruler: from motions of the camera that the arm knows in metres."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.errors import DepthError
from cnn_vs_ros.geometry import RelativePose, se3

Array = NDArray[np.float64]

MIN_MOTION = 0.001
"""Distance in metres that the camera must have moved."""

ARM_POSITION, ARM_ROTATION = 5e-5, 1e-4
"""Standard deviations of a camera pose computed from joint states, metres and radians."""

HAND_EYE = 0.02
"""Standard deviation of the rotation of the hand-eye calibration, radians."""

_MAX_UNCERTAINTY = 0.1
_MAX_DISAGREEMENT = 0.1
_ITERATIONS = 20
_STEP = 1e-6


@dataclass(frozen=True)
class DepthObservation:
    """Where the arm says that the camera was, `base_T_camera` (4, 4), and the pose estimated there."""

    base_T_camera: Array
    pose: RelativePose


@dataclass(frozen=True)
class DepthCalibration:
    """The depth of the reference with its standard deviation, metres.

    `hand_eye_angle` is the rotation, in radians, by which the arm's and the estimator's axes of the camera differ;
    `disagreement` what remains between their motions, as a part of the motion.
    """

    depth: float
    sigma: float
    hand_eye_angle: float
    disagreement: float

    @property
    def sentence(self) -> str:
        """The result in words."""
        return (
            f'depth {self.depth:.4f} m, standard deviation {self.sigma:.4f} m ({self.sigma / self.depth:.1%}); '
            f'arm and camera agree to {self.disagreement:.1%} of the motion and '
            f'{np.degrees(self.hand_eye_angle):.2f} degrees'
        )


def mean_pose(poses: Sequence[RelativePose]) -> RelativePose:
    """Mean of estimates taken at one place.

    Its covariance is the mean of theirs, not less: what a plane and a lens model leave unsaid errs alike in all.
    """
    first = poses[0].transform
    offset = np.mean([se3.pose_vector(se3.inverse(first) @ pose.transform) for pose in poses], axis=0)
    covariance = np.mean([pose.covariance for pose in poses], axis=0)
    confidence = min((pose.confidence for pose in poses if pose.confidence is not None), default=None)
    return RelativePose(first @ se3.from_pose_vector(offset), covariance, confidence)


def calibrate_depth(observations: Sequence[DepthObservation], assumed_depth: float) -> DepthCalibration:
    """Depth of the reference from estimates made with `assumed_depth` (m) at two places or more.

    A homography gives translations in units of the depth alone (``H = K (R + t (a, b, 1) / Z*) K^-1``), rotations
    and the plane's slope (a, b) whole: so an estimate made with Z instead of Z* has its translation scaled by
    Z / Z*, and what the motions taught of the orientation holds for any depth. Weighted least squares
    over all estimates at once, for Z*, the reference pose in the arm's base, and a small rotation of the hand-eye
    calibration (prior HAND_EYE); the full covariances are used, for a narrow lens confuses a shift with a turn,
    and the arm knows the turn. Where the residuals are greater than the covariances say, so is the result's.

    Raises:
        DepthError: under two places, hardly any motion, motions of the arm and of the image that contradict each
            other, or a result with a standard deviation over 10 %.
    """
    if not assumed_depth > 0:
        raise DepthError(f'assumed depth should be positive metres but is {assumed_depth}')
    if len(observations) < 2:
        raise DepthError(f'depth should be observed from two places or more but was from {len(observations)}')
    arm = np.array([se3.as_transform(item.base_T_camera, 'base_T_camera') for item in observations])
    seen = np.array([se3.as_transform(item.pose.transform, 'estimate') for item in observations])
    travel = float(np.linalg.norm(arm[:, :3, 3] - arm[0, :3, 3], axis=1).max())
    if travel < MIN_MOTION:
        raise DepthError(
            f'the camera should move by {1e3 * MIN_MOTION:g} mm at least between the places to tell the depth '
            f'but moved by {1e3 * travel:.2f} mm: a turn alone tells nothing'
        )
    problem = _Problem(arm, seen, np.array([item.pose.covariance for item in observations]))
    parameters = np.append(np.zeros(9), np.log(_first_scale(arm, seen)))
    for _ in range(_ITERATIONS):
        residuals, jacobian = problem.linearised(parameters)
        step = np.linalg.lstsq(jacobian, -residuals, rcond=None)[0]
        parameters = parameters + np.clip(step, -0.5, 0.5)
        if np.abs(step).max() < 1e-7:
            break
    residuals, jacobian = problem.linearised(parameters)
    freedom = max(1, residuals.size - parameters.size)
    covariance = np.linalg.pinv(jacobian.T @ jacobian) * max(1.0, float(residuals @ residuals) / freedom)
    relative = float(np.sqrt(covariance[9, 9]))
    disagreement = problem.disagreement(parameters)
    if disagreement > _MAX_DISAGREEMENT:
        raise DepthError(
            'the motions of the image should agree with those of the arm but differ by '
            f'{disagreement:.0%}: is the hand-eye calibration right, and does the scene lie still?'
        )
    if not relative < _MAX_UNCERTAINTY:
        raise DepthError(
            f'the motion of {1e3 * travel:.1f} mm should tell the depth to {_MAX_UNCERTAINTY:.0%} '
            f'but leaves {relative:.0%}: move farther'
        )
    depth = assumed_depth * float(np.exp(parameters[9]))
    return DepthCalibration(depth, depth * relative, float(np.linalg.norm(parameters[6:9])), disagreement)


def _first_scale(arm: Array, seen: Array) -> float:
    """Metres of the arm in a metre of the estimates, from motions in the first camera's frame."""
    moved = (arm[1:, :3, 3] - arm[0, :3, 3]) @ arm[0, :3, :3]
    estimated = (seen[1:, :3, 3] - seen[0, :3, 3]) @ seen[0, :3, :3]
    common = float((moved * estimated).sum())
    # The cosine between the two, over all motions.
    if not common > 0.5 * float(np.linalg.norm(moved) * np.linalg.norm(estimated)):
        raise DepthError(
            'the motions of the image should go the way of those of the arm but do not: '
            'is the hand-eye calibration right, and does the scene lie still?'
        )
    return common / float((estimated**2).sum())


class _Problem:
    """Residuals of n estimates over ten parameters, in standard deviations.

    The parameters are a small motion (6,) of the reference pose in the base, a rotation vector (3,) between the
    camera's axes of the arm and of the estimator, and the logarithm of true over assumed depth.
    """

    def __init__(self, arm: Array, seen: Array, covariances: Array) -> None:
        self._arm, self._seen, self._covariances = arm, seen, covariances

    def residuals(self, parameters: Array, whitening: Array) -> Array:
        """Residuals (6 n + 3,): whitened estimates, then the prior of the hand-eye rotation."""
        errors = self._errors(parameters)
        whitened = [matrix @ error for matrix, error in zip(whitening, errors, strict=True)]
        return np.concatenate([*whitened, parameters[6:9] / HAND_EYE])

    def linearised(self, parameters: Array) -> tuple[Array, Array]:
        """Residuals and their Jacobian (6 n + 3, 10), by central differences."""
        whitening = self._whitening(float(np.exp(parameters[9])))
        columns = [
            self.residuals(parameters + step, whitening) - self.residuals(parameters - step, whitening)
            for step in _STEP * np.eye(parameters.size)
        ]
        return self.residuals(parameters, whitening), np.column_stack(columns) / (2 * _STEP)

    def disagreement(self, parameters: Array) -> float:
        """What remains of the motions, as a part of them: root mean squares of translations."""
        left = self._errors(parameters)[:, :3]
        motion = self._seen[:, :3, 3] - self._seen[:, :3, 3].mean(axis=0)
        return float(np.sqrt((left**2).sum() / max((motion**2).sum(), 1e-30)))

    def _errors(self, parameters: Array) -> Array:
        """Small motions (n, 6) from where the camera should be seen to where it is, in its own axes."""
        scale = np.exp(parameters[9])
        first = self._seen[0].copy()
        first[:3, 3] *= scale
        turn = se3.transform(se3.rotation_exp(parameters[6:9]), np.zeros(3))
        desired_T_base = se3.from_pose_vector(parameters[:6]) @ first @ se3.inverse(self._arm[0])
        expected = desired_T_base @ self._arm @ turn
        errors = np.empty((len(expected), 6))
        for index, (pose, seen) in enumerate(zip(expected, self._seen, strict=True)):
            errors[index, :3] = pose[:3, :3].T @ (seen[:3, 3] - pose[:3, 3] / scale)
            errors[index, 3:] = se3.rotation_log(pose[:3, :3].T @ seen[:3, :3])
        return errors

    def _whitening(self, scale: float) -> Array:
        """Inverse Cholesky factors (n, 6, 6) of the estimates' covariances with the arm's."""
        arm = np.diag(np.repeat([(ARM_POSITION / scale) ** 2, ARM_ROTATION**2], 3))
        return np.linalg.inv(np.linalg.cholesky(self._covariances + arm))
