"""Noticing that a camera sends the same picture again while it is moved."""

from __future__ import annotations

import numpy as np

from cnn_vs_ros.geometry import se3

PATIENCE = 0.2
"""Seconds of motion sent in which an arm may not have begun to move yet."""

_AT_REST = (1e-4, 5e-4)
"""Metres and radians between two images that show nothing new without noise."""


class FrozenPicture:
    """Compares images byte by byte: the noise of a sensor never repeats itself.

    A simulator without noise repeats its picture while the camera stands still: that is as it should be. A picture
    once found frozen stays so until it changes.
    """

    def __init__(self) -> None:
        self._data: np.ndarray | None = None
        self._since: float | None = None
        self._frozen = False

    def problem(self, data: np.ndarray, stamp: float, motion: np.ndarray | None) -> str:
        """Say that the picture of bytes `data`, stamped `stamp` in seconds, is frozen, if it is.

        `motion` (4, 4) was sent since the last image; None: it is not known.
        """
        repeated = self._data is not None and np.array_equal(data, self._data)
        if not repeated or not (self._frozen or _moved(motion)):
            self._data, self._since, self._frozen = data, None, False
            return ''
        self._since = stamp if self._since is None else self._since
        self._frozen = self._frozen or stamp - self._since >= PATIENCE
        if not self._frozen:
            return ''
        return (
            f'the picture should change while the camera moves but is the same, byte by byte, for {PATIENCE:g} s'
        )


def _moved(motion: np.ndarray | None) -> bool:
    if motion is None:
        return False
    distance, angle = se3.pose_error(motion)
    return distance > _AT_REST[0] or angle > _AT_REST[1]
