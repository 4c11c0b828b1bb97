"""A view of a plane leaves two planes open, each with a pose of its own; the next views tell them apart.

Both explain the first view alike. From elsewhere only the right one does: both are aligned, and the one for which
the evidence is clearly greater is kept.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.estimation.fine.alignment import ACQUIRE_STAGES, Alignment, PhotometricAlignment
from cnn_vs_ros.estimation.plane import ScenePlane
from cnn_vs_ros.estimation.pyramid import ImagePyramid
from cnn_vs_ros.geometry import PinholeCamera

Array = NDArray[np.float64]

KNOWN = 0.03
"""Standard deviation, radians, of a plane that leaves no doubt."""

_GUESSED = 0.2  # radians: of a plane known no better there is but the prior, which is no knowledge
_HALF = 0.5
_CLEAR = 0.97  # share of the likelihood from which a guess is as good as knowledge
_TELLING = 1.3  # a plane with so many times the evidence is the right one
_MOVED = 0.02  # widths of the image by which the view must have moved, or share that is left of the evidence,
_WORSE = 0.8  # before the planes are compared again


@dataclass(frozen=True)
class OtherPlane:
    """The plane that was not taken: its pose ``current_T_desired`` (4, 4), `plane`, and the `view` taken then."""

    current_T_desired: Array
    plane: ScenePlane
    view: Alignment

    def moved(self, current_T_previous: Array) -> OtherPlane:
        """Return the same, seen after a motion (4, 4)."""
        return replace(self, current_T_desired=current_T_previous @ self.current_T_desired)

    def is_due(self, found: Alignment, camera: PinholeCamera) -> bool:
        """Whether an alignment is told apart from the other plane's, as it looks."""
        shift = found.plane.image_shift(found.current_T_desired, self.view.current_T_desired, camera)
        return shift > _MOVED * camera.width or found.evidence < _WORSE * self.view.evidence

    def compare(self, found: Alignment, image: ImagePyramid, aligner: PhotometricAlignment) -> Comparison:
        """Align the other plane as well, and say which of them is right, if that shows."""
        other = aligner.align(image, self.current_T_desired, self.plane, ACQUIRE_STAGES)
        if other is None or found.evidence > _TELLING * other.evidence:
            return Comparison(found, None)
        if other.evidence > _TELLING * found.evidence:
            again = aligner.align(
                image, found.current_T_desired, found.plane, ACQUIRE_STAGES
            )  # a track may not settle
            if again is None or other.evidence > _TELLING * again.evidence:
                return Comparison(other, None)
        return Comparison(found, replace(self, current_T_desired=other.current_T_desired, view=found))


@dataclass(frozen=True)
class Comparison:
    """The alignment that is right or, while an `other` is left, is taken for it."""

    taken: Alignment
    other: OtherPlane | None


def likelier(found: Alignment, belief: ScenePlane, camera: PinholeCamera) -> tuple[Comparison, float]:
    """Of the two planes of a view take the likelier by a belief; and the greatest confidence that it deserves.

    No other is left where there is none, or hardly any doubt.
    """
    twin = found.plane.twin(found.current_T_desired, camera)
    if belief.sigma < KNOWN or twin is None:
        return Comparison(found, None), 1.0
    own, others = (belief.likelihood(slope) for slope in (found.plane.slope, twin[1]))
    rejected = twin
    if others > own:
        rejected = found.current_T_desired, found.plane.slope
        found = replace(found, current_T_desired=twin[0], plane=found.plane.at(twin[1]), refined=None)
    share = max(own, others) / (own + others)
    if share > _CLEAR:
        return Comparison(found, None), share
    other = OtherPlane(rejected[0], belief.at(rejected[1]), found)
    return Comparison(found, other), min(share, _HALF) if belief.sigma > _GUESSED else share
