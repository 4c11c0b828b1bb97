"""How far a part is from where it was taught, by an arm that rests: the correction of a taught path."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.errors import ArmError
from cnn_vs_ros.geometry import se3

Array = NDArray[np.float64]

REST_TIME = 0.3
"""Seconds for which an arm must have stood still: longer than an image takes to become an estimate."""

REST_TRANSLATION, REST_ROTATION = 0.0002, 0.0005
"""Metres and radians by which the camera of an arm that stands still may move in REST_TIME: noise of encoders."""


@dataclass(frozen=True)
class Offset:
    """Where the desired camera is.

    `transform` is ``current_T_desired`` (4, 4), metres, and `confidence` that of the estimate, if any.
    `base_T_desired` (4, 4) is the desired camera in the root link of the arm, where the arm is known, and `taught`
    what that was when the path was taught, where it was.
    """

    transform: Array
    confidence: float | None = None
    base_T_desired: Array | None = None
    taught: Array | None = None

    @property
    def correction(self) -> Array | None:
        """Motion (4, 4) of the part in the root link since the teaching: taught poses are multiplied by it."""
        if self.base_T_desired is None or self.taught is None:
            return None
        return self.base_T_desired @ se3.inverse(self.taught)

    @property
    def sentence(self) -> str:
        """All that is known, in words, millimetres and degrees (axis-angle)."""
        parts = [f'the desired camera is at {_said(se3.pose_vector(self.transform))} in the present one']
        if self.base_T_desired is not None:
            parts.append(f'at {_said(se3.pose_vector(self.base_T_desired))} in the base')
        if self.base_T_desired is not None and self.taught is not None:
            moved = self.base_T_desired[:3, 3] - self.taught[:3, 3]
            turned = se3.rotation_log(self.base_T_desired[:3, :3] @ self.taught[:3, :3].T)
            parts.append(
                f'in the base it has moved by {_said(np.concatenate([moved, turned]))} since it was taught'
            )
        if self.confidence is not None:
            parts.append(f'confidence {self.confidence:.2f}')
        return ', '.join(parts)

    def as_values(self) -> dict[str, object]:
        """Return it for JSON: the sentence, and the poses as rows of numbers, metres; null where there is none."""
        poses = {
            'transform': self.transform,
            'base_T_desired': self.base_T_desired,
            'taught': self.taught,
            'correction': self.correction,
        }
        rows = {name: None if pose is None else pose.tolist() for name, pose in poses.items()}
        return {'said': self.sentence, 'confidence': self.confidence, **rows}

    @classmethod
    def from_values(cls, values: dict[str, object]) -> Offset:
        """Inverse of `as_values`. Raises PoseError for what is no pose."""
        names = 'transform', 'base_T_desired', 'taught'
        poses = {
            name: se3.as_transform(values[name], name)  # type: ignore[arg-type]
            for name in names
            if values[name] is not None
        }
        confidence = values['confidence']
        return cls(**poses, confidence=None if confidence is None else float(confidence))  # type: ignore[arg-type]


def _said(vector: Array) -> str:
    millimetres, degrees = 1e3 * vector[:3], np.degrees(vector[3:])
    return '{:.2f}, {:.2f}, {:.2f} mm, turned by {:.3f}, {:.3f}, {:.3f} degrees'.format(*millimetres, *degrees)


class RestWatch:
    """Whether the camera stands still: its poses of the last REST_TIME."""

    def __init__(self) -> None:
        self._poses: deque[tuple[float, Array]] = deque()

    def add(self, now: float, base_T_camera: Array) -> None:
        """Take a pose (4, 4) at `now`, seconds; time that goes back begins anew."""
        if self._poses and now < self._poses[-1][0]:
            self._poses.clear()
        self._poses.append((now, base_T_camera))
        while len(self._poses) > 2 and self._poses[1][0] <= now - REST_TIME:
            self._poses.popleft()

    def pose_at(self, stamp: float) -> Array:
        """Pose (4, 4) at rest, of an image stamped `stamp`, seconds.

        Raises ArmError when the arm has moved, or is not known to have stood still then.
        """
        first, last = (self._poses[0][0], self._poses[-1][0]) if self._poses else (np.inf, np.inf)
        if last - first < REST_TIME or not first <= stamp:
            raise ArmError(f'the arm should be known for {REST_TIME:g} s and since the image but is not')
        newest = self._poses[-1][1]
        errors = [se3.pose_error(se3.inverse(newest) @ pose) for _, pose in self._poses]
        metres, radians = (float(max(column)) for column in zip(*errors, strict=True))
        if metres > REST_TRANSLATION or radians > REST_ROTATION:
            raise ArmError(
                f'the arm should stand still but its camera moved by {1e3 * metres:.2f} mm and '
                f'{np.degrees(radians):.3f} degrees in {REST_TIME:g} s'
            )
        return newest
