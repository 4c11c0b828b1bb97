"""The package's own estimator, whole and without its photometric part."""

from __future__ import annotations

import numpy as np

from cnn_vs_ros.control import Search, is_near_goal
from cnn_vs_ros.estimation import Reference, load_estimator, load_model
from cnn_vs_ros.estimation.coarse.matcher import MatcherNetwork, ReferenceMatcher
from cnn_vs_ros.estimation.pyramid import ImagePyramid
from cnn_vs_ros.estimation.regression.hybrid import HybridEstimator
from cnn_vs_ros.estimation.regression.pair_regressor import KIND as PAIR_KIND
from cnn_vs_ros.estimation.regression.pair_regressor import PairNetwork
from cnn_vs_ros.estimation.regression.regressor import RegressorNetwork
from cnn_vs_ros.geometry import PoseStatus, RelativePose, se3
from cnn_vs_ros.resources import SHIPPED_MODEL
from training.benchmark.methods.base import Method, Step, towards

_PATIENCE = 6
"""Steps to look on for while the reference has not been found, before the search."""
_TRACK_PATIENCE = 12
"""The same after a track: what came before the target passes."""
_GOAL_PATIENCE = 45
"""The same where the target was lost near the goal."""

_SURE, _LEAST_TRUST = 0.8, 0.15


class EstimatorServoing(Method):
    """PBVS on the pose estimator; with `retreat`, backs off and looks round, within bounds, when it is lost."""

    def __init__(self, model: str = SHIPPED_MODEL, retreat: bool = False) -> None:
        self._estimator = load_estimator(model)
        self._search = _search() if retreat else None
        self._lost, self._patience = 0, _PATIENCE
        self._moved: np.ndarray | None = None

    def start(self, reference: Reference, seed: int) -> None:
        """Forget the last run."""
        if self._estimator.reference is not reference:
            self._estimator.set_reference(reference)
        # No run may depend on what the runs before it taught of the same reference.
        self._estimator.reset()
        self._estimator.forget_scene()
        self._stop_searching()
        self._moved, self._patience = None, _PATIENCE

    def step(self, image: np.ndarray) -> Step:
        """Follow the estimate, retreat or stay."""
        motion = None if self._moved is None else se3.exp(self._moved)
        answer = self._answer(self._estimator.estimate(image, motion))
        self._moved = np.zeros(6) if answer.motion is None else answer.motion
        return answer

    def _answer(self, pose: RelativePose) -> Step:
        if not pose.is_lost:
            self._stop_searching()
            tracked = pose.status is PoseStatus.TRACKED
            self._patience = _TRACK_PATIENCE if tracked else self._patience
            if is_near_goal(pose.transform):
                self._patience = _GOAL_PATIENCE
            # The less sure the pose, the smaller the step: poor estimates are averaged over more images.
            trust = min(max((pose.confidence or 0.0) / _SURE, _LEAST_TRUST), 1.0)
            return Step(trust * towards(pose), tracked, pose.confidence, pose.transform)
        self._lost += 1
        if self._search is None or self._lost <= self._patience:
            return Step(None)
        motion = self._search.twist(1.0)
        self._search.record(motion, 1.0)
        return Step(motion if motion.any() else None, searching=True)

    def _stop_searching(self) -> None:
        self._lost = 0
        if self._search is not None:
            self._search.reset()


def _search() -> Search:
    """In metres and radians a step, and steps."""
    aside, turn = np.deg2rad([20.0, 8.0])
    return Search(speed=0.025, angular_speed=turn, distance=0.15, angle=aside, patience=10)


class CoarseServoing(Method):
    """PBVS on the matcher network alone: what the CNN sees, without photometric refinement."""

    def __init__(self, model: str = SHIPPED_MODEL) -> None:
        self._network = MatcherNetwork(load_model(model))
        self._matcher: ReferenceMatcher | None = None
        self._reference: Reference | None = None

    def start(self, reference: Reference, seed: int) -> None:
        """Describe the reference."""
        if self._reference is reference:
            return
        pyramid = ImagePyramid(reference.image, reference.camera)
        self._matcher = ReferenceMatcher(self._network, pyramid, reference.camera)
        self._reference = reference

    def step(self, image: np.ndarray) -> Step:
        """Match anew at each image and take the best supported pose."""
        assert self._matcher is not None
        assert self._reference is not None
        matches = self._matcher.matches(ImagePyramid(image, self._reference.camera))
        found = list(self._matcher.hypotheses(matches, self._reference.plane))
        if not found:
            return Step(None)
        best = max(found, key=lambda hypothesis: hypothesis.support)
        pose = RelativePose(se3.inverse(best.current_T_desired))
        return Step(towards(pose), pose=pose.transform)


class RegressorServoing(Method):
    """PBVS on a regressor alone, without the photometric half (paper, section V-A)."""

    def __init__(self, model: str) -> None:
        loaded = load_model(model)
        network = PairNetwork(loaded) if loaded.kind == PAIR_KIND else RegressorNetwork(loaded)
        self._estimator = HybridEstimator(network, photometric=False)

    def start(self, reference: Reference, seed: int) -> None:
        """Place the desired image."""
        self._estimator.set_reference(reference)

    def step(self, image: np.ndarray) -> Step:
        """Regress anew at each image."""
        pose = self._estimator.estimate(image)
        return Step(None) if pose.is_lost else Step(towards(pose), pose=pose.transform)
