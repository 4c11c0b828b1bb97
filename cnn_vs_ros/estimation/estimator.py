"""The pose estimator: track from frame to frame, acquire anew when lost, never guess."""

from __future__ import annotations

import logging
import os
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cnn_vs_ros.errors import ReferenceFolderError
from cnn_vs_ros.estimation.coarse.acquisition import Acquisition
from cnn_vs_ros.estimation.coarse.matcher import MatcherNetwork
from cnn_vs_ros.estimation.fine.alignment import PhotometricAlignment
from cnn_vs_ros.estimation.fine.confidence import DOUBTFUL, Match
from cnn_vs_ros.estimation.model_file import ModelFile, load_model
from cnn_vs_ros.estimation.plane import ScenePlane
from cnn_vs_ros.estimation.pyramid import ImagePyramid, ValidPixels
from cnn_vs_ros.estimation.reference import Reference
from cnn_vs_ros.estimation.track import Track
from cnn_vs_ros.geometry import PoseStatus, RelativePose, se3

Array = NDArray[np.float64]

# The residuals of neighbouring samples are correlated, so the normal equations alone are too sure.
_COVARIANCE_INFLATION = 2.0

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

    def reset(self) -> None:
        """Forget the track."""

    def forget_scene(self) -> None:
        """Know no more of the plane, and of what moves with the camera, than the reference says."""

    def estimate(self, image: np.ndarray, motion: ArrayLike | None = None) -> RelativePose:
        """Relative pose of the camera that took `image` (H, W[, 3]) uint8."""


class PoseEstimator:
    """Estimates the relative pose of a camera from its images and one reference, of any scene.

    The network, and local features where it does not, find the reference in the first image, or after it was lost
    (*acquire*). Photometric alignment judges and refines what they propose, and follows the pose from
    image to image (*track*). One estimator serves one stream of images.
    """

    def __init__(self, network: MatcherNetwork) -> None:
        self._network = network
        self._scene: _Scene | None = None
        self._last = np.eye(4)
        self._images_lost = 0
        self.details: dict[str, float] = {}

    @classmethod
    def load(cls, model: str | os.PathLike[str] = 'scene_agnostic', threads: int = 1) -> PoseEstimator:
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

    @property
    def reference(self) -> Reference | None:
        """The reference servoed to, if one is set."""
        return None if self._scene is None else self._scene.reference

    @property
    def plane(self) -> ScenePlane | None:
        """The reference's plane as the last image showed it; as it is believed where that was lost."""
        return None if self._scene is None else self._scene.track.seen_plane

    @property
    def believed_plane(self) -> ScenePlane | None:
        """The reference's plane as all images together taught it."""
        return None if self._scene is None else self._scene.track.plane

    def set_reference(self, reference: Reference) -> None:
        """Take a new desired image; the next image is acquired anew."""
        warning = self._network.check(reference)
        if warning:
            _log.warning(warning)
        self._scene = _Scene(self._network, reference)
        self._last = np.eye(4)
        self._images_lost = 0

    def reset(self) -> None:
        """Forget the track: the next image is acquired anew. What is known of the plane is kept."""
        if self._scene is not None:
            self._scene.track.forget()
        self._images_lost = 0

    def forget_scene(self) -> None:
        """Know no more of the plane, and of what moves with the camera, than the reference says."""
        if self._scene is not None:
            self._scene.track.know(self._scene.reference.plane)

    def estimate(self, image: np.ndarray, motion: ArrayLike | None = None) -> RelativePose:
        """Relative pose of the camera that took `image` (H, W[, 3]) uint8, of the reference's size.

        `motion` (4, 4) is the pose of this image's camera in the previous image's camera frame, where it is
        known (commanded or measured); without it the camera is taken to keep its velocity. The status of the
        result says LOST when the reference was not found. Raises ImageError for an image that cannot be the
        reference camera's and ReferenceFolderError before a reference is set.
        """
        scene = self._scene
        if scene is None:
            raise ReferenceFolderError('a reference should be set before estimating: capture or load one')
        pyramid = ImagePyramid(image, scene.reference.camera, scene.valid)
        found = scene.track.follow(pyramid, None if motion is None else se3.as_transform(motion, 'motion'))
        status = PoseStatus.TRACKED
        if found is None:
            status = PoseStatus.ACQUIRED
            found = self._acquire(scene, pyramid)
        if found is None:
            self._images_lost += 1
            self.details = {'confidence': 0.0}
            return RelativePose(self._last, np.full((6, 6), np.inf), 0.0, PoseStatus.LOST)
        self._images_lost = 0
        self._last, self.details = se3.inverse(found.alignment.current_T_desired), details(found)
        return report(found, status)

    def _acquire(self, scene: _Scene, pyramid: ImagePyramid) -> Match | None:
        """Find the reference anew; a match too doubtful to be reported is followed if nothing better is."""
        least = max(scene.track.probability, DOUBTFUL)
        match = scene.acquisition.find(pyramid, scene.track.plane, least, self._images_lost)
        if match is None:
            return None
        match = scene.track.begin(match, pyramid)
        return match if scene.track.is_believed else None


class _Scene:
    """A reference, and what was computed from it."""

    def __init__(self, network: MatcherNetwork, reference: Reference) -> None:
        self.reference = reference
        self.valid = ValidPixels(reference.camera, reference.mask)
        pyramid = ImagePyramid(reference.image, reference.camera, self.valid)
        aligner = PhotometricAlignment(pyramid, reference.plane)
        self.acquisition = Acquisition(network, aligner, pyramid, reference.camera)
        self.track = Track(aligner, reference.plane, reference.camera)


def report(match: Match, status: PoseStatus) -> RelativePose:
    """Return what an estimator says of a match."""
    found = match.alignment
    covariance = _COVARIANCE_INFLATION * found.covariance
    return RelativePose(se3.inverse(found.current_T_desired), covariance, match.confidence, status)


def details(match: Match) -> dict[str, float]:
    """Return figures of a match, for diagnostics."""
    found = match.alignment
    return {
        'confidence': match.confidence,
        'match_probability': match.probability,
        'correlation': found.correlation,
        'correlation_unweighted': found.correlation_unweighted,
        'visible': found.visible,
        'unoccluded': found.unoccluded,
        'evidence': found.evidence,
        'slope_x': float(found.plane.slope[0]),
        'slope_y': float(found.plane.slope[1]),
        'iterations': float(found.iterations),
    }
