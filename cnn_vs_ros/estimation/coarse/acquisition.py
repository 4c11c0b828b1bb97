"""Finding the reference in an image from that image alone: hypotheses of the network and of features, verified.

The network looks at a small image first, which mostly suffices. Where it does not, local features have a try, which
know no limit of scale, and the network at a larger image: a faint texture shows in its details. Photometric alignment
judges and refines what they propose, and what they propose is judged against each other: a pose is believed that stands
out from its rivals, among them those that the reference's own symmetries make.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.estimation.coarse.feature_matcher import FeatureMatcher
from cnn_vs_ros.estimation.coarse.matcher import MatcherNetwork, ReferenceMatcher
from cnn_vs_ros.estimation.coarse.plane_pose import PlanePose
from cnn_vs_ros.estimation.coarse.rivals import Rivals
from cnn_vs_ros.estimation.fine.alignment import ACQUIRE_STAGES, Alignment, PhotometricAlignment, Stage
from cnn_vs_ros.estimation.fine.confidence import Match, judge
from cnn_vs_ros.estimation.plane import ScenePlane
from cnn_vs_ros.estimation.pyramid import ImagePyramid
from cnn_vs_ros.geometry import PinholeCamera

Array = NDArray[np.float64]

# Probability and correlation from which one hypothesis is believed without looking at the others.
_CERTAIN, _UNRIVALLED = 0.95, 0.95
# Widths, in pixels, of the images that the network looks at, at first and where that did not find the reference, and
# that features are looked for in.
_QUICK, _THOROUGH, _FEATURES = 160, 256, 320
# Hypotheses nearer to each other than this, in widths of the image, come to the same.
_SAME_PLACE = 0.04
# Rivals of a match on a pattern that repeats: a look at each, and a whole alignment of those that look best.
_REPETITION_LEVEL = 1
_LOOK = (Stage(_REPETITION_LEVEL, 1),)
_CLOSEST_RIVALS = 4
# Difference of the evidence, over all of the reference's samples, that makes a rival e times as likely.
_TELLING = 0.02
_LEAST_SHARE = 0.9  # of the likelihood; with less a match is one of several


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
            ReferenceMatcher(network, reference, camera, width) for width in (_QUICK, _THOROUGH)
        )
        self._features = FeatureMatcher(reference, camera, width=_FEATURES)
        self._rivals = Rivals(reference.levels[_REPETITION_LEVEL])

    def find(
        self,
        image: ImagePyramid,
        plane: ScenePlane,
        least_probability: float,
        *,
        thoroughly: bool = True,
    ) -> Match | None:
        """Best match of more than `least_probability`; each way of looking only where those before it failed."""
        found: list[Match] = []
        for hypothesis in self._hypotheses(image, plane, found, thoroughly):
            match = self._aligned(image, plane, hypothesis.current_T_desired, hypothesis.slope)
            if match is None:
                continue
            found = [*found, match]
            if match.probability > _CERTAIN and match.alignment.correlation > _UNRIVALLED:
                break
        if not found:
            return None
        found.sort(key=lambda match: -_weight_of(match))
        best = self._against_rivals(image, plane, found)
        return best if best.probability > least_probability else None

    def _hypotheses(
        self, image: ImagePyramid, plane: ScenePlane, found: list[Match], thoroughly: bool
    ) -> Iterator[PlanePose]:
        yield from self._quick.hypotheses(image, plane)
        hypothesis = self._features.hypothesis(image, plane)
        if hypothesis is not None:
            yield hypothesis
        if thoroughly:
            yield from self._thorough.hypotheses(image, plane)

    def _aligned(
        self, image: ImagePyramid, plane: ScenePlane, pose: Array, slope: Array | None = None
    ) -> Match | None:
        alignment = self._aligner.align(image, pose, plane, ACQUIRE_STAGES, slope=slope)
        return None if alignment is None else judge(alignment)

    def _against_rivals(self, image: ImagePyramid, plane: ScenePlane, found: list[Match]) -> Match:
        """Compare the best match with the others, and with those that the reference's repetitions make."""
        best = found[0]
        rivals = self._distinct(found)
        seen = best.alignment.plane
        looks = [
            self._aligner.align(image, best.alignment.current_T_desired @ motion, seen, _LOOK)
            for motion in self._rivals.motions(seen)
        ]
        promising = sorted((look for look in looks if look is not None), key=lambda look: -look.evidence)
        for look in promising[:_CLOSEST_RIVALS]:
            rival = self._aligned(image, seen, look.current_T_desired)
            if rival is not None:
                rivals = self._distinct([*rivals, rival])
        weights = np.array([_weight_of(rival) for rival in rivals])
        likelihoods = np.exp((weights - weights[0]) / _TELLING)
        share = 1.0 / float(likelihoods.sum())
        return rivals[0].among_rivals(share) if share > _LEAST_SHARE else rivals[0].among_rivals(0.0)

    def _distinct(self, matches: list[Match]) -> list[Match]:
        """Return the best match of each place, the best first."""
        kept: list[Match] = []
        for match in sorted(matches, key=lambda match: -_weight_of(match)):
            if not any(self._is_same(known.alignment, match.alignment) for known in kept):
                kept.append(match)
        return kept

    def _is_same(self, first: Alignment, second: Alignment) -> bool:
        shift = first.plane.image_shift(first.current_T_desired, second.current_T_desired, self._camera)
        return shift < _SAME_PLACE * self._camera.width


def _weight_of(match: Match) -> float:
    """Evidence over all of the reference, not only over what is in view."""
    return match.alignment.evidence * match.alignment.visible
