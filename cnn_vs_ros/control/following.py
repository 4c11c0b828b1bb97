"""Whether the camera goes where it is sent, as far as the estimates show it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.errors import ParameterError
from cnn_vs_ros.geometry import se3

Array = NDArray[np.float64]

WINDOW = 0.3
"""Seconds over which commanded and estimated motion are compared at least."""

PERSISTENCE, ESTIMATES = 0.15, 5
"""Seconds, and estimates in a row, for which they must disagree: on a busy computer these are few, and late."""

LEAST_MOTION = 0.02
"""Radians, or as much in units of `length`, that must have been commanded: less is not told from noise."""

_SPACING, _LONGEST = 0.1, 3.0
"""Seconds between the poses kept, and for which they are."""

_GAP = 1.0
"""Seconds without an estimate after which it begins anew."""


@dataclass(frozen=True)
class FollowingSettings:
    """`ratio` is the part of the commanded motion that must be seen, 0 does not look; `length` as in PbvsLaw."""

    ratio: float = 0.0
    length: float = 0.25

    def __post_init__(self) -> None:
        if not (0 <= self.ratio < 1 and self.length > 0):
            raise ParameterError(
                'the part of the motion that must be seen should be from 0 to under 1 and length positive but are '
                f'{self.ratio} and {self.length} m'
            )


class Following:
    """Compares the motion commanded between two images with that between their estimates.

    Both are [t / length; theta u] from the older to the newer image. What counts is the estimated motion along
    the commanded one: an arm that lags, a depth that is wrong by a factor of four, and noise leave more of it than
    the ratio; an arm that stands still, one that goes the other way and a picture that does not change do not.
    """

    def __init__(self, settings: FollowingSettings) -> None:
        self.settings = settings
        self.reset()

    def reset(self) -> None:
        """Forget the motion."""
        self._samples: deque[tuple[float, Array, Array]] = deque()
        self._newest: tuple[float, Array, Array] | None = None
        self._since: float | None = None
        self._count = 0

    def problem(self, stamp: float, pose: Array, commanded: Array) -> str:
        """Say what is wrong, if anything is, by the estimate (4, 4) of an image taken at `stamp` (seconds).

        `commanded` (4, 4) is the motion sent since the image before, in the camera's frame then.
        """
        if self.settings.ratio == 0:
            return ''
        if self._newest is not None and stamp - self._newest[0] > _GAP:
            self.reset()
        sent = commanded if self._newest is None else self._newest[2] @ commanded
        self._newest = stamp, pose, sent
        seen = self._seen(stamp, pose, sent)
        if not self._samples or stamp - self._samples[-1][0] >= _SPACING:
            self._samples.append(self._newest)
        while stamp - self._samples[0][0] > _LONGEST:
            self._samples.popleft()
        if seen is None:
            return ''
        if seen >= self.settings.ratio:
            self._since, self._count = None, 0
            return ''
        self._since, self._count = stamp if self._since is None else self._since, self._count + 1
        if stamp - self._since < PERSISTENCE or self._count < ESTIMATES:
            return ''
        return (
            f'the arm should follow but {100 * seen:.0f} % of the commanded motion is seen in the images: '
            'is it driven, is the picture live, and are hand-eye calibration and depth right?'
        )

    def _seen(self, stamp: float, pose: Array, sent: Array) -> float | None:
        """Part of the motion that is seen, over the shortest time that tells; None if none does."""
        for when, before, sent_before in reversed(self._samples):
            if stamp - when < WINDOW:
                continue
            commanded = self._weighted(se3.inverse(sent_before) @ sent)
            squared = float(commanded @ commanded)
            if squared >= LEAST_MOTION**2:
                return float(commanded @ self._weighted(se3.inverse(before) @ pose)) / squared
        return None

    def _weighted(self, motion: Array) -> Array:
        return np.concatenate([motion[:3, 3] / self.settings.length, se3.rotation_log(motion[:3, :3])])
