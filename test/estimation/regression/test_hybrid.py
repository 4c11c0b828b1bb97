import numpy as np
import pytest

from cnn_vs_ros.errors import ModelError, ParameterError
from cnn_vs_ros.estimation import Reference, load_model
from cnn_vs_ros.estimation.regression.hybrid import HybridEstimator, Switch
from cnn_vs_ros.estimation.regression.regressor import RegressorNetwork, RelativeRegressor, regressed_vector
from cnn_vs_ros.geometry import PinholeCamera, PoseStatus, se3
from test.scenes import CAMERA, DEPTH, drawn_texture, view

FAR = se3.from_pose_vector([0.03, -0.02, 0.02, 0.1, -0.12, 0.5])


class Oracle(RegressorNetwork):
    """A regressor that knows the pose it is told, give or take an error."""

    def __init__(self, c0_T_desired=None, error=0.0, seed=0):
        self.name, self.path = 'oracle', 'oracle.onnx'
        self.truth = np.eye(4) if c0_T_desired is None else c0_T_desired
        self.error = error
        self.deviations = np.array([0.02, 0.02, 0.02, 0.3, 0.3, 0.6])
        self.errors = np.full(6, 0.01)
        self.rng = np.random.default_rng(seed)

    def check(self, reference):
        return ''

    def pose(self, image, camera):
        if self.truth is None:
            return None
        noise = self.error * self.rng.normal(size=6) * self.deviations
        return self.truth @ se3.exp(noise)


@pytest.fixture(scope='module')
def texture():
    return drawn_texture()


@pytest.fixture(scope='module')
def reference(texture):
    return Reference(view(texture, np.eye(4), seed=1), CAMERA, DEPTH)


def test_two_inferences_give_the_pose_relative_to_any_desired_image(reference):
    c0_T_desired = se3.from_pose_vector([0.01, -0.01, 0.02, 0.05, 0.1, -0.2])
    network = Oracle(c0_T_desired)
    relative = RelativeRegressor(network, reference)
    network.truth = c0_T_desired @ FAR
    np.testing.assert_allclose(relative.pose(reference.image), FAR, atol=1e-12)


def test_a_desired_image_outside_the_training_is_refused(reference):
    with pytest.raises(ModelError, match='outside its training'):
        RelativeRegressor(Oracle(se3.from_pose_vector([0.5, 0, 0, 0, 0, 0])), reference)


def test_a_desired_image_that_the_network_does_not_know_is_refused(reference):
    network = Oracle()
    network.truth = None
    with pytest.raises(ModelError, match='should know the desired image but does not'):
        RelativeRegressor(network, reference)


class Told:
    """A model that gives an answer, in doubt of it or not."""

    def __init__(self, answer, doubt, metadata):
        self.answer, self.doubt, self.metadata = answer, doubt, metadata

    def run(self, outputs, images):
        told = {'pose': np.array([self.answer]), 'doubt': np.array([self.doubt])}
        return [told[name] for name in outputs]

    def number(self, key):
        return float(self.metadata[key])


@pytest.mark.parametrize(
    ('answer', 'doubt', 'metadata', 'believed'),
    [
        (0.1, -1.4, {'most_doubt': '0.0'}, True),
        (0.1, 0.1, {'most_doubt': '0.0'}, False),
        (0.1, np.nan, {'most_doubt': '0.0'}, False),
        (np.nan, -1.4, {'most_doubt': '0.0'}, False),
        (0.1, 9.0, {}, True),
    ],
)
def test_an_answer_in_doubt_is_none(answer, doubt, metadata, believed):
    found = regressed_vector(Told([answer] * 6, doubt, metadata), np.zeros((1, 1, 8, 8), np.float32))
    assert (found is not None) == believed


def test_the_shipped_pairs_do_not_find_the_reference_where_it_is_not(reference):
    estimator = HybridEstimator.of_model(load_model('scene_agnostic_pairs'))
    estimator.set_reference(reference)
    assert not estimator.estimate(reference.image).is_lost
    estimator.reset()
    for image in (view(drawn_texture(seed=77), np.eye(4), seed=2), np.full_like(reference.image, 3)):
        assert estimator.estimate(image).is_lost


def test_an_answer_outside_the_training_is_lost(reference):
    network = Oracle()
    estimator = HybridEstimator(network)
    estimator.set_reference(reference)
    network.truth = se3.from_pose_vector([0.0, 0.0, 0.6, 0, 0, 0])
    assert estimator.estimate(reference.image).status is PoseStatus.LOST


def test_close_to_the_goal_the_alignment_has_the_word(reference, texture):
    estimator = HybridEstimator(Oracle(error=0.1))
    estimator.set_reference(reference)
    pose = estimator.estimate(view(texture, np.eye(4), seed=4))
    assert estimator.details['photometric'] == 1.0
    assert se3.pose_error(pose.transform)[0] < 1e-4
    assert pose.confidence > 0.9


def test_far_from_the_goal_the_regressor_has_it_and_claims_nothing(reference, texture):
    network = Oracle()
    estimator = HybridEstimator(network)
    estimator.set_reference(reference)
    network.truth = FAR
    pose = estimator.estimate(view(texture, FAR, seed=2))
    assert (pose.status, pose.confidence) == (PoseStatus.ACQUIRED, None)
    np.testing.assert_allclose(pose.transform, FAR, atol=1e-12)
    np.testing.assert_allclose(np.diag(pose.covariance), 1e-4)


def test_without_the_photometric_half_the_regressor_stays(reference, texture):
    estimator = HybridEstimator(Oracle(error=0.05), photometric=False)
    estimator.set_reference(reference)
    for seed in range(3):
        estimator.estimate(view(texture, np.eye(4), seed=seed))
        assert estimator.details['photometric'] == 0.0


def test_a_run_switches_once_and_converges(reference, texture):
    network = Oracle(error=0.15, seed=3)
    estimator = HybridEstimator(network)
    estimator.set_reference(reference)
    pose, modes = FAR, []
    for step in range(40):
        network.truth = pose
        found = estimator.estimate(view(texture, pose, seed=step))
        modes.append(estimator.details['photometric'])
        pose = pose @ se3.exp(0.25 * se3.log(se3.inverse(found.transform)))
    assert modes[0] == 0.0
    assert np.count_nonzero(np.diff(modes)) == 1
    assert se3.pose_error(pose)[0] < 2e-4


def test_noise_about_a_threshold_does_not_make_it_chatter():
    switch, changes = Switch(), 0
    rng = np.random.default_rng(0)
    before = switch.fine
    for _ in range(500):
        distance = 0.4 + 0.08 * rng.standard_normal()  # about enter_distance, far from leave_distance
        if switch.fine or switch.may_enter(distance):
            switch.update(distance, 0.6 + 0.06 * rng.standard_normal())
        changes += switch.fine is not before
        before = switch.fine
    assert changes == 1


def test_after_giving_back_it_rests():
    switch = Switch(rest=4)
    assert switch.may_enter(0.1)
    assert switch.update(0.1, 0.9)
    assert not switch.update(0.1, 0.1)
    assert [switch.may_enter(0.1) for _ in range(5)] == [False] * 4 + [True]


@pytest.mark.parametrize(
    'values',
    [
        {'enter_distance': 0.9},
        {'enter_distance': -0.1},
        {'leave_probability': 0.7},
        {'enter_probability': float('nan')},
        {'rest': -1},
    ],
)
def test_a_switch_without_a_gap_is_refused(values):
    with pytest.raises(ParameterError, match='should be'):
        Switch(**values)


def test_another_camera_is_refused(reference):
    network = Oracle()
    network.size, network.reference_sha256 = (64, 48), reference.sha256
    network._intrinsics = np.array([60.0, 60.0, 31.55, 23.55])
    assert RegressorNetwork.check(network, reference) == ''
    wide = Reference(reference.image, PinholeCamera(640, 480, 400.0, 400.0, 319.5, 239.5), DEPTH)
    with pytest.raises(ModelError, match='train it for this camera'):
        RegressorNetwork.check(network, wide)


def test_another_picture_of_the_scene_is_told(reference, texture):
    network = Oracle()
    network.size, network.reference_sha256 = (64, 48), 'another'
    network._intrinsics = np.array([60.0, 60.0, 31.55, 23.55])
    assert 'another reference image' in RegressorNetwork.check(network, reference)
