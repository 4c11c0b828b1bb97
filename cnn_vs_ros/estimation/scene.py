"""What every estimator has of its reference: an alignment, a track, and what it says of a match."""

from __future__ import annotations

from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.errors import ReferenceFolderError
from cnn_vs_ros.estimation.fine.alignment import PhotometricAlignment
from cnn_vs_ros.estimation.fine.confidence import Match
from cnn_vs_ros.estimation.plane import ScenePlane
from cnn_vs_ros.estimation.pyramid import ImagePyramid, ValidPixels
from cnn_vs_ros.estimation.reference import Reference
from cnn_vs_ros.estimation.track import Track
from cnn_vs_ros.geometry import PoseStatus, RelativePose, se3

Array = NDArray[np.float64]

# The residuals of neighbouring samples are correlated, so the normal equations alone are too sure.
_COVARIANCE_INFLATION = 2.0


class Scene:
    """A reference, what is computed from it, and the `last` pose ``desired_T_current`` (4, 4) that was found."""

    def __init__(self, reference: Reference) -> None:
        self.reference = reference
        self._valid = ValidPixels(reference.camera, reference.mask)
        self.desired = self.pyramid(reference.image)
        self.aligner = PhotometricAlignment(self.desired, reference.plane)
        self.track = Track(self.aligner, reference.plane, reference.camera)
        self.last = np.eye(4)

    def pyramid(self, image: np.ndarray) -> ImagePyramid:
        """Return the pyramid of an image (H, W[, 3]) uint8. Raises ImageError unless it is this camera's."""
        return ImagePyramid(image, self.reference.camera, self._valid)


SomeScene = TypeVar('SomeScene', bound=Scene)
"""The scene of an estimator, which may hold more than every estimator has of its reference."""


class SceneHolder(Generic[SomeScene]):
    """The part of an estimator that is about its reference and the plane of it."""

    def __init__(self) -> None:
        self._scene: SomeScene | None = None
        self.details: dict[str, float] = {}

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

    def forget_reference(self) -> None:
        """Have none, as before the first."""
        self._scene = None

    def forget_scene(self) -> None:
        """Know no more of the plane, and of what moves with the camera, than the reference says."""
        if self._scene is not None:
            self._scene.track.know(self._scene.reference.plane)

    def _scene_set(self) -> SomeScene:
        """Return the scene. Raises ReferenceFolderError before a reference is set."""
        if self._scene is None:
            raise ReferenceFolderError('a reference should be set before estimating: capture or load one')
        return self._scene

    def _found(self, match: Match, status: PoseStatus, **figures: float) -> RelativePose:
        """Return what is said of a match, and keep its figures for diagnostics."""
        found, scene = match.alignment, self._scene_set()
        scene.last = se3.inverse(found.current_T_desired)
        self.details = {
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
            **figures,
        }
        return RelativePose(scene.last, _COVARIANCE_INFLATION * found.covariance, match.confidence, status)

    def _lost(self, **figures: float) -> RelativePose:
        self.details = {'confidence': 0.0, **figures}
        return RelativePose(self._scene_set().last, np.full((6, 6), np.inf), 0.0, PoseStatus.LOST)
