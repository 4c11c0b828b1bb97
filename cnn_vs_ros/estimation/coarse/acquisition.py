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
from dataclasses import replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.estimation.coarse.feature_matcher import FeatureMatcher
from cnn_vs_ros.estimation.coarse.matcher import MatcherNetwork, ReferenceMatcher, ViewMatches
from cnn_vs_ros.estimation.coarse.plane_pose import PlanePose
from cnn_vs_ros.estimation.coarse.rivals import Rivals
from cnn_vs_ros.estimation.fine.alignment import ACQUIRE_STAGES, Alignment, PhotometricAlignment, Stage
from cnn_vs_ros.estimation.fine.confidence import DOUBTFUL, Match, judge
from cnn_vs_ros.estimation.plane import ScenePlane
from cnn_vs_ros.estimation.pyramid import ImagePyramid
from cnn_vs_ros.geometry import PinholeCamera

Array = NDArray[np.float64]

# Probability from which one hypothesis is believed without looking at the others.
_CERTAIN = 0.9
# Widths, in pixels, of the images that the network looks at, at first and where that did not find the reference,
# and that features are looked for in.
_QUICK, _THOROUGH, _FEATURES = 160, 256, 320
_AFAR, _NEAR = 2.0, 0.4  # enlargement of an image that shows the reference small, or a part of it large
WAYS = 4
"""Ways of looking where the first look finds nothing: at more details, by features, from afar, from near."""
_HYPOTHESES = 2
# Score of an image's matches with the best copy, as it is or enlarged, under which nothing is made of them; nor is
# the image shrunk, for a view from near. Of 65 looks that led to the reference (thirteen scenes, from a third of
# the distance to four times it) none had less than 4.1, nor had 20 right views of faint scenes from near less than
# 3.2; of 130 looks at images without the reference 89 had less than this. Shrunk, right ones have down to 1.4.
_LEAST_SCORE = 3.0
# Of 292 right hypotheses of the network, on all that `fit-confidence` draws, one had less support than 10; of the
# wrong ones three in four. Of 333 right ones none had evidence of less than 0.05 after the first look; of wrong
# ones, two in three.
_LEAST_SUPPORT = 7.0
# With so much support a pose is verified as it is: of 103 on eleven scenes all passed.
_AMPLE_SUPPORT = 20.0
_FINER_STAGES = ACQUIRE_STAGES[1:]
_FIRST_LOOKS = ((Stage(0, 8),), 0.015), ((Stage(1, 4),), 0.05)
_MOST_REPEATS, _BETTER = 3, 1.15  # an alignment is repeated while its evidence grows by so much
# Hypotheses nearer to each other than this, in widths of the image, come to the same.
_SAME_PLACE = 0.04
# Rivals of a match on a pattern that repeats: a look at each, and a whole alignment of those that look best.
_REPETITION_LEVEL = 1
_LOOK = Stage(_REPETITION_LEVEL, 2)
_CLOSEST_RIVALS = 6
# Rivals aligned in each round of looking, from the best so far, until one stands out: a wrong match shows the
# plane turned wrongly.
_ROUNDS = 4
# Difference of the evidence, over all of the reference's samples, that makes a rival e times as likely.
_TELLING = 0.01
_SCATTER = 0.015  # the same in units of the evidence: where it is high, little of a misalignment costs much
_CLOSE = 0.15  # lead, in units of the evidence
_COMPARABLE = 0.4  # share of the best match's view that a rival has to show
_LEAST_SHARE = 0.9  # of the likelihood; with less a match is one of several
# A rival of this share of a match's weight that leaves so much less of the view unexplained is no worse than it.
_AS_GOOD, _EXPLAINS_MORE = 0.5, 0.1
# Share of a plane's likelihood with less of which the other one that a view leaves open is not tried.
_UNLIKELY = 0.05
# Share that has to be seen of a pattern, which fits but for its border if it is shifted by a period, and of
# anything near the reference pose, where a gripper fits alone.
_MOSTLY = 0.65
_AT_REFERENCE = 0.06  # widths of the image


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
        self._quick.describe_all()
        self._features = FeatureMatcher(reference, camera, _FEATURES)
        self._rivals = Rivals(reference.levels[_REPETITION_LEVEL])

    def find(
        self, image: ImagePyramid, plane: ScenePlane, least_probability: float, way: int | None = None
    ) -> Match | None:
        """Best match of more than `least_probability`; each way of looking only where those before it failed.

        All WAYS take a few times as long as the one, by its number, that the next image of a stream is given.
        """
        found: list[Match] = []
        for hypothesis in self._hypotheses(image, plane, way, found):
            match = self._verified(image, plane, hypothesis)
            if match is not None:
                found.append(match)
                if match.probability > _CERTAIN:
                    break
        if not found:
            return None
        best = self._against_rivals(image, plane, found)
        return best if best.probability > least_probability else None

    def _hypotheses(
        self, image: ImagePyramid, plane: ScenePlane, way: int | None, found: Sequence[Match]
    ) -> Iterator[PlanePose]:
        matches = _promising(self._quick.matches(image))
        yield from self._quick.hypotheses(matches, plane, _LEAST_SUPPORT, _AMPLE_SUPPORT)
        if way in (None, 1):
            hypothesis = self._features.hypothesis(image, plane)
            if hypothesis is not None:
                yield hypothesis
        if way in (None, 0):
            yield from self._details(image, plane, matches)
        if not found and way in (None, 2):
            afar = _promising(self._quick.matches(image, zoom=_AFAR))
            yield from self._quick.hypotheses(afar, plane, _LEAST_SUPPORT)
        if matches and not found and way in (None, 3):
            near = self._quick.matches(image, zoom=_NEAR)
            yield from self._details(image, plane, near[:_HYPOTHESES], _NEAR)

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
            if look is None or look.evidence < least_evidence:
                continue
            match = self._settled(image, plane, self._aligned(image, plane, look))
            if match is not None and (best is None or _weight_of(match.alignment) > _weight_of(best.alignment)):
                best = match
            if best is not None and best.probability > _CERTAIN:
                break
        return best

    def _aligned(self, image: ImagePyramid, plane: ScenePlane, start: Alignment) -> Match | None:
        """Go on with an alignment on the finer levels, believing `plane`."""
        pose, slope = start.current_T_desired, start.plane.slope
        alignment = self._aligner.align(image, pose, plane, _FINER_STAGES, slope=slope)
        return None if alignment is None else judge(alignment)

    def _against_rivals(self, image: ImagePyramid, plane: ScenePlane, found: list[Match]) -> Match:
        """Compare the best match with the others, and with those that the reference's repetitions make."""
        rivals = self._distinct(found)
        share, repeats = 1.0, False
        looked_from: Match | None = None
        starts: list[Alignment] = []
        for _ in range(_ROUNDS):
            best = rivals[0]
            if best is not looked_from:
                looked_from, starts = best, self._repeated(image, best.alignment, plane)
                repeats |= bool(starts)
            aligned = [self._looked_at(image, start) for start in starts[:_CLOSEST_RIVALS]]
            starts = starts[_CLOSEST_RIVALS:]
            rivals = self._distinct([*rivals, *(match for match in aligned if match is not None)])
            share = _share_of_first(rivals)
            if not aligned or (rivals[0] is best and share > _LEAST_SHARE):
                break
        best = rivals[0].alignment
        close = [rival for rival in rivals if _lead(best, rival.alignment) < _CLOSE * best.evidence]
        if len(close) > 1:  # an alignment that has not settled yet may be the better one
            close.sort(key=lambda rival: _lead(best, rival.alignment))
            settled = [self._realigned(image, rival) for rival in close[:_CLOSEST_RIVALS]]
            rivals = self._distinct([*settled, *(rival for rival in rivals if not any(rival is each for each in close[:_CLOSEST_RIVALS]))])
            share = _share_of_first(rivals)
        needs_most = repeats or self._is_at_reference(rivals[0].alignment)
        told = share > _LEAST_SHARE and (not needs_most or rivals[0].alignment.unoccluded > _MOSTLY)
        return rivals[0].among_rivals(share if told else 0.0)

    def _repeated(self, image: ImagePyramid, best: Alignment, plane: ScenePlane) -> list[Alignment]:
        """Return where a match may be as well after motions of the plane onto itself, what may be the better one first."""
        for shown in self._planes(best, plane):
            motions = self._rivals.motions(shown.plane)
            if motions:
                break
        looks = self._aligner.looks(image, shown, motions, _LOOK)
        return sorted(looks, key=lambda look: _lead(best, look))

    def _looked_at(self, image: ImagePyramid, start: Alignment) -> Match | None:
        """Align a rival, of whose plane is believed what a look shows of it: a wrong match shows it turned wrongly."""
        look = self._aligner.align(image, start.current_T_desired, start.plane, (_LOOK,))
        return None if look is None else self._aligned(image, look.plane, look)

    def _planes(self, alignment: Alignment, believed: ScenePlane) -> list[Alignment]:
        """Return the view over each of the planes that it leaves open, the likelier first.

        Seen askew no pattern repeats, or another one does.
        """
        plane = alignment.plane
        twin = plane.twin(alignment.current_T_desired, self._camera)
        if twin is None:
            return [alignment]
        pose, slope = twin
        other = replace(alignment, current_T_desired=pose, plane=plane.at(slope))
        odds = believed.likelihood(slope) / believed.likelihood(plane.slope)
        if odds < _UNLIKELY:
            return [alignment]
        return [alignment, other] if odds < 1.0 else [other, alignment]

    def _is_at_reference(self, alignment: Alignment) -> bool:
        """Whether things that move with the camera would fit as well."""
        shift = alignment.plane.image_shift(alignment.current_T_desired, np.eye(4), self._camera)
        return shift < _AT_REFERENCE * self._camera.width

    def _settled(self, image: ImagePyramid, plane: ScenePlane, match: Match | None) -> Match | None:
        """Align on, as long as that makes an uncertain match clearly better."""
        for _ in range(_MOST_REPEATS):
            if match is None or not DOUBTFUL < match.probability < _CERTAIN:
                break
            again = self._aligned(image, plane, match.alignment)
            if again is None or again.alignment.evidence < _BETTER * match.alignment.evidence:
                break
            match = again
        return match

    def _realigned(self, image: ImagePyramid, match: Match) -> Match:
        again = self._aligned(image, match.alignment.plane, match.alignment)
        return match if again is None or _weight_of(again.alignment) < _weight_of(match.alignment) else again

    def _distinct(self, matches: list[Match]) -> list[Match]:
        """Return the best match of each place, the best first."""
        kept: list[Match] = []
        for match in sorted(matches, key=lambda match: -_weight_of(match.alignment)):
            if not any(self._is_same(known.alignment, match.alignment) for known in kept):
                kept.append(match)
        return kept

    def _is_same(self, first: Alignment, second: Alignment) -> bool:
        shift = first.plane.image_shift(first.current_T_desired, second.current_T_desired, self._camera)
        return shift < _SAME_PLACE * self._camera.width


def _promising(matches: Sequence[ViewMatches]) -> Sequence[ViewMatches]:
    """Return those of the first matches with which to go on."""
    return matches[:_HYPOTHESES] if matches and matches[0].score > _LEAST_SCORE else ()


def _share_of_first(rivals: list[Match]) -> float:
    """Share of the likelihood that the first of some matches has."""
    first = rivals[0]
    telling = max(_TELLING, _SCATTER * first.alignment.evidence)
    leads = np.array([_lead(first.alignment, rival.alignment) for rival in rivals[1:]])
    return 1.0 / (1.0 + float(np.exp(-leads / telling).sum()))


def _lead(first: Alignment, other: Alignment) -> float:
    """By how much the evidence speaks for the `first` of two alignments.

    On a pattern that goes on, the one that shows more of the reference is not better for it: what lies in the part
    that both show has to tell them apart. Nor is one that fits better where it fits but leaves more of the view
    unexplained.
    """
    lead = _weight_of(first) - _weight_of(other)
    explains_more = other.unoccluded > first.unoccluded + _EXPLAINS_MORE
    if explains_more and _weight_of(other) > _AS_GOOD * _weight_of(first):
        return min(lead, 0.0)
    if other.visible < _COMPARABLE * first.visible:
        return lead
    return min(lead, first.evidence - other.evidence)


def _weight_of(alignment: Alignment) -> float:
    """Evidence over all of the reference, not only over what is in view."""
    return alignment.evidence * alignment.visible
