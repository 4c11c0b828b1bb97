"""The gate of the servo task: which estimates are let in, and what is known by them now."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.control.jump_guard import JumpGuard, JumpSettings
from cnn_vs_ros.errors import ParameterError, PoseError
from cnn_vs_ros.geometry import RelativePose, se3

Array = NDArray[np.float64]

NO_ESTIMATE = 'no valid estimate has come for pose_timeout'


@dataclass(frozen=True)
class GateSettings:
    """Seconds, and confidences from 0 to 1.

    A pose counts for `pose_timeout` after its image was taken and after it came. That the target is lost counts
    for `lost_timeout` after it was said: an estimator takes long to find nothing. An estimate with less than
    `minimum_confidence` counts as lost once that has lasted `low_confidence_time`; where the target was lost
    before, one with less than `first_confidence` does at once. None, of an estimator that cannot tell, is let in.
    """

    pose_timeout: float = 0.2
    lost_timeout: float = 1.0
    minimum_confidence: float = 0.0
    first_confidence: float = 0.0
    low_confidence_time: float = 0.0
    jump: JumpSettings = field(default_factory=JumpSettings)

    def __post_init__(self) -> None:
        if not (self.pose_timeout > 0 and self.lost_timeout > 0):
            raise ParameterError(
                f'pose_timeout and lost_timeout should be positive seconds but are {self.pose_timeout} and '
                f'{self.lost_timeout}'
            )


class Known(enum.Enum):
    """What is known of the pose."""

    FOUND = 'found'
    LOST = 'lost'
    """The estimator says that it does not find the target."""
    STALE = 'stale'
    """Nothing of use has come for too long."""
    DOUBTED = 'doubted'
    """The last estimate jumped."""
    BROKEN = 'broken'
    """Estimates insist on a jump that no push explains."""


@dataclass(frozen=True)
class Word:
    """What is known now, why, and the pose (4, 4) of the image taken at `stamp` if that is FOUND."""

    known: Known
    reason: str = ''
    transform: Array = field(default_factory=lambda: np.eye(4))
    confidence: float | None = 0.0
    stamp: float = -math.inf


@dataclass(frozen=True)
class _Estimate:
    pose: RelativePose
    stamp: float
    arrival: float
    lost: str


class EstimateGate:
    """Takes estimates and says what is known. Times are seconds of one clock, which the caller reads."""

    def __init__(self, settings: GateSettings) -> None:
        self.settings = settings
        self.guard = JumpGuard(settings.jump)
        self._guarded = False
        self._after = -math.inf
        self._estimate: _Estimate | None = None
        self._missing = NO_ESTIMATE
        self._doubt: tuple[str, float] | None = None
        self._low_since = math.inf
        self._is_in = False

    def retune(self, settings: GateSettings) -> None:
        """Take other settings and go on."""
        self.settings, self.guard.settings = settings, settings.jump

    def open(self, after: float, guarded: bool) -> None:
        """Begin anew, with images taken after `after`; jumps are looked for where it is `guarded`."""
        self._after, self._guarded = after, guarded
        self._estimate, self._missing, self._doubt = None, NO_ESTIMATE, None
        self._low_since = math.inf
        self._is_in = False
        self.guard.reset()

    def unguard(self) -> None:
        """Let jumps in: the camera may be moved by others."""
        self._guarded, self._doubt = False, None
        self.guard.reset()

    def refuse(self, reason: str) -> None:
        """An estimate came that cannot be used: have none until the next one."""
        self._estimate, self._missing = None, reason

    def add(self, pose: RelativePose, stamp: float, arrival: float) -> bool:
        """Take the estimate of an image taken at `stamp` that came at `arrival`; say whether it is of use.

        An image no newer than that of the estimate in force is ignored. Raises PoseError when the stamp lies in
        the future by more than the timeout, or when the pose is found but not finite and rigid; there is then no
        estimate in force.
        """
        if not stamp <= arrival + self.settings.pose_timeout:
            self.refuse(NO_ESTIMATE)
            raise PoseError(
                f'image stamp should not lie in the future but is {stamp - arrival:.3f} s ahead: '
                'are the clocks of the camera and of the controller the same?'
            )
        if stamp <= max(self._after, -math.inf if self._estimate is None else self._estimate.stamp):
            return False
        if not pose.is_lost:
            try:
                se3.as_transform(pose.transform, 'desired_T_current')
            except PoseError:
                self.refuse(NO_ESTIMATE)
                raise
        lost = self._lost(pose, stamp)
        if not lost and self._has_jumped(pose, stamp, arrival):
            return False
        self._doubt = None
        self._estimate = _Estimate(pose, stamp, arrival, lost)
        return not lost

    def word(self, now: float) -> Word:
        """What is known at `now`."""
        if self.guard.broken:
            return Word(Known.BROKEN, self.guard.broken)
        if self._doubt is not None and now - self._doubt[1] <= self.settings.pose_timeout:
            return Word(Known.DOUBTED, self._doubt[0])
        estimate = self._estimate
        if estimate is None:
            return Word(Known.STALE, self._missing)
        if estimate.lost:
            fresh = now - estimate.arrival <= self.settings.lost_timeout
            return Word(Known.LOST, estimate.lost) if fresh else Word(Known.STALE, NO_ESTIMATE)
        if now - min(estimate.stamp, estimate.arrival) > self.settings.pose_timeout:
            return Word(Known.STALE, NO_ESTIMATE)
        return Word(Known.FOUND, '', estimate.pose.transform, estimate.pose.confidence, estimate.stamp)

    def _lost(self, pose: RelativePose, stamp: float) -> str:
        """Why the target counts as lost; empty if it does not."""
        if pose.is_lost:
            self._is_in = False
            return 'the estimator is lost'
        least = self.settings.minimum_confidence
        if not self._is_in:
            least = max(least, self.settings.first_confidence)
        if pose.confidence is None or pose.confidence >= least:
            self._low_since, self._is_in = math.inf, True
            return ''
        self._low_since = min(self._low_since, stamp)
        if self._is_in and stamp - self._low_since < self.settings.low_confidence_time:
            return ''
        self._is_in = False
        return f'confidence {pose.confidence:.2f} is under the minimum of {least:g}'

    def _has_jumped(self, pose: RelativePose, stamp: float, arrival: float) -> bool:
        refusal = self.guard.refusal(pose.transform, stamp) if self._guarded else ''
        if refusal:
            self.refuse(refusal)
            self._doubt = refusal, arrival
        return bool(refusal)
