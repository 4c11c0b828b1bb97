"""Laws of visual servoing to try the servo task with."""

from __future__ import annotations

import numpy as np

from cnn_vs_ros.control import PbvsLaw
from cnn_vs_ros.errors import PoseError


class NoLaw(PbvsLaw):
    """One that has no twist."""

    def twist(self, desired_T_current: np.ndarray) -> np.ndarray:
        raise PoseError('singular')
