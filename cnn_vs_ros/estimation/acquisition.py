"""Finding the reference in an image from that image alone: hypotheses of the network and of features, verified.

The network looks at a small image first, which mostly suffices, and at a larger one where it does not: a faint
texture shows in its details. Photometric alignment judges and refines what they propose. On a pattern that repeats
itself several poses are probable; the right one correlates best.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.estimation import confidence
from cnn_vs_ros.estimation.feature_matcher import FeatureMatcher
from cnn_vs_ros.estimation.matcher import MatcherNetwork, ReferenceMatcher
from cnn_vs_ros.estimation.photometric import ACQUIRE_STAGES, Alignment, PhotometricAlignment
from cnn_vs_ros.estimation.plane_pose import PlanePose
from cnn_vs_ros.estimation.pyramid import ImagePyramid
from cnn_vs_ros.geometry import PinholeCamera, image_shift

Array = NDArray[np.float64]

# Probability from which a match is believed.
BELIEVED = 0.6
# Match probability and correlation from which one hypothesis is believed without looking at the others.
_CERTAIN, _UNRIVALLED = 0.95, 0.95
# Widths, in pixels, of the images that the network looks at: at first, and where that did not find the reference.
_QUICK, _THOROUGH = 160, 256
# Hypotheses nearer to each other than this, in widths of the image, come to the same.
_SAME_PLACE = 0.04


@dataclass(frozen=True)
class Match:
    """An alignment and the probability that it shows the reference."""

    alignment: Alignment
    probability: float


class Acquisition:
    """Finds one reference."""

    def __init__(
        self,
        network: MatcherNetwork,
        aligner: PhotometricAlignment,
        reference: ImagePyramid,
        camera: PinholeCamera,
    ) -> None:
        self._aligner = aligner
        self._camera = camera.undistorted
        self._quick, self._thorough = (
            ReferenceMatcher(network, reference, camera, aligner.depth, width) for width in (_QUICK, _THOROUGH)
        )
        self._features = FeatureMatcher(reference, camera, aligner.depth)

    def find(
        self,
        image: ImagePyramid,
        least_probability: float,
        *,
        quickly: bool = True,
        thoroughly: bool = True,
        by_features: bool = True,
    ) -> Match | None:
        """Best match of more than `least_probability`; each way of looking only where those before it failed."""
        best: Match | None = None

        def is_known(pose: Array) -> bool:
            """Whether the alignment of what was found so far would come to the same."""
            return best is not None and best.probability > BELIEVED and self._is_same(best.alignment, pose)

        for matcher, wanted in ((self._quick, quickly), (self._thorough, thoroughly)):
            if not wanted or (best and best.probability > _CERTAIN):
                continue
            for hypothesis in matcher.hypotheses(image, is_known=is_known):
                best = self._better(best, self._verified(image, hypothesis), least_probability)
                if best and best.probability > _CERTAIN and best.alignment.correlation > _UNRIVALLED:
                    return best
        if by_features and not (best and best.probability > _CERTAIN):
            found = self._features.hypothesis(image)
            if found is not None and not is_known(found.current_T_desired):
                best = self._better(best, self._verified(image, found), least_probability)
        return best

    def _verified(self, image: ImagePyramid, hypothesis: PlanePose) -> Match | None:
        alignment = self._aligner.align(image, hypothesis.current_T_desired, ACQUIRE_STAGES)
        if alignment is None:
            return None
        return Match(alignment, confidence.match_probability(alignment, self._aligner.depth))

    def _is_same(self, alignment: Alignment, pose: Array) -> bool:
        shift = image_shift(alignment.current_T_desired, pose, self._aligner.depth, self._camera)
        return shift < _SAME_PLACE * self._camera.width

    @staticmethod
    def _better(best: Match | None, other: Match | None, least_probability: float) -> Match | None:
        if other is None or other.probability <= least_probability:
            return best
        if best is None:
            return other
        if min(best.probability, other.probability) > BELIEVED:  # rivals
            return other if other.alignment.correlation > best.alignment.correlation else best
        return other if other.probability > best.probability else best
