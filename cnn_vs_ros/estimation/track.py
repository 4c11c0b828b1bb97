"""Following the reference from image to image: its pose, whether that is right, what it teaches of the plane.

Evidence is gathered over images, so that neither one bad image ends a track nor one coincidence begins one.
"""

from __future__ import annotations

import logging
import math

import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.estimation.fine.alignment import (
    STEADY_STAGES,
    TRACK_STAGES,
    Alignment,
    PhotometricAlignment,
)
from cnn_vs_ros.estimation.fine.attached import AttachedParts, is_scene, may_be_attached
from cnn_vs_ros.estimation.fine.confidence import BELIEVED, DOUBTFUL, Match, judge
from cnn_vs_ros.estimation.motion_check import MotionCheck
from cnn_vs_ros.estimation.plane import STEEPEST, ScenePlane
from cnn_vs_ros.estimation.pyramid import ImagePyramid
from cnn_vs_ros.estimation.two_planes import OtherPlane, likelier
from cnn_vs_ros.geometry import PinholeCamera, se3

_log = logging.getLogger(__name__)

Array = NDArray[np.float64]

# A track that was believed is reported while its belief is over this, and an image while it alone has the other.
_MIN_TRACK = 0.4
_MIN_IMAGE = 0.25
# An image in which the track is found within so much (widths of the image) of where the camera's motion puts it
# does not contradict a track that was believed, however much is covered: it is reported over the first
# probability, and counts as the second one at least. Of 89 right poses of faint scenes behind occluders with a
# probability under _MIN_IMAGE 95 % were within 1.2 pixels of 640; of 312 strangers in place of the scene two were
# within 1.5, and none had a probability over 0.073.
_AGREES = 0.0025
_MIN_AGREEING, _COVERED = 0.08, 0.2
# Seen so much further on (widths of the image), be it after several images, and within so much of that of where
# the motion says, it moves as a scene does; what moves with the camera stays.
_MOVED, _FOLLOWS = 0.015, 0.2
# After an image in which the track was found so near to where it was expected (widths of the image), and where it
# has just begun and the motion since is known, the coarsest level is left out: only what comes from further needs
# it, and what has changed in the scene draws it away.
_STEADY = 0.005
# A track that is begun where one was, turned by no more than this (rad), goes on with it; over the other one of
# the planes that a view leaves open the camera is elsewhere.
_SAME_TURN = 0.05
# Belief under which other looks at the same image are asked for.
_IN_DOUBT = 0.7
# What is nearly certain teaches of the plane.
_TEACHES = 0.9

# Images for which a track has to prove that it is the scene; not for ever, for while the camera stands none can.
_PROBATION = 300
_LIMIT = 4.0  # log odds: however long it went well, a few bad images end a track
_CORRELATED = 0.5  # successive images share their disturbances: the share of their evidence that counts
_DRIFT = 0.05  # log odds lost with each image, for what the images do not tell
# The match probability that speaks neither for nor against: right tracks of faint scenes, half covered, stay above
# it, wrong ones hardly ever come near it.
_NEUTRAL = 0.3


class Track:
    """The pose of the reference in a stream of images, and the belief about its plane, which outlives it.

    A track that turns otherwise than the camera is turned is no scene: it is forgotten with what it taught, and
    for a while one has to turn as the camera does before it is reported.
    """

    is_undisputed: bool
    """Whether it is known to outdo its rivals; one that grew from less may have slid to a rival."""

    def __init__(self, aligner: PhotometricAlignment, plane: ScenePlane, camera: PinholeCamera) -> None:
        self._aligner = aligner
        self._camera = camera.undistorted
        self._given = plane
        self._check = MotionCheck()
        self.know(plane)
        self.forget()

    def know(self, plane: ScenePlane) -> None:
        """Believe this of the plane, and of nothing that it moves with the camera."""
        self.plane = self.seen_plane = plane
        self._given = plane
        self._on_probation = 0
        self._other: OtherPlane | None = None
        self._is_told, self._most_confidence = False, 1.0  # which of two planes it is
        self._attached = AttachedParts(self._aligner.reference.levels[0])
        self._aligner.leave_out(None)

    def forget(self) -> None:
        """Have no track, and remember none; the plane is kept."""
        self._lose()
        self._remembered: Array | None = None
        self._is_scene = False  # and nothing that moves with the camera

    def _lose(self) -> None:
        """Have no track, and remember where it was."""
        self._pose: Array | None = None
        self._belief: TrackBelief | None = None
        self._motion = np.eye(4)
        self._anchor = self._expected = np.eye(4)  # where it was seen, and where that should be by now
        self._is_steady = self._is_new = self._is_believed = self.is_undisputed = False
        self._other, self._is_told, self._most_confidence = None, False, 1.0
        self.seen_plane = self.plane
        self._check.begin()

    @property
    def is_reported(self) -> bool:
        """Whether the track is believed, and turns as the camera does where that is in doubt."""
        return self._is_believed and not self._on_probation

    @property
    def probability(self) -> float:
        """Probability that the track is right; 0 without one."""
        return 0.0 if self._belief is None else self._belief.probability

    @property
    def is_in_doubt(self) -> bool:
        """Whether a track that is still believed will soon not be."""
        return self._is_believed and self.probability < _IN_DOUBT

    def confirm(self, match: Match) -> None:
        """Take into account what another look at the newest image says of the same match."""
        if self._belief is not None:
            self._belief.update(match.probability)

    def begin(self, match: Match, image: ImagePyramid) -> Match:
        """Begin a track at a match, and return it as what is known of the plane shows it.

        One that is not believed yet has to grow to it over the next images. Where it is the place that was tracked
        the turns seen until now still count.
        """
        self._is_scene = False
        return self._begun(match, image)

    def _begun(self, match: Match, image: ImagePyramid) -> Match:
        self._other, self._is_told = None, False
        before, match = self._pose, self._of_one_plane(match, image)
        if before is None or not self._is_same(match.alignment, before):
            self._check.begin()
        self._pose, self._belief = match.alignment.current_T_desired, TrackBelief(match.probability)
        self._motion = np.eye(4)
        self._is_new = True
        self._anchor = self._expected = self._pose
        self._is_believed = self.is_undisputed = match.probability > BELIEVED
        self._check.add(self._pose)
        self._take(match, image)
        return match

    def follow(self, image: ImagePyramid, motion: Array | None) -> Match | None:
        """Track into `image`. A doubtful or disturbed track is followed without being reported.

        `motion` (4, 4) is the pose of this image's camera in the previous one's; without it the velocity is kept.
        """
        self._check.send(motion)
        self._on_probation = max(0, self._on_probation - 1)
        if self._remembered is not None and motion is not None:
            self._remembered = se3.inverse(motion) @ self._remembered
        if self._pose is None or self._belief is None:
            return self._recalled(image)
        before, self.seen_plane = self._pose, self.plane
        current_T_previous = se3.inverse(self._motion if motion is None else motion)
        start = current_T_previous @ before
        self._expected = current_T_previous @ self._expected
        self._other = None if self._other is None else self._other.moved(current_T_previous)
        steady = self._is_steady or (self._is_new and motion is not None)
        self._is_new = False
        found = self._aligner.align(image, start, self.plane, STEADY_STAGES if steady else TRACK_STAGES)
        if found is None and np.linalg.norm(self.plane.slope) > STEEPEST:
            self._refute('what was followed led to no plane that can be seen', probation=0)
            return None
        match = None if found is None else judge(found)
        shift = math.inf if found is None else self._shift(found, start)
        probability, least = 0.0 if match is None else match.probability, _MIN_IMAGE
        if self._is_believed and shift < _AGREES:
            probability, least = max(probability, _COVERED), _MIN_AGREEING
        belief = self._belief.update(probability)
        self._pose, self._motion, self._is_steady = start, np.eye(4), False
        if belief < DOUBTFUL:
            self._lose()
        if match is None or belief < DOUBTFUL or match.probability <= least:
            return None
        plane, match = self.plane, self._of_one_plane(match, image)
        self._pose = match.alignment.current_T_desired
        if self.plane is plane:
            self._motion = before @ se3.inverse(self._pose)
            self._is_steady = shift < _STEADY
        else:  # what came before was of another plane
            self._anchor = self._expected = self._pose
        if self._is_believed:
            self._is_scene |= self._has_followed(match.alignment, motion)
        self._check.add(self._pose)
        if self._other is None and self._check.contradicts:  # of two planes neither's turns are known
            self._refute('what was followed turned otherwise than the camera was sent')
            return None
        if self._check.proves:
            self._on_probation = 0
        self._is_believed = belief > (_MIN_TRACK if self._is_believed else BELIEVED)
        self._take(match, image)
        if not self.is_reported or (not self._is_scene and may_be_attached(match.alignment, self._camera)):
            return None
        self._remembered = self._pose
        return match

    def _recalled(self, image: ImagePyramid) -> Match | None:
        """Begin again where a track that was lost should be, if it is found just there."""
        if self._remembered is None:
            return None
        found = self._aligner.align(image, self._remembered, self.plane, TRACK_STAGES)
        if found is None or self._shift(found, self._remembered) > _AGREES:
            return None
        match = judge(found)
        if match.probability <= DOUBTFUL:
            return None
        match = self._begun(match, image)
        return match if self.is_reported else None

    def _has_followed(self, found: Alignment, motion: Array | None) -> bool:
        """Whether it has moved, since it was last asked about so much, as the camera was sent."""
        moved = found.plane.image_shift(self._anchor, self._expected, self._camera) / self._camera.width
        if motion is not None and moved <= _MOVED:
            return False
        follows = motion is not None and self._shift(found, self._expected) < _FOLLOWS * moved
        self._anchor = self._expected = found.current_T_desired
        return follows

    def _shift(self, found: Alignment, expected: Array) -> float:
        """How far from where it was expected the track is found, in widths of the image."""
        return found.plane.image_shift(found.current_T_desired, expected, self._camera) / self._camera.width

    def _is_same(self, found: Alignment, before: Array) -> bool:
        """Whether a track that is begun goes on from the pose `before`, over the same plane."""
        turn = se3.pose_error(found.current_T_desired @ se3.inverse(before))[1]
        return self._shift(found, before) < _STEADY and turn < _SAME_TURN

    def _refute(self, reason: str, probation: int = _PROBATION) -> None:
        """Forget the track and what it taught."""
        _log.warning(f'{reason}: the reference counts as lost')
        probation = max(probation, self._on_probation)
        self.know(self._given)
        self.forget()
        self._on_probation = probation

    def _of_one_plane(self, match: Match, image: ImagePyramid) -> Match:
        """Of the two planes that a view leaves open take the better one, and be no surer than it is."""
        found = match.alignment
        if self._is_told:
            return match
        if self._other is None:
            comparison, self._most_confidence = likelier(found, self.plane, self._camera)
            match = match.of(comparison.taken)
        elif not self._other.is_due(found, self._camera):
            return match.no_surer_than(self._most_confidence)
        else:
            comparison = self._other.compare(found, image, self._aligner)
            if comparison.taken is not found:
                self.plane, match = self._other.plane, judge(comparison.taken)
                self._check.begin()
            if comparison.other is None:
                self._most_confidence, self._is_told = 1.0, True
        self._other = comparison.other
        return match.no_surer_than(self._most_confidence)

    def _take(self, match: Match, image: ImagePyramid) -> None:
        """Learn from a match what it shows of the plane, and of what moves with the camera."""
        found = match.alignment
        self._is_scene |= self._is_believed and is_scene(found, self._camera)
        self.seen_plane = found.plane
        if match.probability > _TEACHES:
            self.plane = self.plane.learned(found.plane.slope, found.slope_information)
        if self._is_scene and match.probability > BELIEVED:
            self._attached.update(image.levels[0], found)
            self._aligner.leave_out(self._attached.mask)


class TrackBelief:
    """Log odds that a track follows the reference, updated by each image's match probability."""

    def __init__(self, match_probability: float) -> None:
        """Begin with the match that the track starts from."""
        self._log_odds = min(_logit(match_probability), _LIMIT)

    @property
    def probability(self) -> float:
        """Probability, 0 to 1, that the track is right."""
        return 1.0 / (1.0 + math.exp(-self._log_odds))

    def update(self, match_probability: float) -> float:
        """Take the next image's match probability into account; return the new probability."""
        evidence = _logit(match_probability) - _logit(_NEUTRAL)
        self._log_odds = min(self._log_odds - _DRIFT + _CORRELATED * evidence, _LIMIT)
        return self.probability


def _logit(probability: float) -> float:
    bounded = min(max(probability, 1e-3), 1 - 1e-3)
    return math.log(bounded / (1 - bounded))
