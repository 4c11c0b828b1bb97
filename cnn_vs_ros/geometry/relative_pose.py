"""What an estimator says and a control law hears."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.geometry import se3

Array = NDArray[np.float64]

NO_REFERENCE = 'no_reference'
"""The word in place of a PoseStatus while there is no reference to estimate against."""


class PoseStatus(enum.Enum):
    """How a relative pose was found."""

    ACQUIRED = 'acquired'
    """Found from the image alone."""
    TRACKED = 'tracked'
    """Found from the image and the previous pose."""
    LOST = 'lost'
    """Not found; the transform is the last one known and must not be servoed on."""


@dataclass(frozen=True)
class RelativePose:
    """Pose of the current camera in the desired camera frame (``c*Tc`` in the paper).

    `transform` is ``desired_T_current`` (4, 4), metres. `covariance` (6, 6) is that of a small motion ``[t; theta
    u]`` of the current camera expressed in its own frame (m^2, rad^2). `confidence` in [0, 1] is the estimated
    probability that the pose is right: to 1 mm per 25 cm of depth, 0.2 degrees and a twenty-fifth of the way to
    the goal; None where the estimator cannot tell.
    """

    transform: Array
    covariance: Array = field(default_factory=lambda: np.zeros((6, 6)))
    confidence: float | None = 1.0
    status: PoseStatus = PoseStatus.TRACKED

    @property
    def is_lost(self) -> bool:
        """Whether the estimator found no pose."""
        return self.status is PoseStatus.LOST

    @property
    def vector(self) -> Array:
        """``[t; theta u]`` (6,), metres and radians."""
        return se3.pose_vector(self.transform)

    @property
    def error(self) -> tuple[float, float]:
        """Distance to the desired pose: metres and radians."""
        return se3.pose_error(self.transform)
