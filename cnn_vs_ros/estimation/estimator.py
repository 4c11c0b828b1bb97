"""The pose estimator: track from frame to frame, acquire anew when lost, never guess."""

from __future__ import annotations

import logging
import os
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from cnn_vs_ros.estimation.coarse.acquisition import WAYS, Acquisition
from cnn_vs_ros.estimation.coarse.matcher import MatcherNetwork
from cnn_vs_ros.estimation.fine.confidence import DOUBTFUL, Match
from cnn_vs_ros.estimation.model_file import ModelFile, load_model
from cnn_vs_ros.estimation.plane import ScenePlane
from cnn_vs_ros.estimation.pyramid import ImagePyramid
from cnn_vs_ros.estimation.reference import Reference
from cnn_vs_ros.estimation.scene import Scene, SceneHolder
from cnn_vs_ros.geometry import PoseStatus, RelativePose, se3
from cnn_vs_ros.resources import SHIPPED_MODEL

_log = logging.getLogger(__name__)


class Estimator(Protocol):
    """What finds the relative pose of a camera from its images and one reference, for one stream of images."""

    details: dict[str, float]

    @property
    def name(self) -> str:
        """Name of the model."""

    @property
    def reference(self) -> Reference | None:
        """The reference servoed to, if one is set."""

    @property
    def plane(self) -> ScenePlane | None:
        """The reference's plane as the last image showed it; as it is believed where that was lost."""

    @property
    def believed_plane(self) -> ScenePlane | None:
        """The reference's plane as all images together taught it."""

    def set_reference(self, reference: Reference) -> None:
        """Take a new desired image."""

    def forget_reference(self) -> None:
        """Have none, as before the first."""

    def reset(self) -> None:
        """Forget the track."""

    def forget_scene(self) -> None:
        """Know no more of the plane, and of what moves with the camera, than the reference says."""

    def estimate(self, image: np.ndarray, motion: ArrayLike | None = None) -> RelativePose:
        """Relative pose of the camera that took `image` (H, W[, 3]) uint8."""


class _AcquiredScene(Scene):
    """A scene with what finds it in an image, and the way in which to look for it if the track is lost.

    None is all ways at once: for the first image, of which nothing is known.
    """

    def __init__(self, reference: Reference, network: MatcherNetwork) -> None:
        super().__init__(reference)
        self.acquisition = Acquisition(network, self.aligner, self.desired, reference.camera)
        self.way: int | None = None


class PoseEstimator(SceneHolder[_AcquiredScene]):
    """Estimates the relative pose of a camera from its images and one reference, of any scene.

    The network, and local features where it does not, find the reference in the first image, or after it was lost
    (*acquire*). Photometric alignment judges and refines what they propose, and follows the pose from
    image to image (*track*). One estimator serves one stream of images.
    """

    def __init__(self, network: MatcherNetwork) -> None:
        super().__init__()
        self._network = network

    @classmethod
    def load(cls, model: str | os.PathLike[str] = SHIPPED_MODEL, threads: int = 1) -> PoseEstimator:
        """Estimator with a shipped matcher by name, or a model file by path. Raises ModelError."""
        return cls.of_model(load_model(model, threads))

    @classmethod
    def of_model(cls, model: ModelFile) -> PoseEstimator:
        """Estimator of a loaded `scene_agnostic_matcher`. Raises ModelError for another kind."""
        return cls(MatcherNetwork(model))

    @property
    def name(self) -> str:
        """Name of the model."""
        return self._network.name

    def set_reference(self, reference: Reference) -> None:
        """Take a new desired image; the next image is acquired anew."""
        warning = self._network.check(reference)
        if warning:
            _log.warning(warning)
        self._scene = _AcquiredScene(reference, self._network)

    def reset(self) -> None:
        """Forget the track: the next image is acquired anew. What is known of the plane is kept."""
        if self._scene is not None:
            self._scene.track.forget()
            self._scene.way = None

    def estimate(self, image: np.ndarray, motion: ArrayLike | None = None) -> RelativePose:
        """Relative pose of the camera that took `image` (H, W[, 3]) uint8, of the reference's size.

        `motion` (4, 4) is the pose of this image's camera in the previous image's camera frame, where it is
        known (commanded or measured); without it the camera is taken to keep its velocity. The status of the
        result says LOST when the reference was not found. Raises ImageError for an image that cannot be the
        reference camera's and ReferenceFolderError before a reference is set.
        """
        scene = self._scene_set()
        pyramid = scene.pyramid(image)
        match = scene.track.follow(pyramid, None if motion is None else se3.as_transform(motion, 'motion'))
        status = PoseStatus.TRACKED
        if match is not None and not scene.track.is_undisputed:
            match = _contested(scene, pyramid, match)
        elif match is not None and scene.track.is_in_doubt:
            scene.track.confirm(scene.acquisition.seconded(pyramid, scene.track.plane, match))
        if match is None:
            status = PoseStatus.ACQUIRED
            match = _acquired(scene, pyramid)
        if match is None:
            scene.way = 1 if scene.way is None else (scene.way + 1) % WAYS
            return self._lost()
        scene.way = 0
        return self._found(match, status)


def _contested(scene: _AcquiredScene, pyramid: ImagePyramid, match: Match) -> Match | None:
    """Compare a track that has grown to belief with its rivals; forget it where one of them is as good."""
    track = scene.track
    track.is_undisputed = scene.acquisition.outdoes_rivals(pyramid, track.plane, match)
    if not track.is_undisputed:
        track.forget()
        return None
    return match


def _acquired(scene: _AcquiredScene, pyramid: ImagePyramid) -> Match | None:
    """Find the reference anew; a match too doubtful to be reported is followed if nothing better is."""
    track = scene.track
    match = scene.acquisition.find(pyramid, track.plane, max(track.probability, DOUBTFUL), scene.way)
    if match is None:
        return None
    match = track.begin(match, pyramid)
    return match if track.is_reported else None
