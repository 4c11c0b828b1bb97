"""What a servo task is set to, all of it frozen; other settings are other objects."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, field

from cnn_vs_ros.control.convergence import ConvergenceSettings
from cnn_vs_ros.control.estimate_gate import GateSettings
from cnn_vs_ros.control.following import FollowingSettings
from cnn_vs_ros.control.pbvs import PbvsLaw
from cnn_vs_ros.control.retreat import Retreat
from cnn_vs_ros.control.search import Search
from cnn_vs_ros.control.twist_exit import ExitSettings
from cnn_vs_ros.errors import ParameterError

SLOWEST = 0.1
"""Part of the speed that is left to the least confident estimate that is still used."""


class LostBehaviour(enum.Enum):
    """What to do when the estimator is lost."""

    STOP = 'stop'
    RETREAT = 'retreat'
    SEARCH = 'search'


@dataclass(frozen=True)
class LostSettings:
    """Backing off (m/s and m), and looking round at `angular_speed` (rad/s) by `angle` (rad).

    Near the goal not before `goal_wait` seconds, in which what covers the target may pass.
    """

    behaviour: LostBehaviour = LostBehaviour.STOP
    speed: float = 0.05
    distance: float = 0.15
    angular_speed: float = 0.3
    angle: float = 0.35
    goal_wait: float = 1.5

    def motion(self, exit_settings: ExitSettings) -> Retreat | Search | None:
        """The motion of one episode of loss, for a camera within these limits; None for none."""
        limits = exit_settings.limits
        if self.behaviour is LostBehaviour.RETREAT:
            return Retreat(self.speed, self.distance, limits.linear_acceleration)
        if self.behaviour is LostBehaviour.SEARCH:
            return Search(
                self.speed,
                self.angular_speed,
                self.distance,
                self.angle,
                deceleration=limits.linear_acceleration,
                angular_deceleration=limits.angular_acceleration,
                mask=exit_settings.mask,
            )
        return None


@dataclass(frozen=True)
class ServoSettings:
    """Settings of a servo task; times in seconds.

    The task ends after `time_limit`; `patience` after it last was on its way, to the goal or in a search, for want
    of estimates, of the target, or of full speed; and when the arm was not driven for `arm_patience` in all. With
    `latency_compensation` the motion sent since an image was taken is added to its pose. A converged task keeps
    still until the next start, unless `keep_servoing`. Under the confidence `full_speed_confidence` the speed
    falls in proportion, to a tenth at least; 0 leaves it alone, and None counts as 0.
    """

    law: PbvsLaw = field(default_factory=PbvsLaw)
    exit: ExitSettings = field(default_factory=ExitSettings)
    gate: GateSettings = field(default_factory=GateSettings)
    convergence: ConvergenceSettings = field(default_factory=ConvergenceSettings)
    following: FollowingSettings = field(default_factory=FollowingSettings)
    lost: LostSettings = field(default_factory=LostSettings)
    latency_compensation: bool = True
    keep_servoing: bool = False
    full_speed_confidence: float = 0.0
    time_limit: float = math.inf
    patience: float = math.inf
    arm_patience: float = math.inf

    def __post_init__(self) -> None:
        if not 0 <= self.full_speed_confidence <= 1:
            raise ParameterError(
                f'the confidence of full speed should be within 0 to 1 but is {self.full_speed_confidence}'
            )
        if not (self.time_limit > 0 and self.patience > 0 and self.arm_patience > 0):
            raise ParameterError(
                'time_limit, patience and arm_patience should be positive seconds but are '
                f'{self.time_limit}, {self.patience} and {self.arm_patience}'
            )

    def pace(self, confidence: float | None) -> float:
        """Part of the law's twist that is asked for at a confidence."""
        claimed = confidence or 0.0
        if claimed >= self.full_speed_confidence:
            return 1.0
        return max(SLOWEST, claimed / self.full_speed_confidence)
