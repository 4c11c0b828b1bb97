"""What a user would write instead: local features, RANSAC homography, pose, PBVS."""

from __future__ import annotations

from typing import Literal

import numpy as np

from cnn_vs_ros.estimation import Reference
from cnn_vs_ros.estimation.coarse.feature_matcher import FeatureMatcher
from cnn_vs_ros.estimation.pyramid import ImagePyramid
from cnn_vs_ros.geometry import RelativePose, se3
from training.benchmark.methods.base import Method, Step, towards


class FeatureServoing(Method):
    """PBVS on the pose that SIFT or ORB gives, matched anew at each image."""

    def __init__(self, kind: Literal['sift', 'orb']) -> None:
        self._kind: Literal['sift', 'orb'] = kind
        self._reference: Reference | None = None
        self._matcher: FeatureMatcher | None = None

    def start(self, reference: Reference, seed: int) -> None:
        """Detect the reference's features."""
        if self._reference is reference:
            return
        self._reference = reference
        pyramid = ImagePyramid(reference.image, reference.camera)
        self._matcher = FeatureMatcher(pyramid, reference.camera, self._kind)

    def step(self, image: np.ndarray) -> Step:
        """Match and move."""
        assert self._reference is not None
        assert self._matcher is not None
        found = self._matcher.hypothesis(ImagePyramid(image, self._reference.camera))
        if found is None:
            return Step(None)
        pose = RelativePose(se3.inverse(found.current_T_desired))
        return Step(towards(pose), pose=pose.transform)
