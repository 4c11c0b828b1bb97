"""Pose for a loop from features that match: MAGSAC homography, then the package's robust pose of the plane."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.estimation import Reference
from cnn_vs_ros.estimation.coarse.plane_pose import plane_pose_of, solve_plane_pose
from training.benchmark.rivals.matching import REPROJECTION, robust_homography

Array = NDArray[np.float64]


def plane_pose(desired: Array, current: Array, reference: Reference) -> Array | None:
    """``current_T_desired`` (4, 4) from undistorted pixels (N, 2) that match, or None where too few agree."""
    found = robust_homography(desired, current)
    if found is None:
        return None
    homography, inliers = found
    camera = reference.camera.undistorted
    start = plane_pose_of(homography, camera, reference.plane, REPROJECTION / 2)
    if start is None:
        return None
    solved = solve_plane_pose(
        desired[inliers],
        current[inliers],
        np.ones(int(inliers.sum())),
        camera,
        reference.plane,
        inlier_pixels=REPROJECTION / 2,
        start=start,
    )
    return None if solved is None else solved.current_T_desired
