"""What is believed of several places that look alike, told by alignments whose evidence is given."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from cnn_vs_ros.estimation.coarse import contest
from cnn_vs_ros.estimation.coarse.acquisition import Acquisition
from cnn_vs_ros.estimation.coarse.matcher import MatcherNetwork
from cnn_vs_ros.estimation.coarse.plane_pose import PlanePose
from cnn_vs_ros.estimation.coarse.rivals import repetitions
from cnn_vs_ros.estimation.fine.alignment import Alignment, PhotometricAlignment
from cnn_vs_ros.estimation.fine.confidence import BELIEVED, Match
from cnn_vs_ros.estimation.model_file import load_model
from cnn_vs_ros.estimation.plane import ScenePlane
from cnn_vs_ros.estimation.pyramid import ImagePyramid
from cnn_vs_ros.geometry import se3
from test.alignments import alignment
from test.scenes import CAMERA, DEPTH, drawn_texture, slope_of, tilted, view

PLANE = ScenePlane(DEPTH)
HERE = se3.from_pose_vector([0.01, -0.02, 0.01, 0.1, 0.05, 0.3])
THERE = se3.from_pose_vector([0.05, 0.02, 0.0, 0.05, 0.0, 2.0])
LEAST = 0.15
CORNERS = np.array([[0, 0, 1], [CAMERA.width, 0, 1], [CAMERA.width, CAMERA.height, 1], [0, CAMERA.height, 1]])
PROBABILITY = 0.8  # of each alignment by itself: not certain, so that all hypotheses are looked at
SECONDED = 80 / 81  # the same where it was proposed: its odds are twenty times as great


class Aligner:
    """Aligns to where it starts, with what `tells` says of that place."""

    def __init__(self, tells: Callable[[np.ndarray], dict[str, float]]) -> None:
        self._tells = tells

    def align(self, image, start, plane, stages, *, slope=None) -> Alignment:
        return alignment(start, plane, **self._tells(start))

    def looks(self, image, place, motions, stage) -> list[Alignment]:
        return [self.align(image, place.current_T_desired @ motion, place.plane, ()) for motion in motions]


@pytest.fixture(scope='module')
def network():
    return MatcherNetwork(load_model('scene_agnostic'))


@pytest.fixture(scope='module')
def reference():
    return ImagePyramid(view(drawn_texture(), np.eye(4), seed=1), CAMERA)


def is_near(pose: np.ndarray, place: np.ndarray) -> bool:
    return bool(np.abs(pose - place).max() < 5e-3)


def found(network, reference, monkeypatch, places, tells):
    """What is found in an image that some hypotheses are made of, each of the evidence that is told."""
    monkeypatch.setattr(contest, 'judge', lambda alignment: Match(alignment, PROBABILITY, PROBABILITY))
    monkeypatch.setattr(
        Acquisition, '_hypotheses', lambda *_: iter([PlanePose(place, np.zeros(2), 50.0) for place in places])
    )
    return Acquisition(network, Aligner(tells), reference, CAMERA).find(reference, PLANE, LEAST)


@pytest.mark.parametrize('order', [(HERE, THERE), (THERE, HERE)])
def test_of_two_places_with_nearly_equal_evidence_none_is_believed(network, reference, monkeypatch, order):
    def tells(pose):
        return {'evidence': 1.0 if is_near(pose, HERE) else 0.996}

    assert found(network, reference, monkeypatch, order, tells) is None


@pytest.mark.parametrize('order', [(HERE, THERE), (THERE, HERE)])
def test_a_clear_lead_is_believed_whichever_comes_first(network, reference, monkeypatch, order):
    def tells(pose):
        return {'evidence': 1.0 if is_near(pose, HERE) else 0.9}

    match = found(network, reference, monkeypatch, order, tells)
    np.testing.assert_allclose(match.alignment.current_T_desired, HERE)
    assert match.probability == pytest.approx(SECONDED, rel=0.01)


@pytest.mark.parametrize(
    ('evidence', 'lead', 'believed'), [(1.6, 0.04, False), (0.4, 0.04, True), (1.6, 0.2, True)]
)
def test_a_lead_counts_by_the_evidence_that_it_is_a_part_of(
    network, reference, monkeypatch, evidence, lead, believed
):
    """Where nearly all is explained, the rest hangs on how well each alignment settled."""

    def tells(pose):
        return {'evidence': evidence if is_near(pose, HERE) else evidence - lead}

    assert (found(network, reference, monkeypatch, (HERE, THERE), tells) is not None) == believed


def test_before_a_match_is_believed_a_close_rival_is_aligned_on(network, reference, monkeypatch):
    """Of two places that look alike one took longer to settle."""
    tries = iter([0.9] * 2 + [1.0] * 100)

    def tells(pose):
        return {'evidence': 1.0 if is_near(pose, HERE) else next(tries)}

    assert found(network, reference, monkeypatch, (HERE, THERE), tells) is None


def test_what_seconded_a_match_still_does_once_it_has_settled(network, reference, monkeypatch):
    """Beside a close rival both are aligned on, and judged anew."""
    monkeypatch.setattr(contest, 'judge', lambda found: Match(found, 0.3, 0.2))
    acquisition = Acquisition(network, Aligner(lambda pose: {'evidence': 1.0}), reference, CAMERA)
    matches = [Match(alignment(place, PLANE, evidence=1.0), 0.3, 0.2) for place in (HERE, THERE)]
    winner = acquisition._contest.among_rivals(reference, PLANE, [matches[0].raised(200.0), matches[1]])
    assert winner.alignment.current_T_desired == pytest.approx(HERE)
    assert winner.raised_by == 200.0


@pytest.mark.parametrize(('rival', 'believed'), [(0.5, True), (0.7, False)])
def test_a_place_that_is_no_match_by_itself_does_not_outweigh_one_that_is(
    network, reference, monkeypatch, rival, believed
):
    """The reference does not repeat itself: what little of it fits elsewhere as well is a coincidence."""

    def judge(found):
        return Match(found, 0.5 if is_near(found.current_T_desired, HERE) else rival, 0.2)

    def tells(pose):
        return {'evidence': 0.02 if is_near(pose, HERE) else 0.018}

    monkeypatch.setattr(contest, 'judge', judge)
    matches = [judge(alignment(place, PLANE, **tells(place))) for place in (HERE, THERE)]
    acquisition = Acquisition(network, Aligner(tells), reference, CAMERA)
    winner = acquisition._contest.among_rivals(reference, PLANE, [matches[0].raised(6.0), matches[1]])
    assert (winner.probability > BELIEVED) == believed


def test_hypotheses_of_one_place_are_no_rivals(network, reference, monkeypatch):
    beside = se3.from_pose_vector([1e-3, 0, 0, 0, 0, 0]) @ HERE
    match = found(network, reference, monkeypatch, (HERE, beside), lambda pose: {})
    assert match is not None
    assert match.probability == pytest.approx(SECONDED)


def test_showing_more_of_the_reference_is_no_lead_over_an_equal_of_comparable_view(
    network, reference, monkeypatch
):
    def tells(pose):
        return {'visible': 0.95 if is_near(pose, HERE) else share}

    share = 0.5
    assert found(network, reference, monkeypatch, (HERE, THERE), tells) is None
    share = 0.25
    assert found(network, reference, monkeypatch, (HERE, THERE), tells) is not None


@pytest.fixture(scope='module')
def tiles():
    """Return a reference of tiles, as a floor has them."""
    texture = np.tile(drawn_texture(width=130, height=130), (10, 13))
    return ImagePyramid(view(texture, np.eye(4), seed=1), CAMERA)


@pytest.mark.parametrize(('lead', 'believed'), [(0.004, False), (0.15, True)])
def test_a_match_on_tiles_is_compared_with_those_a_tile_away(network, tiles, monkeypatch, lead, believed):
    """Of them there is no hypothesis."""

    def tells(pose):
        return {'evidence': 1.5 if is_near(pose, HERE) else 1.5 - lead}

    match = found(network, tiles, monkeypatch, (HERE,), tells)
    assert (match is not None) == believed


def test_a_match_on_tiles_that_comes_out_on_top_when_aligned_on_has_rivals_of_its_own(network, tiles, monkeypatch):
    """It settles late, and so does what is a tile away from it."""
    while_found, times = 6, 0

    def tells(pose):
        nonlocal times
        times += is_near(pose, THERE)
        if is_near(pose, HERE):
            return {'evidence': 1.0}
        return {'evidence': (1.5 if times > while_found else 0.95) if is_near(pose, THERE) else late()}

    def late():
        return 1.499 if times > while_found else 0.2

    assert found(network, tiles, monkeypatch, (HERE, THERE), tells) is None
    assert times > while_found


def test_on_tiles_a_match_has_to_show_more_than_a_part_of_what_fits(network, tiles, reference, monkeypatch):
    """Shifted by a period, a pattern fits but for its border."""

    def tells(pose):
        return {'evidence': 1.5 if is_near(pose, HERE) else 1.0, 'unoccluded': 0.6}

    assert found(network, tiles, monkeypatch, (HERE,), tells) is None
    assert found(network, reference, monkeypatch, (HERE,), tells) is not None


@pytest.mark.parametrize(('covered', 'believed'), [(0.55, False), (0.3, True)])
def test_on_tiles_a_place_that_fits_less_but_covers_more_is_a_rival(
    network, tiles, monkeypatch, covered, believed
):
    """The right place has something before it; many that show less of the reference are free, and fit better."""
    half_hidden = HERE @ repetitions(tiles.levels[1], PLANE)[-1]

    def tells(pose):
        if is_near(pose, HERE):
            return {'evidence': 1.0, 'visible': 0.5}
        if is_near(pose, half_hidden):
            return {'evidence': covered, 'visible': 1.0}
        return {'evidence': 0.6, 'visible': 0.5}

    assert (found(network, tiles, monkeypatch, (HERE,), tells) is not None) == believed


@pytest.mark.parametrize(('lead', 'outdoes'), [(0.004, False), (0.15, True)])
def test_what_was_followed_before_it_was_believed_has_to_outdo_its_rivals(
    network, tiles, monkeypatch, lead, outdoes
):
    def tells(pose):
        return {'evidence': 1.5 if is_near(pose, HERE) else 1.5 - lead}

    monkeypatch.setattr(contest, 'judge', lambda alignment: Match(alignment, PROBABILITY, PROBABILITY))
    acquisition = Acquisition(network, Aligner(tells), tiles, CAMERA)
    match = Match(alignment(HERE, PLANE, evidence=1.5), PROBABILITY, PROBABILITY)
    assert acquisition.outdoes_rivals(tiles, PLANE, match) == outdoes


def test_a_corner_that_looks_like_another_makes_no_pattern(network, tiles, monkeypatch):
    """What is a tile away shows too little to be a rival, so more than a part may be covered."""

    def tells(pose):
        here = is_near(pose, HERE)
        return {'evidence': 1.5 if here else 1.0, 'unoccluded': 0.6, 'visible': 0.9 if here else share}

    share = 0.2
    assert found(network, tiles, monkeypatch, (HERE,), tells) is not None
    share = 0.5
    assert found(network, tiles, monkeypatch, (HERE,), tells) is None


@pytest.mark.parametrize(('alike', 'believed'), [(0.01, True), (0.5, False)])
def test_a_part_that_fits_is_believed_where_the_reference_hardly_repeats_itself(
    network, tiles, monkeypatch, alike, believed
):
    """Of a whiteboard, with its marks, copies that are shifted or turned have a twentieth of the evidence."""

    def tells(pose):
        return {'evidence': 0.2 if is_near(pose, HERE) else 0.2 * alike, 'unoccluded': 0.6}

    assert (found(network, tiles, monkeypatch, (HERE,), tells) is not None) == believed


@pytest.mark.parametrize(('evidence', 'believed'), [(0.04, True), (0.2, False)])
def test_where_little_of_a_scene_is_left_what_a_copy_has_of_it_makes_no_pattern(
    network, tiles, monkeypatch, evidence, believed
):
    def judge(alignment):
        mine = PROBABILITY if is_near(alignment.current_T_desired, HERE) else 0.01
        return Match(alignment, mine, mine)

    def tells(pose):
        return {'evidence': evidence if is_near(pose, HERE) else 0.5 * evidence, 'unoccluded': 0.6}

    monkeypatch.setattr(contest, 'judge', judge)
    monkeypatch.setattr(Acquisition, '_hypotheses', lambda *_: iter([PlanePose(HERE, np.zeros(2), 50.0)]))
    match = Acquisition(network, Aligner(tells), tiles, CAMERA).find(tiles, PLANE, LEAST)
    assert (match is not None) == believed


@pytest.mark.parametrize(('probability', 'believed'), [(0.03, True), (PROBABILITY, False)])
def test_many_that_are_no_matches_by_themselves_are_no_rivals(network, tiles, monkeypatch, probability, believed):
    """Enlarged, a match of a part of the reference has little evidence over all of it."""

    def judge(alignment):
        mine = PROBABILITY if is_near(alignment.current_T_desired, HERE) else probability
        return Match(alignment, mine, mine)

    def tells(pose):
        return {'evidence': 0.18 if is_near(pose, HERE) else 0.003, 'visible': 0.22}

    monkeypatch.setattr(contest, 'judge', judge)
    monkeypatch.setattr(Acquisition, '_hypotheses', lambda *_: iter([PlanePose(HERE, np.zeros(2), 50.0)]))
    match = Acquisition(network, Aligner(tells), tiles, CAMERA).find(tiles, PLANE, LEAST)
    assert (match is not None) == believed


@pytest.mark.parametrize('strays', [False, True])
def test_what_stays_where_it_was_proposed_is_believed_on_less(network, reference, monkeypatch, strays):
    doubtful = Match(alignment(HERE, PLANE), 0.4, 0.3)
    monkeypatch.setattr(contest, 'judge', lambda found: Match(found, 0.4, 0.3))
    aligner = Aligner(lambda pose: {})
    if strays:
        monkeypatch.setattr(aligner, 'align', lambda *_, **__: alignment(THERE, PLANE))
    monkeypatch.setattr(Acquisition, '_hypotheses', lambda *_: iter([PlanePose(HERE, np.zeros(2), 50.0)]))
    acquisition = Acquisition(network, aligner, reference, CAMERA)
    match = acquisition.find(reference, PLANE, LEAST)
    assert (match.probability > BELIEVED) == (not strays)
    assert match.confidence == doubtful.confidence
    # So it is with one that is followed, by what is proposed for the newest image.
    monkeypatch.setattr(acquisition._quick, 'hypotheses', lambda *_: iter([PlanePose(HERE, np.zeros(2), 50.0)]))
    followed = Match(alignment(THERE if strays else HERE, PLANE), 0.4, 0.3)
    seconded = acquisition.seconded(reference, PLANE, followed)
    assert (seconded.probability > BELIEVED) == (not strays)
    assert seconded.alignment is followed.alignment


def test_a_reference_whose_corner_is_behind_the_camera_is_found(network):
    """Seen from the other side of a plane that the reference looks at steeply."""
    texture, desired, current = drawn_texture(), tilted(55, 1.2), tilted(-20, 1.2)
    current_T_desired = se3.inverse(current) @ desired
    corners = ScenePlane(DEPTH, slope_of(desired)).homography(current_T_desired, CAMERA) @ CORNERS.T
    assert corners[2].min() < 0 < corners[2].max()
    depth = (DEPTH - desired[2, 3]) / desired[2, 2]
    reference = ImagePyramid(view(texture, desired, seed=1), CAMERA)
    acquisition = Acquisition(network, PhotometricAlignment(reference, ScenePlane(depth)), reference, CAMERA)
    match = acquisition.find(ImagePyramid(view(texture, current, seed=2), CAMERA), ScenePlane(depth), LEAST)
    assert match.probability > BELIEVED
    distance, turn = se3.pose_error(match.alignment.current_T_desired @ se3.inverse(current_T_desired))
    assert distance < 0.002
    assert turn < 0.01


@pytest.mark.parametrize(
    ('gripper', 'vector'),
    [(np.s_[:, :200], [0.05, 0.04, 0.02, 0.0, 0.2, 0.3]), (np.s_[330:], [0.0, 0.04, 0.0, 0.0, 0.2, -2.0])],
    ids=['at the left', 'below, half a turn'],
)
def test_a_scene_is_found_behind_a_gripper_that_fits_at_the_reference(network, gripper, vector):
    """A third of the reference and of the image is one and the same; the scene is what else there is."""
    texture, hand = drawn_texture(), drawn_texture(seed=9)[: CAMERA.height, : CAMERA.width]

    def seen(pose, seed):
        image = view(texture, pose, seed=seed)
        image[gripper] = hand[gripper]
        return ImagePyramid(image, CAMERA)

    reference, pose = seen(np.eye(4), 1), se3.from_pose_vector(vector)
    acquisition = Acquisition(network, PhotometricAlignment(reference, PLANE), reference, CAMERA)
    match = acquisition.find(seen(pose, 2), PLANE, LEAST)
    assert match.probability > BELIEVED
    distance, turn = se3.pose_error(match.alignment.current_T_desired @ pose)
    assert distance < 0.002
    assert turn < 0.01
    # A camera that has not moved shows more than the gripper.
    assert is_near(acquisition.find(seen(np.eye(4), 3), PLANE, LEAST).alignment.current_T_desired, np.eye(4))


def test_of_matches_that_no_image_of_the_reference_has_nothing_is_made(network, reference, monkeypatch):
    """Nor is the image looked at any larger: that is what takes the time."""
    acquired = Acquisition(network, Aligner(lambda pose: {}), reference, CAMERA)
    monkeypatch.setattr(acquired._features, 'hypothesis', lambda *_: None)
    assert list(acquired._hypotheses(reference, PLANE, 0, []))
    monkeypatch.setattr(acquired._thorough, 'matches', lambda *_: pytest.fail('looked closer'))
    noise = np.random.default_rng(0).normal(128, 20, (CAMERA.height, CAMERA.width)).clip(0, 255).astype(np.uint8)
    assert not list(acquired._hypotheses(ImagePyramid(noise, CAMERA), PLANE, 0, []))
