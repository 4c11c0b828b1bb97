"""The servo task: which twist to send now, given the estimates that have come, or not come, so far."""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.control.convergence import Convergence
from cnn_vs_ros.control.limits import TwistLimiter
from cnn_vs_ros.control.motion_history import MotionHistory
from cnn_vs_ros.control.pbvs import PbvsLaw
from cnn_vs_ros.control.retreat import Retreat
from cnn_vs_ros.errors import ParameterError, PoseError
from cnn_vs_ros.geometry import RelativePose

Array = NDArray[np.float64]


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
    STOPPED = 'stopped'
    """Stopped by request."""


class LostBehaviour(enum.Enum):
    """What to do when the estimator is lost."""

    STOP = 'stop'
    RETREAT = 'retreat'


@dataclass(frozen=True)
class _Estimate:
    pose: RelativePose
    stamp: float
    arrival: float


class Servo:
    """Turns estimates into a stream of twists, one for each call of `update`.

    Times are seconds of one clock, which the caller reads. The estimate in force is stale when more than
    `pose_timeout` seconds have passed since its image was taken or since it arrived; then, when it is lost,
    and when the task is stopped, the camera stops within the limiter's acceleration. With a `history`, the
    motion sent since the image was taken is added to its pose. `minimum_confidence` is that below which an
    estimate counts as lost. A converged task keeps still until `start`, unless `keep_servoing`. The acceleration
    limits reckon with at most `longest_step` seconds between two calls.
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
        retreat: Retreat | None = None,
        keep_servoing: bool = False,
        longest_step: float = 0.04,
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
        self.retreat = retreat
        self.keep_servoing = keep_servoing
        self.longest_step = longest_step
        self._running = False
        self._status = ServoStatus.IDLE
        self._estimate: _Estimate | None = None
        self._started = -np.inf
        self._previous_update: float | None = None

    @property
    def status(self) -> ServoStatus:
        """What the task has been doing since the last `update`, `start` or `stop`."""
        return self._status

    def retune(self, other: Servo) -> None:
        """Take the settings of `other`, which is not used any more, and go on from the present state."""
        other.limiter.resume(self.limiter.twist)
        other.convergence.reset()
        if other.history is not None and self.history is not None:
            other.history = self.history
        if other.retreat is not None and self.retreat is not None:
            other.retreat.resume(self.retreat)
        for name in (
            'law', 'limiter', 'convergence', 'history', 'retreat',
            'pose_timeout', 'minimum_confidence', 'keep_servoing', 'longest_step',
        ):  # fmt: skip
            setattr(self, name, getattr(other, name))

    def start(self, now: float) -> None:
        """Begin, or begin anew, with images taken after `now`."""
        self._running = True
        self._status = ServoStatus.STALE
        self._started = now
        self._forget()

    def stop(self) -> None:
        """Come to a smooth stop and stay there."""
        self._running = False
        self._status = ServoStatus.STOPPED
        self._forget()

    def halt(self) -> None:
        """Take the camera to stand still from this moment, as after zeros were sent past the limiter."""
        self.limiter.reset()
        self._previous_update = None
        if self.history is not None:
            self.history.clear()

    def reject_estimate(self) -> None:
        """An estimate came that cannot be used: have none until the next one."""
        self._estimate = None
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
        lost = pose.is_lost or not pose.confidence >= self.minimum_confidence
        if lost:
            self.convergence.reset()
        else:
            try:
                self.law.twist(pose.transform)
            except PoseError:
                self.reject_estimate()
                raise
            if self.retreat is not None:
                self.retreat.reset()
        self._estimate = _Estimate(pose, stamp, arrival)
        if self._status is ServoStatus.CONVERGED and not self.keep_servoing:
            return
        if self._running and not lost:
            converged = self.convergence.update(pose, stamp)
            self._status = ServoStatus.CONVERGED if converged else ServoStatus.SERVOING

    def update(self, now: float) -> Array:
        """Twist (6,) of the camera in its own frame to send at `now` (seconds)."""
        dt = 0.0 if self._previous_update is None else now - self._previous_update
        if dt < 0:  # the clock was set back: nothing remembered is of this time
            self._forget()
            self._started = -np.inf
            dt = 0.0
        if self._status is ServoStatus.LOST and self.retreat is not None:
            self.retreat.record(self.limiter.twist, dt)
        # After a pause the arm must not be given in one step what it should have been given in many.
        dt = min(dt, self.longest_step)
        twist = self.limiter.limit(self._demand(now, dt), dt)
        self._previous_update = now
        if self.history is not None:
            self.history.add(now, twist)
        return twist

    def _demand(self, now: float, dt: float) -> Array:
        zeros = np.zeros(6)
        done = self._status is ServoStatus.CONVERGED and not self.keep_servoing
        if not self._running or done:
            return zeros
        estimate = self._estimate
        if estimate is None or now - min(estimate.stamp, estimate.arrival) > self.pose_timeout:
            self._status = ServoStatus.STALE
            self.convergence.reset()
            return zeros
        if estimate.pose.is_lost or not estimate.pose.confidence >= self.minimum_confidence:
            self._status = ServoStatus.LOST
            return zeros if self.retreat is None else self.retreat.twist(dt)
        if self._status is not ServoStatus.CONVERGED:
            self._status = ServoStatus.SERVOING
        transform = estimate.pose.transform
        if self.history is not None:
            transform = transform @ self.history.motion(estimate.stamp, now)
        return self.law.twist(transform)

    def _forget(self) -> None:
        self._estimate = None
        self.convergence.reset()
        if self.retreat is not None:
            self.retreat.reset()
