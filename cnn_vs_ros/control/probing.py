"""Small known motions of the camera, by joint feedback alone, with rests at which it observes."""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.control.limits import TwistLimiter
from cnn_vs_ros.errors import ParameterError, ProbingError
from cnn_vs_ros.geometry import RelativePose, se3

Array = NDArray[np.float64]

_GAIN = 3.0
_ARRIVED = 1e-3, 5e-3
"""Metres and radians from a place at which the camera comes to rest: where it rests is measured anyway."""
_AT_REST = 5e-4
_OBSERVING_TIME = 5.0
_CORNERS = [(np.cos(angle), np.sin(angle), 0.0) for angle in np.radians((0.0, 120.0, 240.0))]


@dataclass(frozen=True)
class ProbingLimits:
    """How far, how fast and how long: metres, radians, seconds.

    The camera moves by `distance`, or less where its translation reaches `parallax` of the depth before. At each
    place it rests for `settle_time` and takes `samples` estimates.
    """

    distance: float = 0.04
    parallax: float = 0.12
    linear_velocity: float = 0.03
    angular_velocity: float = 0.2
    linear_acceleration: float = 0.15
    angular_acceleration: float = 1.0
    samples: int = 10
    settle_time: float = 0.3
    lost_timeout: float = 1.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value > 0:
                raise ParameterError(f'{name} should be positive but is {value}')


class _Phase(enum.Enum):
    MOVING = 'moving'
    SETTLING = 'settling'
    OBSERVING = 'observing'


@dataclass
class Place:
    """Where the camera rested, base_T_camera (4, 4), and what was estimated there."""

    base_T_camera: Array
    poses: list[RelativePose]


class ProbingMotion:
    """Takes the camera round a triangle about where it stands, across its optical axis, and back.

    Give it every estimate (`add_estimate`) and ask it for a twist at a steady rate (`update`) until it is
    `finished`; then `places` holds four places and what was seen there. It never turns the camera, and never
    moves it towards the scene.

    Args:
        base_T_camera: pose (4, 4) of the camera now, from joint states.
        assumed_depth: the reference's depth that the estimator works with, metres.
        now: seconds of the clock of all times here.
    """

    def __init__(self, base_T_camera: Array, assumed_depth: float, limits: ProbingLimits, now: float) -> None:
        self.places: list[Place] = []
        self._limits = limits
        self._depth = assumed_depth
        self._limiter = TwistLimiter(
            limits.linear_velocity,
            limits.angular_velocity,
            limits.linear_acceleration,
            limits.angular_acceleration,
        )
        self._start = se3.as_transform(base_T_camera, 'base_T_camera')
        self._radius = limits.distance
        self._first: Array | None = None
        self._phase, self._phase_began = _Phase.SETTLING, now
        self._goals = [np.zeros(3), *(np.array(corner) for corner in _CORNERS), np.zeros(3)]
        self._last_update = self._last_estimate = now
        self._samples: list[RelativePose] = []
        self._rested_at = self._start

    @property
    def finished(self) -> bool:
        """Whether the camera is back, after all observations."""
        return not self._goals

    def add_estimate(self, pose: RelativePose, stamp: float) -> None:
        """Take an estimate of the image stamped `stamp`; lost ones count as none."""
        if pose.is_lost:
            return
        self._last_estimate = max(self._last_estimate, min(stamp, self._last_update))
        if self._phase is _Phase.OBSERVING and stamp > self._phase_began:
            self._samples.append(pose)
        if self._first is None:
            self._first = pose.transform
        elif len(self.places) == 1 and self._phase is _Phase.MOVING:
            shift = float(np.linalg.norm(pose.transform[:3, 3] - self._first[:3, 3])) / self._depth
            if shift >= self._limits.parallax:
                self._radius = self._reached

    def update(self, now: float, base_T_camera: Array) -> Array:
        """Twist (6,) of the camera in its own frame, for its pose (4, 4) from joint states at `now`.

        Raises:
            ProbingError: the view is lost, a place is not reached, or the camera is where it should not be. Then
                the arm must be stopped.
        """
        dt, self._last_update = now - self._last_update, now
        self._check(now, dt, base_T_camera)
        demand = np.zeros(6)
        if self._phase is _Phase.MOVING:
            demand = self._towards_goal(now, base_T_camera)
        elif self._phase is _Phase.SETTLING:
            if not self._limiter.twist.any() and now - self._phase_began > self._limits.settle_time:
                self._rested_at = base_T_camera
                self._enter(_Phase.OBSERVING, now)
        else:
            self._observe(now, base_T_camera)
        return self._limiter.limit(demand, dt)

    @property
    def _goal(self) -> Array:
        return self._start @ se3.transform(np.eye(3), self._radius * self._goals[0])

    def _enter(self, phase: _Phase, now: float) -> None:
        self._phase, self._phase_began = phase, now

    def _check(self, now: float, dt: float, base_T_camera: Array) -> None:
        if not 0 <= dt <= self._limits.lost_timeout:
            raise ProbingError(f'the clock should run steadily but went by {dt:.3f} s')
        if now - self._last_estimate > self._limits.lost_timeout:
            raise ProbingError(
                f'the reference should be in view but was not found for {self._limits.lost_timeout:g} s'
            )
        self._reached = float(np.linalg.norm(base_T_camera[:3, 3] - self._start[:3, 3]))
        if self._reached > 1.5 * self._limits.distance:
            raise ProbingError(
                f'the camera should stay within {1e3 * self._limits.distance:g} mm of its start '
                f'but is {1e3 * self._reached:.0f} mm away: does something else move the arm?'
            )

    def _towards_goal(self, now: float, base_T_camera: Array) -> Array:
        error = se3.log(se3.inverse(base_T_camera) @ self._goal)
        distance, angle = float(np.linalg.norm(error[:3])), float(np.linalg.norm(error[3:]))
        if distance < _ARRIVED[0] and angle < _ARRIVED[1]:
            if len(self._goals) == 1:
                self._goals.clear()  # back where it began
            self._enter(_Phase.SETTLING, now)
            return np.zeros(6)
        allowed = 3.0 + 6.0 * self._limits.distance / self._limits.linear_velocity
        if now - self._phase_began > allowed:
            raise ProbingError(
                f'the camera should have moved there within {allowed:.1f} s but is {1e3 * distance:.1f} mm away: '
                'is the arm near a joint limit or a singularity, and does it follow the twists?'
            )
        return _GAIN * error

    def _observe(self, now: float, base_T_camera: Array) -> None:
        moved = float(np.linalg.norm(base_T_camera[:3, 3] - self._rested_at[:3, 3]))
        if moved > _AT_REST:
            raise ProbingError(f'the arm should rest at zero velocity but moved by {1e3 * moved:.1f} mm')
        if len(self._samples) >= self._limits.samples:
            self.places.append(Place(np.array(base_T_camera), self._samples))
            self._samples = []
            self._goals.pop(0)
            self._enter(_Phase.MOVING, now)
        elif now - self._phase_began > _OBSERVING_TIME:
            raise ProbingError(
                f'{self._limits.samples} estimates should come within {_OBSERVING_TIME:g} s '
                f'but {len(self._samples)} did'
            )
