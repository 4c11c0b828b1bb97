"""How a method is asked about a pair: one adapter a kind of method, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

import cnn_vs_ros as vs
from cnn_vs_ros.geometry import PinholeCamera, se3
from cnn_vs_ros.resources import SHIPPED_MODEL
from training.benchmark.rivals import RIVALS, Matcher
from training.benchmark.rivals.decomposition import decompose
from training.benchmark.rivals.matching import robust_homography

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Answer:
    """What a method says of an image; None where it finds nothing.

    `homography` (3, 3) from undistorted reference to undistorted image pixels, `desired_T_current` (4, 4) in
    metres, `confidence` where the method has one.
    """

    homography: Array
    desired_T_current: Array | None = None
    confidence: float | None = None


class PairMethod(Protocol):
    """A method that finds a reference in single images, each without knowledge of the others."""

    def set_reference(self, image: np.ndarray, camera: PinholeCamera, depth: float) -> None:
        """Take the reference (H, W, 3) uint8 of `camera`, `depth` metres before it."""

    def forget(self) -> None:
        """Forget what earlier images taught, so that the next answer does not depend on them."""

    def find(self, image: np.ndarray) -> Answer | None:
        """Find the reference in `image` (H, W, 3) uint8 of the same camera."""


class EstimatorOnPairs:
    """The estimator of this package, as a user calls it."""

    def __init__(self, model: str, threads: int) -> None:
        self._estimator = vs.load_estimator(model, threads)
        self._reference: vs.Reference | None = None

    def set_reference(self, image: np.ndarray, camera: PinholeCamera, depth: float) -> None:
        """Take the reference."""
        self._reference = vs.Reference(image, camera, depth)
        self._estimator.set_reference(self._reference)

    def forget(self) -> None:
        """Forget the track, and what was learned of the plane."""
        self._estimator.reset()
        self._estimator.forget_scene()

    def find(self, image: np.ndarray) -> Answer | None:
        """Acquire the reference."""
        assert self._reference is not None
        reference = self._reference
        pose = self._estimator.estimate(image)
        if pose.is_lost:
            return None
        plane = self._estimator.plane
        assert plane is not None
        homography = plane.homography(se3.inverse(pose.transform), reference.camera.undistorted)
        return Answer(homography, pose.transform, pose.confidence)


class FeaturesOnPairs:
    """Matched features, MAGSAC homography, and its decomposition."""

    def __init__(self, matcher: Matcher) -> None:
        self._matcher = matcher
        self._camera: PinholeCamera | None = None
        self._depth = 0.0

    def set_reference(self, image: np.ndarray, camera: PinholeCamera, depth: float) -> None:
        """Detect the reference's features."""
        self._camera, self._depth = camera, depth
        self._matcher.set_reference(camera.undistort(image))

    def forget(self) -> None:
        """Nothing to forget."""

    def find(self, image: np.ndarray) -> Answer | None:
        """Match, and believe what enough matches agree on."""
        assert self._camera is not None
        matched = self._matcher.match(self._camera.undistort(image))
        found = None if matched is None else robust_homography(*matched)
        if matched is None or found is None:
            return None
        homography, inliers = found
        camera = self._camera.undistorted
        pose = decompose(homography, matched[0][inliers], camera, self._depth)
        return Answer(homography, None if pose is None else se3.inverse(pose))


OWN = SHIPPED_MODEL
NAMES = (OWN, *RIVALS)


def make_pair_method(name: str, model: str | None, threads: int) -> PairMethod:
    """Return a method by one of NAMES; `model` is a file for our estimator to use in place of the shipped one."""
    if name == OWN:
        return EstimatorOnPairs(model or OWN, threads)
    makers: dict[str, Callable[[], Matcher]] = RIVALS
    return FeaturesOnPairs(makers[name]())
