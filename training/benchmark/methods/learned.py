"""The package's own estimator, whole and without its photometric part."""

from __future__ import annotations

import itertools

import numpy as np

from cnn_vs_ros.estimation import PoseEstimator, Reference, load_model
from cnn_vs_ros.estimation.hybrid import HybridEstimator
from cnn_vs_ros.estimation.matcher import MatcherNetwork, ReferenceMatcher
from cnn_vs_ros.estimation.pair_regressor import KIND as PAIR_KIND
from cnn_vs_ros.estimation.pair_regressor import PairNetwork
from cnn_vs_ros.estimation.pyramid import ImagePyramid
from cnn_vs_ros.estimation.regressor import RegressorNetwork
from cnn_vs_ros.geometry import PoseStatus, RelativePose, se3
from training.benchmark.methods.base import Method, Step, towards

_RETREAT, _BACK_STEPS = 0.15, 6  # m along the optical axis, and in how many steps
_ASIDE, _ASIDE_STEPS, _ROUND_STEPS = float(np.deg2rad(20.0)), 3, 16  # the cone looked round in


def _search() -> tuple[np.ndarray | None, ...]:
    """What is done while the reference is lost, a step at a time, None to look on.

    Back off along the optical axis, look, look round in a cone about it, and come back; and so once more, for
    lights and what is in the way may move meanwhile.
    """
    back = np.array([0.0, 0.0, -_RETREAT / _BACK_STEPS, 0.0, 0.0, 0.0])
    out = np.linspace(0.0, _ASIDE, _ASIDE_STEPS + 1)
    way = [(angle, 0.0) for angle in out]
    way += [(_ASIDE, 2 * np.pi * k / _ROUND_STEPS) for k in range(1, _ROUND_STEPS + 1)]
    way += [(angle, 0.0) for angle in out[-2::-1]]
    directions = [
        se3.exp(np.array([0.0, 0.0, 0.0, angle * np.cos(turn), angle * np.sin(turn), 0.0])) for angle, turn in way
    ]
    look_round = [se3.log(se3.inverse(one) @ other) for one, other in itertools.pairwise(directions)]
    once = (*(back,) * _BACK_STEPS, *(None,) * 10, *look_round, *(-back,) * _BACK_STEPS, *(None,) * 6)
    return (*(None,) * 6, *once, *once)


_SEARCH = _search()
_SURE, _LEAST_TRUST = 0.8, 0.15


class EstimatorServoing(Method):
    """PBVS on the pose estimator; with `retreat`, backs off and looks round, within bounds, when it is lost."""

    def __init__(self, model: str = 'scene_agnostic', retreat: bool = False) -> None:
        self._estimator = PoseEstimator.load(model)
        self._sha256 = ''
        self._retreat = retreat
        self._lost = 0
        self._moved: np.ndarray | None = None

    def start(self, reference: Reference, seed: int) -> None:
        """Forget the last run."""
        if reference.sha256 != self._sha256:
            self._estimator.set_reference(reference)
            self._sha256 = reference.sha256
        self._estimator.reset()
        self._lost = 0
        self._moved = None

    def step(self, image: np.ndarray) -> Step:
        """Follow the estimate, retreat or stay."""
        motion = None if self._moved is None else se3.exp(self._moved)
        answer = self._answer(self._estimator.estimate(image, motion))
        self._moved = np.zeros(6) if answer.motion is None else answer.motion
        return answer

    def _answer(self, pose: RelativePose) -> Step:
        if not pose.is_lost:
            self._lost = 0
            tracked = pose.status is PoseStatus.TRACKED
            # The less sure the pose, the smaller the step: poor estimates are averaged over more images.
            trust = min(max(pose.confidence / _SURE, _LEAST_TRUST), 1.0)
            return Step(trust * towards(pose), tracked, pose.confidence, pose.transform)
        self._lost += 1
        searching = self._retreat and self._lost <= len(_SEARCH)
        return Step(_SEARCH[self._lost - 1] if searching else None)


class CoarseServoing(Method):
    """PBVS on the matcher network alone: what the CNN sees, without photometric refinement."""

    def __init__(self, model: str = 'scene_agnostic') -> None:
        self._network = MatcherNetwork(load_model(model))
        self._matcher: ReferenceMatcher | None = None
        self._reference: Reference | None = None

    def start(self, reference: Reference, seed: int) -> None:
        """Describe the reference."""
        if self._reference is reference:
            return
        pyramid = ImagePyramid(reference.image, reference.camera)
        self._matcher = ReferenceMatcher(self._network, pyramid, reference.camera, reference.depth)
        self._reference = reference

    def step(self, image: np.ndarray) -> Step:
        """Match anew at each image and take the best supported pose."""
        assert self._matcher is not None
        assert self._reference is not None
        found = list(self._matcher.hypotheses(ImagePyramid(image, self._reference.camera)))
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
