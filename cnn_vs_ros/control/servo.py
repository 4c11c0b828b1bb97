"""The servo task: which twist to send now, given the estimates that have come, or not come, so far."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.control.convergence import Convergence
from cnn_vs_ros.control.jump_guard import JumpGuard
from cnn_vs_ros.control.limits import TwistLimiter
from cnn_vs_ros.control.motion_history import MotionHistory
from cnn_vs_ros.control.pbvs import PbvsLaw
from cnn_vs_ros.control.retreat import Retreat
from cnn_vs_ros.control.search import Search
from cnn_vs_ros.control.shaping import DemandShaping
from cnn_vs_ros.control.workspace import Workspace
from cnn_vs_ros.errors import ParameterError, PoseError
from cnn_vs_ros.geometry import PoseStatus, RelativePose, se3

Array = NDArray[np.float64]

_NO_ESTIMATE = 'no valid estimate has come for pose_timeout'
_SERVOING = 'moving to the reference view'


class ServoStatus(enum.Enum):
    """What the servo task is doing."""

    IDLE = 'idle'
    """Not started yet."""
    SERVOING = 'servoing'
    """Moving towards the reference view."""
    CONVERGED = 'converged'
    """At the reference view for the hold time."""
    LOST = 'lost'
    """The estimator finds no pose."""
    STALE = 'stale'
    """No valid estimate has come for too long."""
    LIMITED = 'limited'
    """Out of the workspace or out of time: stopped until the next start."""
    STOPPED = 'stopped'
    """Stopped by request."""
    ERROR = 'error'
    """The estimates contradict the motion, or no twist can be made of them."""


class LostBehaviour(enum.Enum):
    """What to do when the estimator is lost."""

    STOP = 'stop'
    RETREAT = 'retreat'
    SEARCH = 'search'


@dataclass(frozen=True)
class _Estimate:
    pose: RelativePose
    stamp: float
    arrival: float


class Servo:
    """Turns estimates into a stream of twists, one for each call of `update`.

    Times are seconds of one clock, which the caller reads. The estimate in force is stale when more than
    `pose_timeout` seconds have passed since its image was taken or since it arrived; then, when it is lost,
    and when the task is stopped, the camera stops within the limiter's acceleration. While it is lost `when_lost`
    may move it. With a `history`, the motion sent since the image was taken is added to its pose.
    `minimum_confidence` is that below which an estimate counts as lost once that has lasted `low_confidence_time`
    seconds. A `jump_guard` refuses estimates that no motion explains; beyond the `workspace` or after `time_limit`
    seconds the task ends, limited. Converged means that the twist is within `rest_speeds` (m/s, rad/s) besides. A
    converged task keeps still until `start`, unless `keep_servoing`. The acceleration limits reckon with at most
    `longest_step` seconds between two calls.
    """

    def __init__(
        self,
        law: PbvsLaw,
        limiter: TwistLimiter,
        convergence: Convergence,
        *,
        pose_timeout: float = 0.2,
        minimum_confidence: float = 0.0,
        history: MotionHistory | None = None,
        when_lost: Retreat | Search | None = None,
        keep_servoing: bool = False,
        longest_step: float = 0.04,
        shaping: DemandShaping | None = None,
        workspace: Workspace | None = None,
        jump_guard: JumpGuard | None = None,
        time_limit: float = math.inf,
        low_confidence_time: float = 0.0,
        rest_speeds: tuple[float, float] = (math.inf, math.inf),
    ) -> None:
        if not (pose_timeout > 0 and longest_step > 0):
            raise ParameterError(
                f'pose_timeout and longest_step should be positive seconds but are {pose_timeout}, {longest_step}'
            )
        self.law = law
        self.limiter = limiter
        self.convergence = convergence
        self.pose_timeout = pose_timeout
        self.minimum_confidence = minimum_confidence
        self.history = history
        self.when_lost = when_lost
        self.keep_servoing = keep_servoing
        self.longest_step = longest_step
        self.shaping = shaping or DemandShaping()
        self.workspace = workspace
        self.jump_guard = jump_guard
        self.time_limit = time_limit
        self.low_confidence_time = low_confidence_time
        self.rest_speeds = rest_speeds
        self._running = False
        self._status = ServoStatus.IDLE
        self._reason = 'not started'
        self._missing = _NO_ESTIMATE
        self._fault: tuple[str, float] | None = None
        self._lost_reason = ''
        self._low_since = math.inf
        self._begun = math.inf
        self._estimate: _Estimate | None = None
        self._started = -np.inf
        self._previous_update: float | None = None

    @property
    def status(self) -> ServoStatus:
        """What the task has been doing since the last `update`, `start` or `stop`."""
        return self._status

    @property
    def reason(self) -> str:
        """One sentence about why the status is what it is."""
        return self._reason

    def retune(self, other: Servo) -> None:
        """Take the settings of `other`, which is not used any more, and go on from the present state."""
        other.limiter.resume(self.limiter.twist)
        other.convergence.reset()
        if other.history is not None and self.history is not None:
            other.history = self.history
        if other.when_lost is not None and self.when_lost is not None:
            other.when_lost.resume(self.when_lost)
        if other.jump_guard is not None and self.jump_guard is not None:
            other.jump_guard.resume(self.jump_guard)
        for name in (
            'law', 'limiter', 'convergence', 'history', 'when_lost',
            'pose_timeout', 'minimum_confidence', 'keep_servoing', 'longest_step', 'shaping', 'workspace',
            'jump_guard', 'time_limit', 'low_confidence_time', 'rest_speeds',
        ):  # fmt: skip
            setattr(self, name, getattr(other, name))

    def start(self, now: float) -> None:
        """Begin, or begin anew, with images taken after `now`."""
        self._running = True
        self._set(ServoStatus.STALE, _NO_ESTIMATE)
        self._started = self._begun = now
        self._forget()

    def stop(self) -> None:
        """Come to a smooth stop and stay there."""
        self._running = False
        self._set(ServoStatus.STOPPED, 'stopped by request')
        self._forget()

    def fail(self, reason: str) -> None:
        """No twist could be made: take no estimate until the next one, and say so."""
        self._estimate = None
        self.convergence.reset()
        if self._running:
            self._set(ServoStatus.ERROR, reason)

    def halt(self) -> None:
        """Take the camera to stand still from this moment, as after zeros were sent past the limiter."""
        self.limiter.reset()
        self._previous_update = None
        if self.history is not None:
            self.history.clear()
        if self.jump_guard is not None:
            self.jump_guard.reset()

    def ramp_down(self, dt: float) -> Array:
        """Twist (6,) of a smooth stop, `dt` seconds after the previous one, whatever the estimates."""
        return self.limiter.limit(np.zeros(6), min(dt, self.longest_step))

    def reject_estimate(self, reason: str = '') -> None:
        """An estimate came that cannot be used, for `reason`: have none until the next one."""
        self._estimate = None
        self._missing = reason or _NO_ESTIMATE
        self.convergence.reset()

    def add_estimate(self, pose: RelativePose, stamp: float, arrival: float) -> None:
        """Take the estimate of an image taken at `stamp` that arrived at `arrival` (seconds).

        An image no newer than that of the estimate in force, or than `start`, is ignored. Raises PoseError
        when the stamp lies in the future by more than the timeout, or when the pose is found but not finite
        and rigid; there is then no estimate in force.
        """
        if not stamp <= arrival + self.pose_timeout:
            self.reject_estimate()
            raise PoseError(
                f'image stamp should not lie in the future but is {stamp - arrival:.3f} s ahead: '
                'are the clocks of the camera and of the controller the same?'
            )
        if stamp <= self._started or (self._estimate is not None and stamp <= self._estimate.stamp):
            return
        if pose.is_lost:
            self.convergence.reset()
        else:
            try:
                self.law.twist(pose.transform)
            except PoseError:
                self.reject_estimate()
                raise
        if self._is_lost(pose, stamp):
            pose = RelativePose(pose.transform, pose.covariance, pose.confidence, PoseStatus.LOST)
            self.convergence.reset()
            self._fault = None
        elif self._has_jumped(pose, stamp, arrival):
            return
        elif self.when_lost is not None:
            self.when_lost.reset()
        self._estimate = _Estimate(pose, stamp, arrival)
        if self._status is ServoStatus.CONVERGED and not self.keep_servoing:
            return
        if self._running and not pose.is_lost:
            self._judge(pose, stamp)

    def _is_lost(self, pose: RelativePose, stamp: float) -> bool:
        """Whether the estimator has lost the target or has not been confident for too long."""
        if pose.is_lost:
            self._lost_reason = 'the estimator is lost'
            return True
        if pose.confidence >= self.minimum_confidence:
            self._low_since = math.inf
            return False
        self._low_since = min(self._low_since, stamp)
        self._lost_reason = f'confidence {pose.confidence:.2f} is under the minimum of {self.minimum_confidence:g}'
        return stamp - self._low_since >= self.low_confidence_time

    def _has_jumped(self, pose: RelativePose, stamp: float, arrival: float) -> bool:
        refusal = '' if self.jump_guard is None else self.jump_guard.refusal(pose.transform, stamp)
        if refusal:
            self.reject_estimate(refusal)
            self._fault = refusal, arrival
            return True
        self._fault = None
        return False

    def _judge(self, pose: RelativePose, stamp: float) -> None:
        vector = self.shaping.error(pose.transform)
        error = RelativePose(se3.from_pose_vector(vector))
        at_goal = self.convergence.update(error, stamp)
        twist = self.limiter.twist
        at_rest = (
            np.linalg.norm(twist[:3]) <= self.rest_speeds[0] and np.linalg.norm(twist[3:]) <= self.rest_speeds[1]
        )
        if at_goal and at_rest:
            self._set(ServoStatus.CONVERGED, 'the goal was held for the hold time')
        else:
            self._set(ServoStatus.SERVOING, _SERVOING)

    def update(self, now: float) -> Array:
        """Twist (6,) of the camera in its own frame to send at `now` (seconds)."""
        dt = 0.0 if self._previous_update is None else now - self._previous_update
        if dt < 0:  # the clock was set back: nothing remembered is of this time
            self._forget()
            self._missing = 'the clock went backwards'
            self._started = -np.inf
            self._begun = now
            dt = 0.0
        if self._status is ServoStatus.LOST and self.when_lost is not None:
            self.when_lost.record(self.limiter.twist, dt)
        # After a pause the arm must not be given in one step what it should have been given in many.
        dt = min(dt, self.longest_step)
        twist = self.limiter.limit(self._demand(now, dt), dt)
        self._previous_update = now
        if self.history is not None:
            self.history.add(now, twist)
        if self.jump_guard is not None:
            self.jump_guard.record(now, twist)
        return twist

    def _demand(self, now: float, dt: float) -> Array:
        zeros = np.zeros(6)
        done = self._status is ServoStatus.CONVERGED and not self.keep_servoing
        if not self._running or done:
            return zeros
        if now - self._begun > self.time_limit:
            return self._limit(f'the time limit of {self.time_limit:g} s is over')
        estimate = self._estimate
        if self._fault is not None and now - self._fault[1] <= self.pose_timeout:
            self._set(ServoStatus.ERROR, self._fault[0])
            return zeros
        if estimate is None or now - min(estimate.stamp, estimate.arrival) > self.pose_timeout:
            self._set(ServoStatus.STALE, self._missing if estimate is None else _NO_ESTIMATE)
            self.convergence.reset()
            return zeros
        if estimate.pose.is_lost:
            self._set(ServoStatus.LOST, self._lost_reason)
            return zeros if self.when_lost is None else self.when_lost.twist(dt)
        if self._status is not ServoStatus.CONVERGED:
            self._set(ServoStatus.SERVOING, _SERVOING)
        transform = estimate.pose.transform
        if self.history is not None:
            transform = transform @ self.history.motion(estimate.stamp, now)
        violation = '' if self.workspace is None else self.workspace.violation(transform)
        if violation:
            return self._limit(violation)
        return self.shaping(self.law.twist(transform), transform, estimate.pose.confidence)

    def _limit(self, reason: str) -> Array:
        self._running = False
        self._set(ServoStatus.LIMITED, reason)
        self._forget()
        return np.zeros(6)

    def _set(self, status: ServoStatus, reason: str) -> None:
        self._status, self._reason = status, reason

    def _forget(self) -> None:
        self._estimate = None
        self._missing = _NO_ESTIMATE
        self._fault = None
        self._low_since = math.inf
        if self.jump_guard is not None:
            self.jump_guard.reset()
        self.convergence.reset()
        if self.when_lost is not None:
            self.when_lost.reset()
