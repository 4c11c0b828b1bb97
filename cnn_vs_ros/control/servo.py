"""The servo task: which twist to send now, given the estimates that have come, or not come, so far."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.control.arm_link import ArmLink
from cnn_vs_ros.control.convergence import Convergence
from cnn_vs_ros.control.estimate_gate import EstimateGate, Known, Word
from cnn_vs_ros.control.following import Following
from cnn_vs_ros.control.motion_history import STANDSTILL
from cnn_vs_ros.control.oscillation import Oscillation
from cnn_vs_ros.control.search import is_near_goal
from cnn_vs_ros.control.servo_settings import LostBehaviour, ServoSettings
from cnn_vs_ros.control.servo_status import ServoStatus
from cnn_vs_ros.control.twist_exit import Move, TwistExit
from cnn_vs_ros.errors import PoseError, VisualServoingError
from cnn_vs_ros.geometry import RelativePose, se3

Array = NDArray[np.float64]

SLOWEST_PACE = 0.125
"""Part of the gain at which a task that still swings is given up."""

_SERVOING = 'moving to the reference view'
_WAITING = 'waiting for the first estimate since the start'
ANEW = 'call ~/start to go on'
"""How the reason ends of a task that has ended by itself, and so of an error that lasts."""


_ON_THE_WAY = ServoStatus.SERVOING, ServoStatus.CONVERGED


class Servo:
    """Turns estimates into a stream of twists, one for each call of `update`.

    A state machine between an EstimateGate and a TwistExit, through which every twist passes. Times are seconds of
    one clock, which the caller reads. While the task runs, `status` follows from what is known: SERVOING, LOST,
    STALE and ERROR give way to one another by themselves. It ends, and only `start` begins anew, as CONVERGED,
    STOPPED, LIMITED, or as ERROR where the arm does not follow, is not driven, or estimates insist on a jump.
    """

    def __init__(self, settings: ServoSettings) -> None:
        self.settings = settings
        self.arm = ArmLink()
        self._exit = TwistExit(settings.exit)
        self._gate = EstimateGate(settings.gate)
        self._reckoning = self._gate.guard.reckoning
        self._convergence = Convergence(settings.convergence)
        self._following = Following(settings.following)
        self._oscillation = Oscillation(settings.law.length)
        self._when_lost = settings.lost.motion(settings.exit)
        self._running = False
        self._status, self._reason = ServoStatus.IDLE, 'not started'
        self._pace, self._at_rest = 1.0, True
        self._is_near, self._lost_since = False, -math.inf
        self._spent, self._under_way, self._judged = 0.0, -math.inf, -math.inf
        self._previous_update: float | None = None

    @property
    def status(self) -> ServoStatus:
        """What the task has been doing since the last `update`, `start` or `stop`."""
        return self._status

    @property
    def reason(self) -> str:
        """One sentence about why the status is what it is."""
        return self._reason

    @property
    def running(self) -> bool:
        """Whether the task may move the camera, now or by itself later."""
        return self._running

    @property
    def twist(self) -> Array:
        """The last twist (6,) that was given out."""
        return self._exit.twist

    def retune(self, settings: ServoSettings) -> None:
        """Take other settings and go on from the present state."""
        self.settings = settings
        self._exit.retune(settings.exit)
        self._gate.retune(settings.gate)
        self._convergence.settings = settings.convergence
        self._convergence.reset()
        self._following.settings = settings.following
        self._oscillation.length = settings.law.length
        episode, self._when_lost = self._when_lost, settings.lost.motion(settings.exit)
        if self._when_lost is not None:
            self._when_lost.resume(episode)

    # Requests

    def start(self, now: float) -> str:
        """Begin, or begin anew, with images taken after `now`; say why not, if nothing is to be begun.

        It takes an estimate that is fresh, and an arm that is driven. That the target is lost will do where it is
        to be looked for.
        """
        refusal = self._refusal(now)
        if not refusal:
            self._running, self._spent, self._pace = True, 0.0, 1.0
            self._exit.start()
            self._begin_anew(now, after=now, waiting_for=_WAITING)
            self._set(ServoStatus.STALE, _WAITING)
        return refusal

    def stop(self, reason: str = 'stopped by request') -> None:
        """Come to a stop and stay there."""
        self._end(ServoStatus.STOPPED, reason)

    def halt(self) -> None:
        """Take the camera to stand still from this moment, as after zeros were sent past the exit."""
        self._exit.halt()
        self._previous_update = None
        self._reckoning.clear()

    def brake(self, dt: float) -> Array:
        """Twist (6,) of a stop, `dt` seconds after the previous one, whatever the estimates."""
        return self._exit(None, dt)

    def _refusal(self, now: float) -> str:
        if self.arm.unready:
            return f'the arm should be driven to start but is not: {self.arm.unready}'
        word = self._gate.word(now)
        looks = self.settings.lost.behaviour is not LostBehaviour.STOP
        if word.known is Known.FOUND or (word.known is Known.LOST and looks):
            return ''
        if word.known is Known.LOST:
            return f'the reference should be in view to start, or lost_behaviour not stop, but {word.reason}'
        return f'a fresh estimate should have come to start but {word.reason}'

    # Estimates

    def reject_estimate(self, reason: str) -> None:
        """An estimate came that cannot be used, for `reason`: have none until the next one."""
        self._gate.refuse(reason)
        self._convergence.reset()

    def add_estimate(self, pose: RelativePose, stamp: float, arrival: float) -> None:
        """Take the estimate of an image taken at `stamp` that arrived at `arrival` (seconds).

        Raises PoseError as `EstimateGate.add` does.
        """
        try:
            found = self._gate.add(pose, stamp, arrival)
        except PoseError:
            self._convergence.reset()
            raise
        if self._gate.word(arrival).known is Known.LOST:
            self._convergence.reset()
        if not found:
            return
        if self._when_lost is not None:
            self._when_lost.reset()
        self._is_near = is_near_goal(pose.transform)
        if self._running:
            self._judge(pose, stamp)

    def _judge(self, pose: RelativePose, stamp: float) -> None:
        """See by an estimate whether the arm follows, and whether it has arrived."""
        commanded = self._reckoning.motion(self._judged, stamp)
        self._judged = stamp
        if self.arm.holding or self.arm.slowed:
            self._following.reset()
        elif problem := self._following.problem(stamp, pose.transform, commanded):
            self._end(ServoStatus.ERROR, f'{problem}; {ANEW}')
            return
        error = RelativePose(
            se3.from_pose_vector(self.settings.exit.error(pose.transform)), confidence=pose.confidence
        )
        if self._convergence.update(error, stamp) and self.settings.convergence.at_rest(self._exit.twist):
            self._converge('the goal was held for the hold time')
        elif self._status is ServoStatus.CONVERGED:
            self._set(ServoStatus.SERVOING, _SERVOING)

    def _converge(self, reason: str) -> None:
        if self.settings.keep_servoing:
            self._set(ServoStatus.CONVERGED, reason)
        else:
            self._end(ServoStatus.CONVERGED, reason)

    # Twists

    def update(self, now: float) -> Array:
        """Twist (6,) of the camera in its own frame to send at `now` (seconds)."""
        dt, part = self._step(now), self.arm.scaling.part(now)
        if self._status is ServoStatus.LOST and self._when_lost is not None:
            self._when_lost.record(self._exit.twist, part * min(dt, STANDSTILL))
        twist = self._next_twist(now, dt, part)
        if self._exit.violation and self._running:
            self._end(ServoStatus.LIMITED, f'{self._exit.violation}; {ANEW}')
        self._reckoning.add(now, part * twist)
        if part < 1.0:
            self._oscillation.reset()  # how fast it swings then, is not for the gain to answer
        elif self._running and self._status is ServoStatus.SERVOING and self._oscillation.update(now, twist):
            self._slow_down()
        return twist

    def _next_twist(self, now: float, dt: float, part: float) -> Array:
        try:
            return self._exit(self._move(now, dt, part) if self._running else None, dt, part)
        except VisualServoingError as error:
            self._gate.refuse(f'no twist: {error}')
            self._set(ServoStatus.ERROR, f'no twist: {error}')
            return self._exit(None, dt, part)

    def _step(self, now: float) -> float:
        """Seconds since the last update."""
        dt = 0.0 if self._previous_update is None else now - self._previous_update
        self._previous_update = now
        if dt >= 0:
            return dt
        # The clock was set back: nothing remembered is of this time.
        self._reckoning.clear()
        self._begin_anew(now, after=-math.inf, waiting_for='the clock went backwards')
        return 0.0

    def _begin_anew(self, now: float, after: float, waiting_for: str) -> None:
        self._under_way = self._judged = now
        self._gate.open(after, guarded=self._running)
        self._gate.refuse(waiting_for)
        self._forget()
        self.arm.start(now)

    def _forget(self) -> None:
        self._convergence.reset()
        self._following.reset()
        self._oscillation.reset()
        self._is_near = False
        if self._when_lost is not None:
            self._when_lost.reset()

    def _end(self, status: ServoStatus, reason: str) -> None:
        self._running = False
        self._set(status, reason)
        self._gate.unguard()
        self._forget()

    def _move(self, now: float, dt: float, part: float) -> Move | None:
        """Motion to ask for at `now`; None for a stop. Sets the status, and may end the task.

        Of the last `dt` seconds those count with which the robot, at its `part` of the speed, moved.
        """
        self._spent += part * dt
        self._under_way += (1.0 - part) * dt
        if self._spent > self.settings.time_limit:
            self._end(ServoStatus.LIMITED, f'the time limit of {self.settings.time_limit:g} s is over; {ANEW}')
            return None
        if self.arm.holding:
            self._wait_for_arm(now)
            return None
        if pause := self.arm.scaling.pause(now):
            self._wait_out(pause, now)
            return None
        move = self._towards(self._gate.word(now), now, dt)
        if not self._running:
            return None
        if self._status in _ON_THE_WAY or (move is not None and move.twist.any()):
            self._under_way = now
        return None if self._is_out_of_patience(now) else move

    def _wait_for_arm(self, now: float) -> None:
        self._set(ServoStatus.ERROR, self.arm.holding)
        self._following.reset()
        if self.arm.ended or self.arm.held_for(now) > self.settings.arm_patience:
            self._end(ServoStatus.ERROR, f'{self.arm.holding}; {ANEW}')

    def _wait_out(self, pause: str, now: float) -> None:
        if self._status is not ServoStatus.CONVERGED:
            self._set(ServoStatus.SERVOING, pause)
        self._following.reset()
        self.arm.start(now)

    def _is_out_of_patience(self, now: float) -> bool:
        patience = self.settings.patience
        if self.arm.slowed_for(now) > patience:
            self._end(ServoStatus.LIMITED, f'for {patience:g} s {self.arm.slowed}; {ANEW}')
        elif now - self._under_way > patience:
            self._end(ServoStatus.STOPPED, f'{self._status.value} for {patience:g} s: {self._reason}; {ANEW}')
        return not self._running

    def _towards(self, word: Word, now: float, dt: float) -> Move | None:
        if word.known is Known.FOUND:
            return self._to_goal(word, now)
        if word.known is Known.BROKEN:
            self._end(ServoStatus.ERROR, f'{word.reason}, three times in a row; {ANEW}')
        elif word.known is Known.DOUBTED:
            self._set(ServoStatus.ERROR, word.reason)
        elif word.known is Known.STALE:
            self._set(ServoStatus.STALE, word.reason)
        else:
            return self._look_for_target(word, now, dt)
        return None

    def _look_for_target(self, word: Word, now: float, dt: float) -> Move | None:
        if self._status is not ServoStatus.LOST:
            self._set(ServoStatus.LOST, word.reason)
            self._at_rest, self._lost_since = False, now
        self._at_rest = self._at_rest or not self._exit.twist.any()
        waits = self._is_near and now - self._lost_since < self.settings.lost.goal_wait
        if self._when_lost is None or not self._at_rest or waits:
            return None
        self._is_near = False
        return Move(self._when_lost.twist(dt), self._reckoning.at(now), to_goal=False)

    def _to_goal(self, word: Word, now: float) -> Move:
        if self._status is not ServoStatus.CONVERGED:
            self._set(ServoStatus.SERVOING, self._under_way_reason())
        transform = word.transform
        if self.settings.latency_compensation:
            transform = transform @ self._reckoning.motion(word.stamp, now)
        twist = self.settings.law.twist(transform) * (self._pace * self.settings.pace(word.confidence))
        return Move(twist, transform)

    def _under_way_reason(self) -> str:
        reason = _SERVOING
        if self._pace < 1.0:
            reason += f', at {self._pace:g} of the gain: it swung about the goal, faster than the images tell'
        return f'{reason}; {self.arm.slowed}' if self.arm.slowed else reason

    def _slow_down(self) -> None:
        self._pace *= 0.5
        if self._pace < SLOWEST_PACE:
            self._end(ServoStatus.ERROR, f'it swings about the goal: lower gain.at_zero; {ANEW}')

    def _set(self, status: ServoStatus, reason: str) -> None:
        self._status, self._reason = status, reason
