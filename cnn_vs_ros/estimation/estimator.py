"""The pose estimator: track from frame to frame, acquire anew when lost, never guess."""

from __future__ import annotations

import logging
import os

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cnn_vs_ros.errors import ReferenceFolderError
from cnn_vs_ros.estimation import pair_regressor, regressor
from cnn_vs_ros.estimation.acquisition import BELIEVED, Acquisition
from cnn_vs_ros.estimation.confidence import Match, judge
from cnn_vs_ros.estimation.matcher import MatcherNetwork
from cnn_vs_ros.estimation.model_file import load_model
from cnn_vs_ros.estimation.photometric import TRACK_STAGES, PhotometricAlignment
from cnn_vs_ros.estimation.pyramid import ImagePyramid
from cnn_vs_ros.estimation.reference import Reference
from cnn_vs_ros.estimation.track_belief import TrackBelief
from cnn_vs_ros.geometry import PoseStatus, RelativePose, se3

Array = NDArray[np.float64]

# The residuals of neighbouring samples are correlated, so the normal equations alone are too sure.
_COVARIANCE_INFLATION = 4.0
# The belief in a doubtful match has to grow to BELIEVED over the next images before it is reported.
# A track that was believed is reported while its belief is over this, and an image while it alone has the other.
_MIN_TRACK = 0.4
_MIN_IMAGE = 0.25
# Under this a doubtful match is not worth following, and a track is forgotten.
_MIN_DOUBTFUL = 0.15


_log = logging.getLogger(__name__)


class PoseEstimator:
    """Estimates the relative pose of a camera from its images and one reference.

    The network finds the reference in the first image, or after it was lost (*acquire*); where it does not, local
    features have a try. Photometric alignment judges and refines what they propose, and follows the pose from
    image to image (*track*). One estimator serves one stream of images.
    """

    def __init__(self, network: MatcherNetwork) -> None:
        self._network = network
        self._start()

    def _start(self) -> None:
        self._reference: Reference | None = None
        self._aligner: PhotometricAlignment | None = None
        self._acquisition: Acquisition | None = None
        self._track: Array | None = None
        self._belief: TrackBelief | None = None
        self._believed = False
        self._motion = np.eye(4)
        self._images_lost = 0
        self._last = np.eye(4)
        self.details: dict[str, float] = {}

    @classmethod
    def load(cls, model: str | os.PathLike[str] = 'scene_agnostic', threads: int = 1) -> PoseEstimator:
        """Estimator with a shipped model by name, or a model file by path. Raises ModelError.

        A `pose_regressor` or `pose_pair_regressor` makes the estimator of its kind, `hybrid.HybridEstimator`.
        """
        loaded = load_model(model, threads)
        if loaded.kind in (regressor.KIND, pair_regressor.KIND):
            from cnn_vs_ros.estimation.hybrid import HybridEstimator  # builds on this class

            return HybridEstimator.of_model(loaded)
        return cls(MatcherNetwork(loaded))

    @property
    def name(self) -> str:
        """Name of the model."""
        return self._network.name

    @property
    def reference(self) -> Reference | None:
        """The reference servoed to, if one is set."""
        return self._reference

    def set_reference(self, reference: Reference) -> None:
        """Take a new desired image; the next image is acquired anew."""
        pyramid = ImagePyramid(reference.image, reference.camera)
        warning = self._network.check(reference)
        if warning:
            _log.warning(warning)
        self._aligner = PhotometricAlignment(pyramid, reference.depth)
        self._acquisition = Acquisition(self._network, self._aligner, pyramid, reference.camera)
        self._reference = reference
        self._last = np.eye(4)
        self.reset()

    def reset(self) -> None:
        """Forget the track: the next image is acquired from the image alone."""
        self._forget()
        self._images_lost = 0

    def _forget(self) -> None:
        self._track = self._belief = None
        self._believed = False
        self._motion = np.eye(4)

    def estimate(self, image: np.ndarray, motion: ArrayLike | None = None) -> RelativePose:
        """Relative pose of the camera that took `image` (H, W[, 3]) uint8, of the reference's size.

        `motion` (4, 4) is the pose of this image's camera in the previous image's camera frame, where it is
        known (commanded or measured); without it the camera is taken to keep its velocity. The status of the
        result says LOST when the reference was not found. Raises ImageError for an image that cannot be the
        reference camera's and ReferenceFolderError before a reference is set.
        """
        if self._reference is None or self._aligner is None:
            raise ReferenceFolderError('a reference should be set before estimating: capture or load one')
        pyramid = ImagePyramid(image, self._reference.camera)
        status = PoseStatus.TRACKED
        motion = self._motion if motion is None else se3.as_transform(motion, 'motion')
        found = self._follow(self._aligner, pyramid, motion)
        if found is None:
            status = PoseStatus.ACQUIRED
            found = self._acquire(pyramid)
        if found is None:
            self._motion = np.eye(4)
            self._images_lost += 1
            self.details = {'confidence': 0.0}
            return RelativePose(self._last, np.full((6, 6), np.inf), 0.0, PoseStatus.LOST)
        return self._report(found, status)

    def _follow(self, aligner: PhotometricAlignment, pyramid: ImagePyramid, motion: Array) -> Match | None:
        """Track into this image. A doubtful or disturbed track is followed without being reported."""
        if self._track is None or self._belief is None:
            return None
        self._track = se3.inverse(motion) @ self._track
        found = aligner.align(pyramid, self._track, TRACK_STAGES)
        match = None if found is None else judge(found, aligner.depth)
        belief = self._belief.update(0.0 if match is None else match.probability)
        if match is None or belief < _MIN_DOUBTFUL:
            if belief < _MIN_DOUBTFUL:
                self._forget()
            return None
        if match.probability > _MIN_IMAGE:
            self._track = match.alignment.current_T_desired
        self._believed = belief > (_MIN_TRACK if self._believed else BELIEVED)
        return match if self._believed and match.probability > _MIN_IMAGE else None

    def _acquire(self, pyramid: ImagePyramid) -> Match | None:
        """Find the reference anew; a match too doubtful to be reported is followed if nothing better is.

        While the reference stays out of sight not every way of looking is tried each time, so that an image is
        answered soon.
        """
        if self._acquisition is None:
            return None
        least = _MIN_DOUBTFUL if self._belief is None else max(self._belief.probability, _MIN_DOUBTFUL)
        first, turn = self._images_lost == 0, self._images_lost % 2
        match = self._acquisition.find(pyramid, least, quickly=first, by_features=first or turn == 1)
        if match is None:
            return None
        self._begin(match)
        return match if self._believed else None

    def _begin(self, match: Match) -> None:
        """Begin a track at a match."""
        self._track, self._belief = match.alignment.current_T_desired, TrackBelief(match.probability)
        self._believed = match.probability > BELIEVED

    def _report(self, match: Match, status: PoseStatus) -> RelativePose:
        found = match.alignment
        previous, self._track = self._last, found.current_T_desired
        self._last = se3.inverse(self._track)
        self._motion = np.eye(4)
        if status is PoseStatus.TRACKED and self._images_lost == 0:
            self._motion = se3.inverse(previous) @ self._last
        self._images_lost = 0
        self.details = {
            'confidence': match.confidence,
            'match_probability': match.probability,
            'correlation': found.correlation,
            'correlation_unweighted': found.correlation_unweighted,
            'visible': found.visible,
            'unoccluded': found.unoccluded,
            'iterations': float(found.iterations),
        }
        covariance = _COVARIANCE_INFLATION * found.covariance
        return RelativePose(self._last, covariance, match.confidence, status)
