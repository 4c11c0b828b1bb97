"""Finding the reference in an image from that image alone: hypotheses of the network and of features, verified.

The network looks at a small image first, which mostly suffices. Where it does not, local features have a try, and
the network at a larger image: a faint texture shows in its details. Where that finds nothing either, it looks at
the image enlarged, for a view from afar, and shrunk, for one from near. It looks closer, and at the shrunk image,
only where something of the reference seems to be there. Photometric alignment judges and refines what they
propose, and what they propose is judged against each other: a pose is believed that stands out from its rivals,
among them those that the reference's own symmetries make.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cnn_vs_ros.estimation.coarse.contest import Contest, finer_match, weight_of
from cnn_vs_ros.estimation.coarse.feature_matcher import FeatureMatcher
from cnn_vs_ros.estimation.coarse.matcher import MatcherNetwork, ReferenceMatcher, ViewMatches
from cnn_vs_ros.estimation.coarse.plane_pose import PlanePose
from cnn_vs_ros.estimation.fine.alignment import Alignment, PhotometricAlignment, Stage
from cnn_vs_ros.estimation.fine.attached import may_be_attached
from cnn_vs_ros.estimation.fine.confidence import BELIEVED, DOUBTFUL, Match, seconding
from cnn_vs_ros.estimation.plane import ScenePlane
from cnn_vs_ros.estimation.pyramid import ImagePyramid
from cnn_vs_ros.geometry import PinholeCamera

# Probability from which one hypothesis is believed without looking at the others.
_CERTAIN = 0.9
WIDTHS = 160, 256
"""In pixels, of the images that the network looks at, at first and where that did not find the reference."""
FEATURES = 400, 1200
"""Width, in pixels, of the images that features are looked for in, and how many at most.

Of 54 first images of scenes of which three fifths have changed 39 are found with these, 32 with 800 in 320 pixels,
37 with 1500 in 448, which take longer; none wrongly.
"""
_AFAR, _NEAR = 2.0, 0.4  # enlargement of an image that shows the reference small, or a part of it large
WAYS = 4
"""Ways of looking where the first look finds nothing: at details, by features, afar, near."""
_HYPOTHESES = 2
# Score of an image's matches with the best copy, as it is or enlarged, under which nothing is made of them; nor is
# the image shrunk, for a view from near. Of 65 looks that led to the reference (thirteen scenes, from a third of
# the distance to four times it) none had less than 4.1, nor had 20 right views of faint scenes from near less than
# 3.2; of 130 looks at images without the reference 89 had less than this.
_LEAST_SCORE = 3.0
# The same of an image shrunk: of 32 that led to the reference none had less than 1.45, of 71 others a third.
_LEAST_NEAR = 1.25
# Of 292 right hypotheses of the network, on all that `fit-confidence` draws, one had less support than 10; of the
# wrong ones three in four. Of 333 right ones none had evidence of less than 0.05 after the first look; of wrong
# ones, two in three.
_LEAST_SUPPORT = 7.0
# With so much support a pose is verified as it is: of 103 on eleven scenes all passed.
_AMPLE_SUPPORT = 20.0
_FIRST_LOOKS = ((Stage(0, 8),), 0.015), ((Stage(1, 4),), 0.05), ((Stage(2, 4),), 0.05)
_BETTER = 1.15  # times the evidence, from which one alignment is better than another of the same place
_MOST_REPEATS = 3  # of an alignment that becomes better


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
        self._quick, self._thorough = (ReferenceMatcher(network, reference, camera, width) for width in WIDTHS)
        self._features = FeatureMatcher(reference, camera, *FEATURES)
        self._contest = Contest(aligner, reference, camera)
        self._camera = camera.undistorted

    def find(
        self, image: ImagePyramid, plane: ScenePlane, least_probability: float, way: int | None = None
    ) -> Match | None:
        """Best match of more than `least_probability`; each way of looking only where those before it failed.

        `way` is the number of the one of WAYS that the next image of a stream is given. None are all of them, for
        an image of which nothing is known, and take a few times as long.
        """
        found: list[Match] = []
        for hypothesis in self._hypotheses(image, plane, way, found):
            match = self._verified(image, plane, hypothesis)
            if match is not None:
                found.append(match.seconded(self._shift(match.alignment, hypothesis)))
                if match.probability > _CERTAIN and not self._may_be_attached(match):
                    break
        if not found:
            return None
        # What moves with the camera fits at the reference, however well something else does elsewhere.
        moved = [match for match in found if match.probability > BELIEVED and not self._may_be_attached(match)]
        best = self._contest.winner(image, plane, moved or found)
        return best if best.probability > least_probability else None

    def outdoes_rivals(self, image: ImagePyramid, plane: ScenePlane, match: Match) -> bool:
        """Whether no other place that the reference's repetitions make fits the image as well as `match`."""
        winner = self._contest.among_rivals(image, plane, [match])
        return winner.probability > DOUBTFUL and self._contest.is_same(winner.alignment, match.alignment)

    def seconded(self, image: ImagePyramid, plane: ScenePlane, match: Match) -> Match:
        """Return a `match` as the network's matches, or those of features where these do not, second it."""
        best = match
        for hypothesis in self._proposed_at_once(image, plane):
            seconded = match.seconded(self._shift(match.alignment, hypothesis))
            best = max(best, seconded, key=lambda one: one.probability)
            if best.probability > BELIEVED:
                break
        return best

    def _proposed_at_once(self, image: ImagePyramid, plane: ScenePlane) -> Iterator[PlanePose]:
        matches = _promising(self._quick.matches(image))
        yield from self._quick.hypotheses(matches, plane, _LEAST_SUPPORT)
        yield from self._by_features(image, plane)

    def _hypotheses(
        self, image: ImagePyramid, plane: ScenePlane, way: int | None, found: Sequence[Match]
    ) -> Iterator[PlanePose]:
        matches = _promising(self._quick.matches(image))
        yield from self._quick.hypotheses(matches, plane, _LEAST_SUPPORT, _AMPLE_SUPPORT)
        if any(self._may_be_attached(match) for match in found):
            matches = _promising(self._quick.matches_of_moved(matches[0]))
            yield from self._quick.hypotheses(matches, plane, _LEAST_SUPPORT, _AMPLE_SUPPORT)
        if way in (None, 1):
            yield from self._by_features(image, plane)
        if way in (None, 0):
            yield from self._details(image, plane, matches)
        if not found and way in (None, 2):
            afar = _promising(self._quick.matches(image, zoom=_AFAR))
            yield from self._quick.hypotheses(afar, plane, _LEAST_SUPPORT)
        if matches and not found and way in (None, 3):
            near = self._quick.matches(image, zoom=_NEAR)
            if near and near[0].score > _LEAST_NEAR:
                yield from self._details(image, plane, near[:_HYPOTHESES], _NEAR)

    def _may_be_attached(self, match: Match) -> bool:
        return may_be_attached(match.alignment, self._camera)

    def _by_features(self, image: ImagePyramid, plane: ScenePlane) -> Iterator[PlanePose]:
        hypothesis = self._features.hypothesis(image, plane)
        if hypothesis is not None:
            yield hypothesis

    def _details(
        self, image: ImagePyramid, plane: ScenePlane, matches: Sequence[ViewMatches], zoom: float = 1.0
    ) -> Iterator[PlanePose]:
        """Look at a larger image for the copies that the smaller one looks most like."""
        if matches:
            larger = self._thorough.matches(image, [each.index for each in matches], zoom)
            yield from self._thorough.hypotheses(larger[:1], plane, _LEAST_SUPPORT, _AMPLE_SUPPORT)

    def _verified(self, image: ImagePyramid, plane: ScenePlane, hypothesis: PlanePose) -> Match | None:
        """Align a hypothesis, if a first look shows anything; without the coarsest level where that is not enough.

        There a pattern finer than its pixels shows as another one, and leads astray.
        """
        best: Match | None = None
        for first_look, least_evidence in _FIRST_LOOKS:
            pose, slope = hypothesis.current_T_desired, hypothesis.slope
            look = self._aligner.align(image, pose, plane, first_look, slope=slope)
            if look is None or look.evidence * seconding(self._shift(look, hypothesis)) < least_evidence:
                continue
            match = self._settled(image, plane, finer_match(self._aligner, image, plane, look))
            if match is None:
                continue
            # Of two that are about as good the first one: on little the finer samples turn the plane anyhow.
            if best is None or weight_of(match.alignment) > _BETTER * weight_of(best.alignment):
                best = match
            if best is not None and best.probability > _CERTAIN:
                break
        return best

    def _shift(self, found: Alignment, hypothesis: PlanePose) -> float:
        """How far from where it was begun an alignment has come, in widths of the image."""
        shift = found.plane.image_shift(found.current_T_desired, hypothesis.current_T_desired, self._camera)
        return shift / self._camera.width

    def _settled(self, image: ImagePyramid, plane: ScenePlane, match: Match | None) -> Match | None:
        """Align on, as long as that makes an uncertain match clearly better."""
        for _ in range(_MOST_REPEATS):
            if match is None or not DOUBTFUL < match.probability < _CERTAIN:
                break
            again = finer_match(self._aligner, image, plane, match.alignment)
            if again is None or again.alignment.evidence < _BETTER * match.alignment.evidence:
                break
            match = again
        return match


def _promising(matches: Sequence[ViewMatches]) -> Sequence[ViewMatches]:
    """Return those of the first matches with which to go on."""
    return matches[:_HYPOTHESES] if matches and matches[0].score > _LEAST_SCORE else ()
