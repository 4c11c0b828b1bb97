"""A match against its rivals: the other places that look like the reference, found or made by its own repetitions.

A pattern that repeats fits again one period on, or a quarter turn round. What a match is believed by is how much
better it fits than they do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cnn_vs_ros.estimation.coarse.rivals import Rivals
from cnn_vs_ros.estimation.fine.alignment import ACQUIRE_STAGES, Alignment, PhotometricAlignment, Stage
from cnn_vs_ros.estimation.fine.attached import MOSTLY, may_be_attached
from cnn_vs_ros.estimation.fine.confidence import BELIEVED, Match, judge
from cnn_vs_ros.estimation.plane import ScenePlane
from cnn_vs_ros.estimation.pyramid import ImagePyramid
from cnn_vs_ros.geometry import PinholeCamera

_FINER_STAGES = ACQUIRE_STAGES[1:]
# Hypotheses nearer to each other than this, in widths of the image, come to the same.
_SAME_PLACE = 0.04
# Rivals of a match on a pattern that repeats: a look at each, and a whole alignment of so many that look best.
_REPETITION_LEVEL = 1
_LOOK = Stage(_REPETITION_LEVEL, 2)
_CLOSEST_RIVALS = 6
# Rounds of looking from the best so far, until one stands out: a wrong match shows the plane turned wrongly.
_ROUNDS = 4
# Difference of the evidence, over all of the reference's samples, that makes a rival e times as likely.
_TELLING = 0.01
# The same in units of the evidence: of circles in a grid and boards seen from 200 places (evidence of 1 to 2) the
# right and the turned match differed by up to 0.03, as residuals so small hang on how well an alignment settled.
_SCATTER = 0.015
_CLOSE = 0.15  # difference, in units of the evidence, under which both are aligned on
_COMPARABLE = 0.3  # share of the best match's view that a rival has to show
# Share of the best match's evidence that a look has to have for the reference to count as one that repeats itself:
# of boards 0.4 and more have been seen, at a wrong match 0.8; of a whiteboard and a painted wall 0.04 to 0.13.
_ALIKE = 0.2
# And the evidence itself: of tiles and boards, half of them changed or covered, 0.04 and more; where little of
# another scene is left, which has 0.02, a rim that looks like itself once turned has as much.
_LEAST_ALIKE = 0.03
_LEAST_SHARE = 0.95  # of the likelihood; with less a match is one of several
# A rival of this share of a match's weight that leaves so much less of the view unexplained is no worse than it.
_AS_GOOD, _EXPLAINS_MORE = 0.5, 0.1
# Share of a plane's likelihood with less of which the other one that a view leaves open is not tried.
_UNLIKELY = 0.05


def finer_match(
    aligner: PhotometricAlignment, image: ImagePyramid, plane: ScenePlane, start: Alignment
) -> Match | None:
    """Go on with an alignment on the finer levels, believing `plane`; None where that comes to nothing."""
    alignment = aligner.align(image, start.current_T_desired, plane, _FINER_STAGES, slope=start.plane.slope)
    return None if alignment is None else judge(alignment)


class Contest:
    """Compares what was found of one reference."""

    def __init__(self, aligner: PhotometricAlignment, reference: ImagePyramid, camera: PinholeCamera) -> None:
        self._aligner = aligner
        self._camera = camera.undistorted
        self._rivals = Rivals(reference.levels[_REPETITION_LEVEL])

    def winner(self, image: ImagePyramid, plane: ScenePlane, found: list[Match]) -> Match:
        """Return the best of the matches that were `found`, and that the reference's repetitions make.

        It is as probable as its share of their likelihood allows, and not at all where it shows no more than what
        moves with the camera would. The `plane` is what is believed of it.
        """
        winner = self.among_rivals(image, plane, found)
        return winner.among_rivals(0.0) if may_be_attached(winner.alignment, self._camera) else winner

    def among_rivals(self, image: ImagePyramid, plane: ScenePlane, found: list[Match]) -> Match:
        """Return the same by what the rivals alone say."""
        rivals = self._distinct(found)
        repeats = False
        best: Match | None = None
        for _ in range(_ROUNDS):
            if rivals[0] is not best:
                best = rivals[0]
                looks = self._repeated(image, best.alignment, plane)
                repeats |= _any_comparable(looks, best.alignment)
            rivals = self._with(image, rivals, looks[:_CLOSEST_RIVALS])
            looks = looks[_CLOSEST_RIVALS:]
            if rivals[0] is best and (not looks or _share_of_first(rivals) > _LEAST_SHARE):
                break
        rivals = self._distinct([*self._close_ones_settled(image, rivals), *rivals])
        first = rivals[0].alignment
        if best is not None and not self.is_same(best.alignment, first):  # it has rivals of its own
            looks = self._repeated(image, first, plane)
            repeats |= _any_comparable(looks, first)
            rivals = self._with(image, rivals, looks[:_CLOSEST_RIVALS])
        if not repeats:
            rivals = _without_coincidences(rivals)
        share = _share_of_first(rivals) if self.is_same(rivals[0].alignment, first) else 0.0
        winner = rivals[0].alignment
        # Shifted by a period a pattern fits but for its border.
        is_part = repeats and winner.unoccluded <= MOSTLY
        told = share > _LEAST_SHARE and not is_part
        return rivals[0].among_rivals(share if told else 0.0)

    def is_same(self, first: Alignment, second: Alignment) -> bool:
        """Whether two alignments are of the same place."""
        shift = first.plane.image_shift(first.current_T_desired, second.current_T_desired, self._camera)
        return shift < _SAME_PLACE * self._camera.width

    def _with(self, image: ImagePyramid, rivals: list[Match], looks: list[Alignment]) -> list[Match]:
        """Return the rivals and those that some looks, aligned, come to."""
        aligned = [self._matched(image, look) for look in looks]
        return self._distinct([*rivals, *(match for match in aligned if match is not None)])

    def _repeated(self, image: ImagePyramid, best: Alignment, plane: ScenePlane) -> list[Alignment]:
        """Look at where a match may be as well, after motions of the plane onto itself; the most like it first.

        What fits best has its turn beside what, in part behind something, fits most: either may be right.
        """
        for shown in self._planes(best, plane):
            motions = self._rivals.motions(shown.plane)
            if motions:
                break
        looks = list(self._aligner.looks(image, shown, motions, _LOOK))
        first = np.minimum(_ranks([look.evidence for look in looks]), _ranks([weight_of(look) for look in looks]))
        order = np.lexsort((first, [not _is_comparable(look, best) for look in looks]))
        return [looks[index] for index in order]

    def _matched(self, image: ImagePyramid, start: Alignment) -> Match | None:
        """Align a rival, whose plane is believed to be as a first look at it shows: a wrong match turns it."""
        look = self._aligner.align(image, start.current_T_desired, start.plane, (_LOOK,))
        return None if look is None else finer_match(self._aligner, image, look.plane, look)

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

    def _close_ones_settled(self, image: ImagePyramid, rivals: list[Match]) -> list[Match]:
        """Align on those that are close to the best: one that has not settled yet may be the better one."""
        best = rivals[0].alignment
        leads = [_lead(best, rival.alignment) for rival in rivals]
        close = [index for index in np.argsort(leads, kind='stable') if leads[index] < _CLOSE * best.evidence]
        if len(close) == 1:
            return []
        return [self._realigned(image, rivals[index]) for index in close[:_CLOSEST_RIVALS]]

    def _realigned(self, image: ImagePyramid, match: Match) -> Match:
        again = finer_match(self._aligner, image, match.alignment.plane, match.alignment)
        if again is None or weight_of(again.alignment) < weight_of(match.alignment):
            return match
        return again.raised(match.raised_by)

    def _distinct(self, matches: list[Match]) -> list[Match]:
        """Return the best match of each place, the best first."""
        kept: list[Match] = []
        for match in sorted(matches, key=lambda match: -weight_of(match.alignment)):
            if not any(self.is_same(known.alignment, match.alignment) for known in kept):
                kept.append(match)
        return kept


def _ranks(values: Sequence[float]) -> np.ndarray:
    """Rank of each value, 0 for the greatest."""
    return np.argsort(np.argsort(-np.array(values), kind='stable'))


def _without_coincidences(rivals: list[Match]) -> list[Match]:
    """Return, of a reference that does not repeat itself, what outdoes a first match that is one by itself."""
    first = rivals[0]
    if first.probability <= BELIEVED:
        return rivals
    return [first, *(rival for rival in rivals[1:] if rival.probability > BELIEVED)]


def _share_of_first(rivals: list[Match]) -> float:
    """Share of the likelihood that the first of some matches has: many that are none by themselves hold little."""
    first = rivals[0]
    telling = max(_TELLING, _SCATTER * first.alignment.evidence)
    leads = np.array([_lead(first.alignment, rival.alignment) for rival in rivals])
    likelihoods = np.array([rival.probability for rival in rivals]) * np.exp(-leads / telling)
    return float(likelihoods[0] / likelihoods.sum())


def _lead(first: Alignment, other: Alignment) -> float:
    """By how much the evidence speaks for the `first` of two alignments.

    On a pattern that goes on, the one that shows more of the reference is not better for it: what lies in the part
    that both show has to tell them apart. Nor is one that fits better where it fits but leaves more of the view
    unexplained.
    """
    lead = weight_of(first) - weight_of(other)
    explains_more = other.unoccluded > first.unoccluded + _EXPLAINS_MORE
    if explains_more and weight_of(other) > _AS_GOOD * weight_of(first):
        return min(lead, 0.0)
    if not _is_comparable(other, first):
        return lead
    return min(lead, first.evidence - other.evidence)


def _is_comparable(other: Alignment, best: Alignment) -> bool:
    """Whether a rival shows enough of the reference to say which of both it is."""
    return other.visible >= _COMPARABLE * best.visible


def _any_comparable(looks: Sequence[Alignment], best: Alignment) -> bool:
    """Whether a reference repeats itself by more than a corner, or a shade, that happens to look like another."""
    least = max(_LEAST_ALIKE, _ALIKE * best.evidence)
    return any(_is_comparable(look, best) and look.evidence > least for look in looks)


def weight_of(alignment: Alignment) -> float:
    """Evidence over all of the reference, not only over what is in view."""
    return alignment.evidence * alignment.visible
