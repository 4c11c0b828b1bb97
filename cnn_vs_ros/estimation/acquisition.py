"""Finding the reference in an image from that image alone: hypotheses of the network and of features, verified.

The network looks at a small image first, which mostly suffices, and at a larger one where it does not: a faint
texture shows in its details. Photometric alignment judges and refines what they propose. On a pattern that repeats
itself a match has rivals; all of them are compared, and where none stands out nothing is believed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.estimation.confidence import Match, judge
from cnn_vs_ros.estimation.feature_matcher import FeatureMatcher
from cnn_vs_ros.estimation.matcher import MatcherNetwork, ReferenceMatcher
from cnn_vs_ros.estimation.photometric import ACQUIRE_STAGES, Alignment, PhotometricAlignment, Stage
from cnn_vs_ros.estimation.plane_pose import PlanePose
from cnn_vs_ros.estimation.pyramid import ImagePyramid
from cnn_vs_ros.estimation.self_similarity import repetitions
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
# Rivals of a match on a pattern that repeats: a look at each, and a whole alignment of those that look best.
_REPETITION_LEVEL = 1
_LOOK = (Stage(_REPETITION_LEVEL, 1),)
_CLOSEST_RIVALS = 4
# Difference of correlations, as Fisher's z (their inverse hyperbolic tangent), that makes one e times as likely.
_TELLING = 0.05
_IDENTICAL = 1.0 - 1e-6
_LEAST_SHARE = 0.97  # of the likelihood; with less a match is one of several
_CLEAR = 4.0  # so many differences above what the repetitions correlate with the reference nothing is compared


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
        self._repetitions = repetitions(reference.levels[_REPETITION_LEVEL], aligner.depth)
        self._unrivalled = self._self_correlation(reference)

    def find(
        self,
        image: ImagePyramid,
        least_probability: float,
        *,
        quickly: bool = True,
        by_features: bool = True,
    ) -> Match | None:
        """Best match of more than `least_probability`; each way of looking only where those before it failed."""
        best: Match | None = None

        def is_known(pose: Array) -> bool:
            """Whether the alignment of what was found so far would come to the same."""
            return best is not None and best.probability > BELIEVED and self._is_same(best.alignment, pose)

        for matcher, wanted in ((self._quick, quickly), (self._thorough, True)):
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
        match = self._aligned(image, hypothesis.current_T_desired)
        if match is None or match.probability < BELIEVED or match.alignment.correlation > self._unrivalled:
            return match
        best, _, share = self._compared(image, match)
        return best.among_rivals(share) if share > _LEAST_SHARE else None

    def _self_correlation(self, reference: ImagePyramid) -> float:
        """Correlation that no repetition comes up to; 0 where nothing repeats."""
        itself = self._aligned(reference, np.eye(4)) if self._repetitions else None
        if itself is None:
            return 0.0
        _, second, _ = self._compared(reference, itself)
        return float(np.tanh(np.arctanh(min(second, _IDENTICAL)) + _CLEAR * _TELLING)) if second > 0.0 else 0.0

    def _aligned(self, image: ImagePyramid, pose: Array) -> Match | None:
        alignment = self._aligner.align(image, pose, ACQUIRE_STAGES)
        return None if alignment is None else judge(alignment, self._aligner.depth)

    def _compared(self, image: ImagePyramid, match: Match) -> tuple[Match, float, float]:
        """Compare a match with its rivals: the best, the correlation of the second, the best one's likelihood."""
        looks = [
            self._aligner.align(image, match.alignment.current_T_desired @ motion, _LOOK)
            for motion in self._repetitions
        ]
        promising = sorted((look for look in looks if look is not None), key=lambda look: -look.correlation)
        rivals = [match]
        for look in promising[:_CLOSEST_RIVALS]:
            rival = self._aligned(image, look.current_T_desired)
            if rival is None or rival.probability < BELIEVED:
                continue
            if not any(self._is_same(known.alignment, rival.alignment.current_T_desired) for known in rivals):
                rivals.append(rival)
        rivals.sort(key=lambda rival: -rival.alignment.correlation)
        correlations = np.array([rival.alignment.correlation for rival in rivals])
        z = np.arctanh(correlations.clip(max=_IDENTICAL))
        likelihoods = np.exp((z - z[0]) / _TELLING)
        return rivals[0], float(correlations[1]) if len(rivals) > 1 else 0.0, 1.0 / float(likelihoods.sum())

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
