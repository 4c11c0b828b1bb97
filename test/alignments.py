"""Alignments as a good match has them, for tests of what is made of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from cnn_vs_ros.estimation.fine.alignment import Alignment
from cnn_vs_ros.estimation.plane import ScenePlane


def alignment(pose: np.ndarray | None = None, plane: ScenePlane | None = None, **changes: Any) -> Alignment:
    """Return an alignment at the goal, over a plane at 0.25 m, but for the `changes`."""
    values = {
        'correlation': 0.98,
        'correlation_unweighted': 0.97,
        'visible': 0.95,
        'unoccluded': 0.98,
        'evidence': 1.5,
        'information': np.diag([1e10] * 3 + [1e9] * 3),
        'slope_information': np.eye(2),
        'residual_scale': 0.2,
        'iterations': 8,
    }
    pose = np.eye(4) if pose is None else pose
    plane = ScenePlane(0.25) if plane is None else plane
    return Alignment(current_T_desired=pose, plane=plane, **{**values, **changes})
