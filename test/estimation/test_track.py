"""What a track makes of alignments: where it looks next, which plane it takes, how sure it is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from cnn_vs_ros.estimation import track as track_module
from cnn_vs_ros.estimation.fine.alignment import STEADY_STAGES, TRACK_STAGES, Alignment, Stage
from cnn_vs_ros.estimation.fine.confidence import Match
from cnn_vs_ros.estimation.plane import ScenePlane
from cnn_vs_ros.estimation.pyramid import ImagePyramid
from cnn_vs_ros.estimation.track import Track, TrackBelief
from cnn_vs_ros.geometry import se3
from test.alignments import alignment
from test.scenes import CAMERA, DEPTH

KNOWN = ScenePlane.with_normal(DEPTH, (0, 0, 1))
IMAGE = ImagePyramid(np.zeros((CAMERA.height, CAMERA.width), np.uint8), CAMERA)
BEGIN = se3.inverse(se3.from_pose_vector([0.05, -0.03, 0.02, 0.1, 0.2, 0.4]))


def aside(widths: float) -> np.ndarray:
    """Pose (4, 4) that shows the reference so far from where it shows itself, and from as far away."""
    return se3.from_pose_vector([widths * CAMERA.width / CAMERA.fx * DEPTH, 0, 0, 0, 0, 0])


class Aligner:
    """Finds the poses that it is told to, and remembers where it was asked to begin."""

    reference = IMAGE

    def __init__(self) -> None:
        self.finds: list[Alignment | None] = []
        self.starts: list[np.ndarray] = []
        self.stages: list[Sequence[Stage]] = []

    def leave_out(self, attached):
        """Nothing moves with this camera."""

    def align(self, image, start, plane, stages=()):
        self.starts.append(start)
        self.stages.append(stages)
        return self.finds[len(self.starts) - 1]


def begun(plane: ScenePlane = KNOWN) -> tuple[Track, Aligner]:
    aligner = Aligner()
    track = Track(aligner, plane, CAMERA)
    track.begin(Match(alignment(BEGIN, plane), 0.98, 0.95), IMAGE)
    return track, aligner


def test_without_a_known_motion_the_camera_is_taken_to_keep_its_velocity():
    track, aligner = begun()
    step = se3.exp(np.array([0.004, -0.002, 0.001, 0.01, 0.02, -0.03]))
    aligner.finds = [alignment(step @ BEGIN), alignment(step @ step @ BEGIN), None]
    for _ in aligner.finds:
        track.follow(IMAGE, None)
    np.testing.assert_allclose(aligner.starts[0], BEGIN, atol=1e-12)
    np.testing.assert_allclose(aligner.starts[1], step @ step @ BEGIN, atol=1e-12)
    np.testing.assert_allclose(aligner.starts[2], step @ step @ step @ BEGIN, atol=1e-12)


def test_a_known_motion_is_where_it_looks_whatever_the_velocity():
    track, aligner = begun()
    step = se3.exp(np.array([0.004, -0.002, 0.001, 0.01, 0.02, -0.03]))
    motion = se3.from_pose_vector([0.01, 0.02, -0.01, -0.1, 0.05, 0.2])
    aligner.finds = [alignment(step @ BEGIN), None]
    track.follow(IMAGE, None)
    track.follow(IMAGE, motion)
    # `motion` is the pose of this image's camera in the frame of the one before.
    desired_T_current = se3.inverse(step @ BEGIN) @ motion
    np.testing.assert_allclose(se3.inverse(aligner.starts[1]), desired_T_current, atol=1e-12)


def test_an_image_that_shows_nothing_leaves_no_velocity():
    track, aligner = begun()
    step = se3.exp(np.array([0.004, 0, 0, 0, 0, 0]))
    aligner.finds = [alignment(step @ BEGIN), None, None]
    for _ in aligner.finds:
        track.follow(IMAGE, None)
    np.testing.assert_allclose(aligner.starts[2], aligner.starts[1], atol=1e-12)


@pytest.mark.parametrize(
    ('found', 'stages'),
    [
        (alignment(BEGIN), STEADY_STAGES),
        (alignment(se3.exp(np.array([0.004, 0, 0, 0, 0, 0])) @ BEGIN), TRACK_STAGES),
        (alignment(BEGIN, unoccluded=0.5), STEADY_STAGES),
        (None, TRACK_STAGES),
    ],
    ids=['as expected', '9 pixels off', 'covered', 'nothing'],
)
def test_the_coarsest_level_is_left_out_after_an_image_as_expected_and_then_alone(found, stages):
    track, aligner = begun()
    aligner.finds = [found, None]
    for _ in aligner.finds:
        track.follow(IMAGE, np.eye(4))
    assert aligner.stages == [STEADY_STAGES, stages]


def test_of_a_camera_whose_motion_is_not_known_yet_the_coarsest_level_is_needed():
    track, aligner = begun()
    aligner.finds = [None]
    track.follow(IMAGE, None)
    assert aligner.stages == [TRACK_STAGES]


def test_there_is_nothing_to_follow_before_a_match_nor_after_it_was_forgotten():
    track = Track(Aligner(), KNOWN, CAMERA)
    assert track.follow(IMAGE, None) is None
    track, _ = begun()
    assert track.is_reported
    assert track.probability > 0.9
    track.forget()
    assert track.follow(IMAGE, None) is None
    assert not track.is_reported
    assert track.probability == 0.0


TRUE_SLOPE = np.array([0.6, -0.3])
SEEN_FROM = se3.inverse(se3.from_pose_vector([0.05, -0.03, -0.1, 0.1, 0.25, 0.3]))
SHOWN = ScenePlane(DEPTH).at(TRUE_SLOPE)


def twin_of(plane: ScenePlane) -> tuple[np.ndarray, np.ndarray]:
    twin = plane.twin(SEEN_FROM, CAMERA)
    assert twin is not None
    return twin


def test_the_twin_of_a_plane_shows_the_view_at_the_same_places_from_another_pose():
    pose, slope = twin_of(SHOWN)
    assert np.abs(slope - TRUE_SLOPE).max() > 0.2
    assert se3.pose_error(pose @ se3.inverse(SEEN_FROM))[1] > np.deg2rad(5)
    own, other = SHOWN.homography(SEEN_FROM, CAMERA), SHOWN.at(slope).homography(pose, CAMERA)
    np.testing.assert_allclose(other / other[2, 2], own / own[2, 2], rtol=1e-6, atol=1e-6)
    back = SHOWN.at(slope).twin(pose, CAMERA)
    assert back is not None
    np.testing.assert_allclose(back[0], SEEN_FROM, atol=1e-6)
    np.testing.assert_allclose(back[1], TRUE_SLOPE, atol=1e-6)


def test_a_view_that_shows_no_parallax_has_no_twin():
    turned = se3.from_pose_vector([0, 0, 0, 0.2, -0.1, 0.5])
    assert SHOWN.twin(turned, CAMERA) is None


@pytest.mark.parametrize('sigma', [0.04, 0.1])
def test_of_two_planes_the_one_whose_normal_is_known_is_taken(sigma):
    """Whichever of them the alignment has settled at."""
    pose, slope = twin_of(SHOWN)
    known = ScenePlane.with_normal(DEPTH, (*TRUE_SLOPE, 1.0), sigma)
    for shown in ((SEEN_FROM, TRUE_SLOPE), (pose, slope)):
        track = Track(Aligner(), known, CAMERA)
        begun = track.begin(Match(alignment(shown[0], known.at(shown[1])), 0.98, 0.95), IMAGE)
        np.testing.assert_allclose(begun.alignment.current_T_desired, SEEN_FROM, atol=1e-6)
        np.testing.assert_allclose(begun.alignment.plane.slope, TRUE_SLOPE, atol=1e-6)
        np.testing.assert_allclose(track.seen_plane.slope, TRUE_SLOPE, atol=1e-6)
        assert begun.confidence > 0.8


def test_where_both_planes_are_as_likely_it_is_no_surer_than_half():
    _, slope = twin_of(SHOWN)
    between = ScenePlane(DEPTH, 0.5 * (TRUE_SLOPE + slope))
    track = Track(Aligner(), between, CAMERA)
    begun = track.begin(Match(alignment(SEEN_FROM, between.at(TRUE_SLOPE)), 0.98, 0.95), IMAGE)
    assert begun.confidence == pytest.approx(0.5, abs=1e-6)
    assert begun.probability == 0.98  # the reference is seen, from one of two places


@pytest.mark.parametrize(('sigma', 'most'), [(0.17, 1.0), (0.3, 0.5)])
def test_the_confidence_is_no_greater_than_the_share_of_the_plane_that_is_taken(sigma, most):
    """Nor than a half where that is only guessed."""
    pose, slope = twin_of(SHOWN)
    nearer = ScenePlane(DEPTH, 0.6 * TRUE_SLOPE + 0.4 * slope, np.eye(2) / sigma**2)
    own, other = nearer.likelihood(TRUE_SLOPE), nearer.likelihood(slope)
    assert own > other
    for shown in ((SEEN_FROM, TRUE_SLOPE), (pose, slope)):
        begun = Track(Aligner(), nearer, CAMERA).begin(
            Match(alignment(shown[0], nearer.at(shown[1])), 0.98, 0.95), IMAGE
        )
        assert begun.confidence == pytest.approx(min(own / (own + other), most), abs=1e-6)


def test_of_two_planes_the_next_view_shows_which_one_is_right():
    """The likelier one is taken at first; where the other one has clearly more evidence it takes its place."""
    pose, slope = twin_of(SHOWN)
    believed = ScenePlane(DEPTH, 0.4 * TRUE_SLOPE + 0.6 * slope)
    motion = se3.from_pose_vector([0.03, 0.0, 0.01, 0.0, -0.1, 0.05])
    moved = se3.inverse(motion) @ SEEN_FROM
    for evidence, right in ((1.0, TRUE_SLOPE), (0.3, slope)):
        aligner = Aligner()
        track = Track(aligner, believed, CAMERA)
        begun = track.begin(Match(alignment(SEEN_FROM, believed.at(TRUE_SLOPE)), 0.98, 0.95), IMAGE)
        np.testing.assert_allclose(begun.alignment.plane.slope, slope, atol=1e-6)
        aligner.finds = [
            alignment(se3.inverse(motion) @ pose, believed.at(slope), evidence=0.5),
            alignment(moved, believed.at(TRUE_SLOPE), evidence=evidence),
            alignment(se3.inverse(motion) @ pose, believed.at(slope), evidence=0.6),  # settled
        ]
        match = track.follow(IMAGE, motion)
        assert match is not None
        np.testing.assert_allclose(aligner.starts[1], moved, atol=1e-6)
        np.testing.assert_allclose(match.alignment.plane.slope, right, atol=1e-6)
        np.testing.assert_allclose(track.plane.slope, right, atol=1e-6)


def test_a_plane_that_is_known_leaves_no_doubt():
    sure = ScenePlane.with_normal(DEPTH, (*TRUE_SLOPE, 1.0))
    match = Match(alignment(SEEN_FROM, sure), 0.98, 0.95)
    assert Track(Aligner(), sure, CAMERA).begin(match, IMAGE) == match


def test_a_track_that_turns_twice_as_far_as_the_camera_is_no_scene_until_one_turns_as_it_does():
    sent = se3.from_pose_vector([0.0, 0.0, 0.0, 0.02, 0.01, 0.0])
    track, aligner = begun()
    for factor, last in ((2.0, False), (1.0, True)):
        aligner.finds, aligner.starts = [], []
        pose = BEGIN
        for _ in range(12):
            pose = se3.exp(-factor * se3.log(sent)) @ pose
            aligner.finds.append(alignment(pose, KNOWN))
        reported = [track.follow(IMAGE, sent) is not None for _ in aligner.finds]
        assert reported[-1] == last
        assert reported[0] != last  # neither is seen at the first image
        track.begin(Match(alignment(BEGIN, KNOWN), 0.98, 0.95), IMAGE)
        assert track.is_reported == last
    track.know(KNOWN)
    assert track.is_reported


@pytest.mark.parametrize(('off', 'proved'), [(0.0, True), (0.1, False)], ids=['same place', 'another place'])
def test_a_track_that_is_begun_anew_where_it_is_goes_on_proving_itself(off, proved):
    """While it is not reported the reference is looked for in every image, and mostly found where the track is."""
    sent = se3.from_pose_vector([0.0, 0.0, 0.0, 0.02, 0.01, 0.0])
    track, aligner = begun()
    aligner.finds = [alignment(se3.exp(-2.0 * count * se3.log(sent)) @ BEGIN) for count in range(1, 13)]
    for _ in range(12):
        track.follow(IMAGE, sent)
    assert not track.is_reported
    track.begin(Match(alignment(BEGIN, KNOWN), 0.98, 0.95), IMAGE)
    for count in range(1, 13):
        pose = se3.exp(-count * se3.log(sent)) @ BEGIN
        aligner.finds, aligner.starts = [alignment(pose)], []
        track.follow(IMAGE, sent)
        track.begin(Match(alignment(pose @ aside(off), KNOWN), 0.98, 0.95), IMAGE)
    assert track.is_reported == proved


def test_a_track_that_leads_to_a_plane_edge_on_is_forgotten_with_what_it_taught():
    given = ScenePlane.with_normal(DEPTH, (0, 0, 1))
    for slope, forgotten in ((4.1, True), (2.0, False)):
        track, aligner = begun(given)
        aligner.finds = [alignment(BEGIN, given.at(np.array([slope, 0.0]))), None]
        track.follow(IMAGE, np.eye(4))
        assert track.plane.slope[0] == slope
        track.follow(IMAGE, np.eye(4))
        assert (track.plane is given) == (track.probability == 0.0) == forgotten
        track.begin(Match(alignment(BEGIN, given), 0.98, 0.95), IMAGE)
        assert track.is_reported


def test_a_track_that_turned_otherwise_is_reported_again_in_time_though_the_camera_stands():
    sent, still = se3.from_pose_vector([0.0, 0.0, 0.0, 0.02, 0.01, 0.0]), np.eye(4)
    track, aligner = begun()
    poses = [se3.exp(-2.0 * count * se3.log(sent)) @ BEGIN for count in range(1, 13)]
    aligner.finds = [alignment(pose, KNOWN) for pose in poses]
    for _ in poses:
        track.follow(IMAGE, sent)
    track.begin(Match(alignment(BEGIN, KNOWN), 0.98, 0.95), IMAGE)
    aligner.finds = [alignment(BEGIN, KNOWN)] * 800
    reported = [track.follow(IMAGE, still) is not None for _ in range(400)]
    assert not any(reported[:200])
    assert all(reported[300:])


def test_only_what_is_nearly_certain_teaches_of_the_plane():
    for probability, taught in ((0.98, True), (0.85, False)):
        track = Track(Aligner(), KNOWN, CAMERA)
        seen = KNOWN.at(np.array([0.02, 0.0]))
        track.begin(Match(alignment(BEGIN, seen), probability, 0.8), IMAGE)
        assert track.seen_plane is seen
        assert (track.plane.slope[0] == 0.02) == taught
        track.forget()
        assert track.seen_plane is track.plane


@pytest.mark.parametrize(
    ('begins', 'unoccluded', 'probability', 'teaches'),
    [
        (BEGIN, 0.5, 0.7, True),
        (aside(0.1), 0.8, 0.7, True),
        (BEGIN, 0.5, 0.5, False),
        (aside(0.1), 0.5, 0.7, False),
    ],
    ids=['from afar', 'most of it', 'not believed', 'a part, from beside'],
)
def test_what_is_the_scene_teaches_of_what_moves_with_the_camera(
    begins, unoccluded, probability, teaches, monkeypatch
):
    """Behind a gripper few images are nearly certain, and at the goal it is too late."""
    taught = []
    monkeypatch.setattr(track_module.AttachedParts, 'update', lambda *seen: taught.append(seen))
    track = Track(Aligner(), KNOWN, CAMERA)
    track.begin(Match(alignment(begins, KNOWN, unoccluded=unoccluded), probability, 0.8), IMAGE)
    assert bool(taught) == teaches


def test_a_covered_scene_is_followed_where_it_agrees_with_the_motion_and_only_there(monkeypatch):
    """A few such images end a track that was believed, but not where it is found as the motion says."""
    motion = se3.from_pose_vector([0.004, 0.0, 0.0, 0.0, 0.0, 0.0])
    for sigma, probability, reported, held in (
        (0.0, 0.12, True, True),
        (0.0, 0.03, False, True),
        (0.01, 0.03, False, False),
    ):
        monkeypatch.setattr(
            track_module, 'judge', lambda found, probability=probability: Match(found, probability, probability)
        )
        track, aligner = begun()
        pose = BEGIN
        for _ in range(6):
            pose = se3.inverse(motion) @ pose
            aligner.finds.append(alignment(se3.exp(np.array([0, 0, 0, sigma, 0, 0])) @ pose, KNOWN))
        answers = [track.follow(IMAGE, motion) is not None for _ in aligner.finds]
        assert answers == [reported] * 6
        assert (track.probability > 0.5) == held


def test_a_track_that_was_lost_is_found_again_where_the_motion_says_and_only_there(monkeypatch):
    sent = se3.from_pose_vector([0.02, 0.0, -0.05, 0.0, 0.1, 0.0])
    monkeypatch.setattr(track_module, 'judge', lambda found: Match(found, 0.9, 0.9))
    aside = se3.from_pose_vector([0.003, 0.0, 0.0, 0.0, 0.0, 0.0])
    for off, again in ((np.eye(4), True), (aside, False)):
        track, aligner = begun()
        place = se3.inverse(sent) @ BEGIN
        nothing = [None] * 20
        aligner.finds = [alignment(BEGIN, KNOWN), *nothing, alignment(off @ place, KNOWN)]
        motions = [np.eye(4)] * 20 + [sent, np.eye(4)]
        answers = [track.follow(IMAGE, motion) for motion in motions]
        np.testing.assert_allclose(aligner.starts[-1], place, atol=1e-12)
        assert (answers[-1] is not None) == again
        assert track.is_reported == again


@pytest.mark.parametrize(
    ('begins', 'shows', 'reported'),
    [(0.1, 0.5, False), (0.1, 0.8, True), (0.3, 0.5, True)],
    ids=['a part, from beside', 'most of it', 'a part, from afar'],
)
def test_what_comes_to_the_reference_and_shows_no_more_than_a_gripper_is_not_reported(begins, shows, reported):
    """A gripper that moves with the camera draws every pose near the reference to it."""
    aligner = Aligner()
    track = Track(aligner, KNOWN, CAMERA)
    track.begin(Match(alignment(aside(begins), KNOWN, unoccluded=shows), 0.98, 0.95), IMAGE)
    assert track.is_reported
    at_reference = [alignment(aside(0.01), unoccluded=share) for share in (0.45, 0.45, 0.7, 0.45)]
    aligner.finds = at_reference
    seen = [track.follow(IMAGE, None) is not None for _ in aligner.finds]
    assert seen == [reported, reported, True, True]
    track.begin(Match(alignment(aside(0.1), KNOWN, unoccluded=0.5), 0.98, 0.95), IMAGE)
    aligner.finds = [*at_reference, at_reference[0]]
    assert track.follow(IMAGE, None) is None


@pytest.mark.parametrize('images', [1, 6])
@pytest.mark.parametrize(('off', 'reported'), [(0.0, True), (0.002, True), (0.02, False)])
def test_what_moves_as_the_camera_is_sent_is_more_than_a_gripper(off, reported, images):
    """From beside the reference, a part of it is enough where it is seen to follow the motion, however slow."""
    aligner = Aligner()
    track = Track(aligner, KNOWN, CAMERA)
    track.begin(Match(alignment(aside(0.1), KNOWN, unoccluded=0.5), 0.98, 0.95), IMAGE)
    moved = [(0.03 + off) * (k + 1) / images for k in range(images)]
    aligner.finds = [alignment(aside(0.1 - each), unoccluded=0.5) for each in moved]
    for _ in moved:
        track.follow(IMAGE, aside(0.03 / images))  # a pose that shows the reference so far on
    aligner.finds.append(alignment(aside(0.01), unoccluded=0.5))
    assert (track.follow(IMAGE, None) is not None) == reported


@pytest.mark.parametrize(('other_look', 'reported'), [(0.7, True), (0.25, False)])
def test_a_track_in_doubt_is_kept_by_what_another_look_says(monkeypatch, other_look, reported):
    """Of a scene that has changed so much is seen that each image by itself speaks a little against it."""
    track, aligner = begun()
    monkeypatch.setattr(track_module, 'judge', lambda found: Match(found, 0.25, 0.1))
    assert not track.is_in_doubt
    for _ in range(60):
        aligner.finds.append(alignment(BEGIN, unoccluded=0.5))
        match = track.follow(IMAGE, np.eye(4))
        if match is not None and track.is_in_doubt:
            track.confirm(Match(match.alignment, other_look, 0.1))
    assert track.is_reported == reported
    track.forget()
    track.confirm(Match(alignment(BEGIN), 0.9, 0.9))
    assert track.probability == 0.0
    assert not track.is_in_doubt


def test_what_was_never_followed_or_is_to_be_forgotten_is_not_remembered():
    track, aligner = begun()
    aligner.finds = [None] * 20
    for _ in aligner.finds:
        track.follow(IMAGE, np.eye(4))
    starts = len(aligner.starts)
    assert track.follow(IMAGE, np.eye(4)) is None
    assert len(aligner.starts) == starts
    track, aligner = begun()
    aligner.finds = [alignment(BEGIN, KNOWN)]
    track.follow(IMAGE, np.eye(4))
    track.forget()
    assert track.follow(IMAGE, np.eye(4)) is None
    assert len(aligner.starts) == 1


def test_while_a_view_leaves_two_planes_open_no_turn_speaks_against_a_track():
    sent = se3.from_pose_vector([0.0, 0.0, 0.0, 0.02, 0.01, 0.0])
    pose, slope = twin_of(SHOWN)
    between = ScenePlane(DEPTH, 0.5 * (TRUE_SLOPE + slope))
    for other_evidence, refuted in ((0.5, False), (0.1, True)):
        aligner = Aligner()
        track = Track(aligner, between, CAMERA)
        track.begin(Match(alignment(SEEN_FROM, between.at(TRUE_SLOPE)), 0.98, 0.95), IMAGE)
        for count in range(1, 13):
            moved = se3.exp(-2.0 * count * se3.log(sent))
            own = alignment(moved @ SEEN_FROM, between.at(TRUE_SLOPE), evidence=0.5)
            other = alignment(moved @ pose, between.at(slope), evidence=other_evidence)
            aligner.finds = [own, *([other] if track._other is not None else [])]
            aligner.starts = []
            track.follow(IMAGE, sent)
        assert (track.probability == 0.0) == refuted


def test_one_bad_image_does_not_end_a_long_track():
    belief = TrackBelief(0.9)
    for _ in range(20):
        belief.update(0.99)
    assert belief.update(0.05) > 0.8


def test_bad_images_end_any_track_within_six():
    belief = TrackBelief(1.0)
    for _ in range(1000):
        belief.update(1.0)
    assert min(belief.update(0.05) for _ in range(6)) < 0.1


def test_a_doubtful_start_needs_good_images():
    assert TrackBelief(0.5).update(0.1) < 0.4 < 0.6 < TrackBelief(0.5).update(0.9)


@pytest.mark.parametrize('probability', [0.0, 1.0])
def test_certainty_is_never_infinite(probability):
    assert 0 < TrackBelief(probability).update(probability) < 1
