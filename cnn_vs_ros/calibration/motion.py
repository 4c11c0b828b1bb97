"""Small safe motions for a calibration: turns first, then about the scene, by joint feedback alone."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.control.limits import TwistLimiter
from cnn_vs_ros.errors import HandEyeError, ParameterError
from cnn_vs_ros.geometry import se3

Array = NDArray[np.float64]

_GAIN = 3.0
_ARRIVED = 2e-3, 1e-2
"""Metres and radians from a place at which the flange comes to rest: where it rests is measured anyway."""
_SETTLING = 1.2
"""Seconds that a way takes longer than at full speed."""
_RING = 8
"""Places about the scene."""
_STRAYED = 1.6
"""Times of the way and of the angle allowed, from which on something else moves the arm."""


@dataclass(frozen=True)
class MotionLimits:
    """How far, how fast and how long: metres, radians, seconds.

    Flange and camera stay within `distance` of where they stand, and turn by `angle` at most (half as much again
    about the camera's own axis); while the mount is not known a lever arm between them adds to that. At each
    place it rests for `rest`; without sight of the reference for `lost_timeout` it ends.
    """

    distance: float = 0.12
    angle: float = 0.35
    linear_velocity: float = 0.08
    angular_velocity: float = 0.3
    linear_acceleration: float = 0.3
    angular_acceleration: float = 1.0
    rest: float = 0.3
    lost_timeout: float = 1.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value > 0:
                raise ParameterError(f'{name} should be positive but is {value}')


def first_places(limits: MotionLimits) -> list[Array]:
    """Places (4, 4) of the tip in its frame at the start: turns about its axes, then shifts, all small.

    They need no mount: what turns the flange turns the camera by as much, about whatever axis.
    """
    angle, shift = 0.3 * limits.angle, 0.25 * limits.distance
    turns = [_place(sign * angle * axis, np.zeros(3)) for axis in np.eye(3) for sign in (1, -1)]
    return [*turns, *(_place(np.zeros(3), sign * shift * axis) for axis in np.eye(3)[:2] for sign in (1, -1))]


def few_places(limits: MotionLimits, mount: Array, flange_T_tip: Array | None = None) -> list[Array]:
    """Three places (4, 4) of the tip in its frame at the start: each turned about another axis and shifted.

    They tell the depth where the `mount` ``flange_T_camera`` (4, 4) is known, and whether it still holds. Flange
    and camera go no farther than the limits' distance.
    """
    angle, shift = 0.4 * limits.angle, 0.3 * limits.distance
    turns = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [-0.7, -0.7, 0.5]])
    shifts = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [-0.7, -0.7, 0.0]])
    tip_T_flange = np.eye(4) if flange_T_tip is None else se3.inverse(flange_T_tip)
    links = tip_T_flange, tip_T_flange @ mount

    def place(index: int, share: float) -> Array:
        return _place(share * angle * turns[index], share * shift * shifts[index])

    return [_bounded(limits, links, partial(place, index)) for index in range(len(turns))]


def later_places(
    limits: MotionLimits, mount: Array, depth: float, flange_T_tip: Array | None = None
) -> list[Array]:
    """Places (4, 4) of the tip in its frame at the start: about what the camera sees `depth` metres ahead.

    The camera, at `mount` ``flange_T_camera`` (4, 4), looks at the scene from a ring about where it is, turned
    about its optical axis besides, and once from farther away; it comes no nearer. Neither it nor the flange goes
    farther than the limits' distance: where their angle would ask for that it is less.
    """
    pivot = min(depth, limits.distance / np.sin(min(limits.angle, 0.5 * np.pi)))
    places = [_on_ring(limits, mount, pivot, index) for index in range(_RING)]
    places.append(_place(np.zeros(3), np.array([0.0, 0.0, -min(limits.distance, 0.25 * depth)])))
    tip_T_camera = mount if flange_T_tip is None else se3.inverse(flange_T_tip) @ mount
    return [tip_T_camera @ place @ se3.inverse(tip_T_camera) for place in places]


def _on_ring(limits: MotionLimits, mount: Array, pivot: float, index: int) -> Array:
    """Place (4, 4) of the camera on the ring, with as much of the angles as the distance allows."""
    around = 2 * np.pi * index / _RING
    tilt = limits.angle * np.array([np.cos(around), np.sin(around), 0.0])
    roll = np.array([0.0, 0.0, (1.5 if index < _RING // 2 else -1.5) * limits.angle])
    ahead = np.array([0.0, 0.0, pivot])

    def place(share: float) -> Array:
        turn = se3.rotation_exp(share * tilt) @ se3.rotation_exp(share * roll)
        shift = ahead - turn @ ahead
        return se3.transform(turn, (shift[0], shift[1], 0.0))

    return _bounded(limits, (np.eye(4), se3.inverse(mount)), place)


def _bounded(limits: MotionLimits, links: Sequence[Array], place: Callable[[float], Array]) -> Array:
    """The place (4, 4) of a share of the motion, the greatest up to 1 by which no link goes too far.

    The `links` are ``frame_T_link`` (4, 4), of the frame whose `place` it is.
    """

    def is_within(share: float) -> bool:
        moved = (se3.inverse(link) @ place(share) @ link for link in links)
        return max(float(np.linalg.norm(pose[:3, 3])) for pose in moved) <= limits.distance

    if is_within(1.0):
        return place(1.0)
    least, most = 0.0, 1.0
    for _ in range(20):
        middle = 0.5 * (least + most)
        least, most = (middle, most) if is_within(middle) else (least, middle)
    return place(least)


def duration(places: Sequence[Array], limits: MotionLimits) -> float:
    """About how many seconds it takes to go to places (4, 4), each from the one before, and back."""
    seconds, before = 0.0, np.eye(4)
    for place in (*places, np.eye(4)):
        distance, angle = se3.pose_error(se3.inverse(before) @ place)
        way = max(distance / limits.linear_velocity, angle / limits.angular_velocity)
        seconds, before = seconds + way + _SETTLING + limits.rest, place
    return seconds


def _place(turn: Array, shift: Array) -> Array:
    return se3.from_pose_vector(np.concatenate([shift, turn]))


class _Phase(enum.Enum):
    RESTING = 'resting'
    MOVING = 'moving'


class CalibrationMotion:
    """Takes the tip of an arm from place to place and back.

    Tell it when the reference was in view (`see`) and ask it for a twist at a steady rate (`update`) until it
    is `finished`; more places may then be added.

    Args:
        base_T_tip: pose (4, 4) of the tip now, from joint states.
        places: poses (4, 4) in the tip's frame at the start, in their order.
        now: seconds of the clock of all times here.
    """

    def __init__(self, base_T_tip: Array, places: Sequence[Array], limits: MotionLimits, now: float) -> None:
        self._start = se3.as_transform(base_T_tip, 'base_T_tip')
        self._limits = limits
        self._limiter = TwistLimiter(
            limits.linear_velocity,
            limits.angular_velocity,
            limits.linear_acceleration,
            limits.angular_acceleration,
        )
        self.extend(places, now)

    def extend(self, places: Sequence[Array], now: float) -> None:
        """Go to these places next, and back to the start."""
        self._goals = [self._start @ place for place in (*places, np.eye(4))]
        reach = max(float(np.linalg.norm(goal[:3, 3] - self._start[:3, 3])) for goal in self._goals)
        self._reach = _STRAYED * max(reach, 0.01)
        self._phase, self._phase_began = _Phase.RESTING, now
        self._last_update = self._last_seen = now

    @property
    def finished(self) -> bool:
        """Whether the tip is back at the start."""
        return not self._goals

    def see(self, stamp: float) -> None:
        """Note that the image stamped `stamp` shows the reference."""
        self._last_seen = max(self._last_seen, min(stamp, self._last_update))

    def update(self, now: float, base_T_tip: Array) -> Array:
        """Twist (6,) of the tip in its own frame, for its pose (4, 4) from joint states at `now`.

        Raises:
            HandEyeError: the view is lost, places are not reached, or the tip is where it should not be. Then
                the arm must be stopped.
        """
        dt, self._last_update = now - self._last_update, now
        self._check(now, dt, base_T_tip)
        demand = np.zeros(6)
        if self._phase is _Phase.MOVING:
            demand = self._towards_goal(now, base_T_tip)
        elif not self._limiter.twist.any() and now - self._phase_began > self._limits.rest and self._goals:
            self._phase, self._phase_began = _Phase.MOVING, now
        return self._limiter.limit(demand, dt)

    def _check(self, now: float, dt: float, base_T_tip: Array) -> None:
        timeout = self._limits.lost_timeout
        if not 0 <= dt <= timeout:
            raise HandEyeError(f'the clock should run steadily but went by {dt:.3f} s')
        if now - self._last_seen > timeout:
            raise HandEyeError(f'the reference should be in view but was not found for {timeout:g} s')
        away = float(np.linalg.norm(base_T_tip[:3, 3] - self._start[:3, 3]))
        if away > self._reach:
            raise HandEyeError(
                f'the arm should stay within {1e3 * self._reach:.0f} mm of its start '
                f'but is {1e3 * away:.0f} mm away: does something else move the arm?'
            )

    def _towards_goal(self, now: float, base_T_tip: Array) -> Array:
        error = se3.log(se3.inverse(base_T_tip) @ self._goals[0])
        distance, angle = float(np.linalg.norm(error[:3])), float(np.linalg.norm(error[3:]))
        if distance < _ARRIVED[0] and angle < _ARRIVED[1]:
            self._arrive(now)
            return np.zeros(6)
        limits = self._limits
        allowed = 3.0 + 4.0 * max(limits.distance / limits.linear_velocity, limits.angle / limits.angular_velocity)
        if now - self._phase_began > allowed:
            raise HandEyeError(
                f'the arm should have moved there within {allowed:.1f} s but is {1e3 * distance:.1f} mm and '
                f'{np.degrees(angle):.1f} degrees away: is it near a joint limit or a singularity, '
                'and does it follow the twists?'
            )
        return _GAIN * error

    def _arrive(self, now: float) -> None:
        self._goals.pop(0)
        self._phase, self._phase_began = _Phase.RESTING, now
