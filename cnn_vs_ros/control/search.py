"""Looking for a lost target: back off along the optical axis to see more, look round in a cone, and come back."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.errors import ParameterError
from cnn_vs_ros.geometry import se3

Array = NDArray[np.float64]

_NEAR_GOAL = 0.0125, 0.05  # m, rad: 20 to 40 pixels of a camera that is a quarter of a metre off
_PARTS = slice(0, 3), slice(3, 6)  # of a twist
_TURNS = 16  # places on the cone
_ARRIVED = (2e-4, 2e-3)  # m, rad: at the end of a leg
_PASSED = 0.25  # of the way between two places of the cone: the next one is made for


def is_near_goal(desired_T_current: Array) -> bool:
    """Whether a target that is lost at this pose (4, 4) is covered rather than out of view.

    From nowhere else more of it is to be seen, so that waiting is better than looking for it.
    """
    translation, angle = se3.pose_error(desired_T_current)
    return translation < _NEAR_GOAL[0] and angle < _NEAR_GOAL[1]


class Search:
    """A bounded motion from where the target was lost, and back there.

    Each of `rounds` backs off, the last by `distance` metres and those before by less, for more is seen from far
    off and a faint texture from near; waits `patience` seconds there; leads the optical axis once round a cone of
    `angle` radians about its first direction; comes back and waits again. `speed` (m/s) and
    `angular_speed` (rad/s) fall towards the end of each leg, for a camera that brakes at `deceleration` (m/s^2)
    and `angular_deceleration` (rad/s^2). `mask` (6,) says which components of a twist may move: the others are no
    part of the way. Raises ParameterError for values without meaning.
    """

    def __init__(
        self,
        speed: float,
        angular_speed: float,
        distance: float,
        angle: float,
        *,
        patience: float = 0.5,
        rounds: int = 2,
        deceleration: float = math.inf,
        angular_deceleration: float = math.inf,
        mask: Sequence[bool] = (True,) * 6,
    ) -> None:
        positive = speed > 0 and angular_speed > 0 and deceleration > 0 and angular_deceleration > 0
        if not (positive and distance >= 0 and 0 <= angle < np.pi / 2 and patience >= 0 and rounds >= 1):
            raise ParameterError(
                'search speeds and decelerations should be positive, distance and patience zero or more, angle '
                f'from zero to a right angle and rounds one or more but are {speed} m/s, {angular_speed} rad/s, '
                f'{deceleration} m/s^2, {angular_deceleration} rad/s^2, {distance} m, {patience} s, {angle} rad, '
                f'{rounds}'
            )
        self.speeds = speed, angular_speed
        self.decelerations = deceleration, angular_deceleration
        self.patience = patience
        self._mask = np.array(mask, dtype=bool)
        distance = distance if mask[2] else 0.0
        self._legs = [leg for k in range(rounds) for leg in _legs(distance * (k + 1) / rounds, angle)]
        self.reset()

    def reset(self) -> None:
        """The target was found: the next loss is another episode."""
        self._moved = np.eye(4)
        self._leg = self._place = 0
        self._waited = 0.0

    def resume(self, other: object) -> None:
        """Go on with the episode of `other`, if that searched as well."""
        if isinstance(other, Search) and len(other._legs) == len(self._legs):
            self._moved, self._leg, self._place = other._moved, other._leg, other._place
            self._waited = other._waited

    @property
    def done(self) -> bool:
        """Whether the search has come to its end."""
        return self._leg >= len(self._legs)

    @property
    def moved(self) -> Array:
        """Pose (4, 4) of the camera in the frame of the camera where the target was lost."""
        return self._moved

    def twist(self, dt: float) -> Array:
        """Twist (6,) to ask for now, given that it is revised every `dt` seconds."""
        if self.done:
            return np.zeros(6)
        ways = self._ways()
        if self._has_arrived(ways[0]):
            return np.zeros(6)
        duration = dt
        for part, speed, deceleration in zip(_PARTS, self.speeds, self.decelerations, strict=True):
            lengths = [float(np.linalg.norm(way[part])) for way in ways]
            left = sum(lengths)
            # Half of the deceleration leaves the limiter room to follow.
            speed = min(speed, math.sqrt(deceleration * left)) if left > 0 else speed
            duration = max(duration, lengths[0] / speed)
        return ways[0] / duration if duration > 0 else np.zeros(6)

    def record(self, twist: Array, dt: float) -> None:
        """Count the motion really asked of the arm: `twist` (6,) during `dt` seconds."""
        self._moved = self._moved @ se3.exp(np.asarray(twist) * dt)
        if self.done:
            return
        leg = self._legs[self._leg]
        while self._place < len(leg.places) - 1:
            here, following = leg.places[self._place : self._place + 2]
            spacing = np.linalg.norm(self._between(here, following))
            if np.linalg.norm(self._way(here)) > _PASSED * spacing:
                return
            self._place += 1
        if self._has_arrived(self._way(leg.places[-1])):
            self._waited += dt
            if not leg.waits or self._waited >= self.patience:
                self._leg, self._place, self._waited = self._leg + 1, 0, 0.0

    def _way(self, pose: Array) -> Array:
        return self._between(self._moved, pose)

    def _between(self, one: Array, other: Array) -> Array:
        return self._mask * se3.log(se3.inverse(one) @ other)

    def _ways(self) -> list[Array]:
        """Motions (6,) to the next place of this leg, from there to the next, and so on to its end."""
        places = [self._moved, *self._legs[self._leg].places[self._place :]]
        return [self._between(one, other) for one, other in itertools.pairwise(places)]

    def _has_arrived(self, way: Array) -> bool:
        last = self._place == len(self._legs[self._leg].places) - 1
        return last and bool(np.linalg.norm(way[:3]) < _ARRIVED[0] and np.linalg.norm(way[3:]) < _ARRIVED[1])


@dataclass(frozen=True)
class _Leg:
    """Poses (4, 4) of the camera to pass through, to come to rest at the last; and whether to wait there."""

    places: list[Array]
    waits: bool = False


def _legs(distance: float, angle: float) -> list[_Leg]:
    back = se3.exp(np.array([0.0, 0.0, -distance, 0.0, 0.0, 0.0]))
    turns = np.linspace(0.0, 2 * np.pi, _TURNS + 1)
    cone = [back @ se3.exp(angle * np.array([0, 0, 0, np.cos(turn), np.sin(turn), 0])) for turn in turns]
    return [_Leg([back], waits=True), _Leg(cone[:1]), _Leg(cone[1:]), _Leg([back]), _Leg([np.eye(4)], waits=True)]
