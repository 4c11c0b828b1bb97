"""What a user would write instead: matched features, RANSAC homography, pose, PBVS."""

from __future__ import annotations

import numpy as np

from cnn_vs_ros.estimation import Reference
from cnn_vs_ros.geometry import RelativePose, se3
from training.benchmark.methods.base import Method, Step, towards
from training.benchmark.rivals import RIVALS
from training.benchmark.rivals.plane_pose import plane_pose


class FeatureServoing(Method):
    """PBVS on the pose that a rival's matches give, matched anew at each image."""

    def __init__(self, rival: str) -> None:
        self._matcher = RIVALS[rival]()
        self._reference: Reference | None = None

    def start(self, reference: Reference, seed: int) -> None:
        """Detect the reference's features."""
        if self._reference is not reference:
            self._reference = reference
            self._matcher.set_reference(reference.camera.undistort(reference.image))

    def step(self, image: np.ndarray) -> Step:
        """Match and move."""
        assert self._reference is not None
        matched = self._matcher.match(self._reference.camera.undistort(image))
        found = None if matched is None else plane_pose(*matched, self._reference)
        if found is None:
            return Step(None)
        pose = RelativePose(se3.inverse(found))
        return Step(towards(pose), pose=pose.transform)
