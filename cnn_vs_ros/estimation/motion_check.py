"""Whether what is tracked turns in the image as the camera is turned: only a scene that lies still does.

The mirror image of the camera in a shiny table turns twice as far, and a pose over the wrong plane turns another
way. An alignment follows either, and is sure of it. Turns tell them apart, for no depth scales them.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.geometry import se3

Array = NDArray[np.float64]

_WINDOW = 60  # images
# What the turn seen may differ from the turn sent: by so much (rad), so much of it, which a hand-eye calibration
# that is off by 30 degrees explains, and what is turned in so many images, by which an arm may lag behind. Over a
# share of 0.3 three runs that followed a mirror image were off by 3 to 15 degrees; of 35 that followed the scene
# none by more than 1.1, those with a focal length off by 10 % and a hand-eye calibration by 5 degrees by none.
_FLOOR, _SHARE, _LAG = np.deg2rad(1.0), 0.5, 3
# A single pose may be off, and is put right by the next ones.
_IN_A_ROW = 3
# An arm of whose turn less than this is seen does not follow, or the picture is frozen: the controller says so.
_FOLLOWED = 0.2
# A turn of so much (rad) that is seen within this share proves that it is the scene which is followed, where no
# lag makes that of what turns twice as far. Within the lesser share it does in any case, after so many images in a
# row between which the camera turned on: what lags behind agrees so well in one or two.
_PROOF, _PROVES, _PROVES_AT_ONCE = np.deg2rad(6.0), 0.25, 0.12
_NO_MOTION = 1e-9  # m and rad: nothing is sent, and others may move the camera


@dataclass(frozen=True)
class _View:
    """A pose of the track (4, 4), the turn sent until then (3, 3), and that since the image before, radians."""

    current_T_desired: Array
    sent: Array
    last: float


class MotionCheck:
    """Compares the turns of a track with those that the camera was sent on."""

    def __init__(self) -> None:
        self._views: deque[_View] = deque(maxlen=_WINDOW)
        self._sent, self._last = np.eye(3), 0.0
        self._for = self._against = self._still = 0

    def begin(self) -> None:
        """Look at another track."""
        self._views.clear()
        self._for = self._against = 0

    def send(self, motion: Array | None) -> None:
        """Take the motion (4, 4) sent since the image before, if it is known."""
        self._still = self._still + 1 if motion is not None and _is_still(motion) else 0
        if motion is None or self._still > _LAG:
            self.begin()
            self._last = 0.0
            return
        if 0 < self._still < _LAG:  # it may still be coming to rest
            return
        self._sent = se3.nearest_rotation(self._sent @ motion[:3, :3])
        self._last = float(np.linalg.norm(se3.rotation_log(motion[:3, :3])))

    def add(self, current_T_desired: Array) -> None:
        """Take the pose (4, 4) of the present image."""
        turned = bool(self._views) and self._sent is not self._views[-1].sent and self._last > _FLOOR
        self._views.append(_View(current_T_desired, self._sent, self._last))
        self._against = self._against + 1 if self._speaks_against() else 0
        if turned:
            self._for = self._for + 1 if self._agrees(_PROVES_AT_ONCE, lags=0.0) else 0

    @property
    def contradicts(self) -> bool:
        """Whether what is tracked turns otherwise than a scene would, and not only less."""
        return self._against >= _IN_A_ROW

    def _speaks_against(self) -> bool:
        sent, seen, lag = self._turns()
        if float(np.linalg.norm(sent)) < _FLOOR or not seen @ sent > _FOLLOWED * (sent @ sent):
            return False
        return _rest(seen, sent) > _FLOOR + _SHARE * float(np.linalg.norm(sent)) + lag

    @property
    def proves(self) -> bool:
        """Whether it has turned far enough as a scene would."""
        return self._for >= _IN_A_ROW or self._agrees(_PROVES, lags=2.0 / (1.0 - _PROVES))

    def _agrees(self, share: float, lags: float) -> bool:
        """Whether a turn that proves something, beyond so many times the lag, is seen within a share of it."""
        sent, seen, lag = self._turns()
        turned = float(np.linalg.norm(sent))
        return turned > _PROOF + lags * lag and float(np.linalg.norm(seen - sent)) < share * turned

    def _turns(self) -> tuple[Array, Array, float]:
        """Turns sent and seen (3,) since the first view, in its axes, and how far an arm may lag; radians."""
        if not self._views:
            return np.zeros(3), np.zeros(3), 0.0
        first, last = self._views[0], self._views[-1]
        seen = first.current_T_desired[:3, :3] @ last.current_T_desired[:3, :3].T
        return (
            se3.rotation_log(first.sent.T @ last.sent),
            se3.rotation_log(seen),
            _LAG * (first.last + last.last),
        )


def _is_still(motion: Array) -> bool:
    return float(np.abs(motion - np.eye(4)).max()) < _NO_MOTION


def _rest(seen: Array, sent: Array) -> float:
    """What is left of the turn `seen` (3,) without the share of that `sent` that it holds, all of it at most."""
    share = np.clip(seen @ sent / max(float(sent @ sent), 1e-12), 0.0, 1.0)
    return float(np.linalg.norm(seen - share * sent))
