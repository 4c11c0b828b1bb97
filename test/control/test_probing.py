import numpy as np
import pytest

from cnn_vs_ros.control import ProbingLimits, ProbingMotion
from cnn_vs_ros.errors import ParameterError, ProbingError
from cnn_vs_ros.geometry import PoseStatus, RelativePose, se3

START = se3.from_pose_vector([0.5, 0.1, 0.3, 3.0, 0.2, -0.1])
PERIOD = 0.02
ASSUMED = 1.0


class Camera:
    """A camera that follows its twists, over a scene at `depth` from the reference, where it starts."""

    def __init__(self, depth=0.25, limits=ProbingLimits(), started=10.0):  # noqa: B008
        self.pose, self.depth, self.now = START, depth, started
        self.twists, self.travelled = [], []
        self.motion = ProbingMotion(START, ASSUMED, limits, started)

    def estimate(self):
        transform = se3.inverse(START) @ self.pose
        transform[:3, 3] *= ASSUMED / self.depth
        return RelativePose(transform, np.eye(6) * 1e-8)

    def step(self, status=PoseStatus.TRACKED, obeys=True, push=np.zeros(6)):  # noqa: B008
        self.now += PERIOD
        estimate = self.estimate()
        self.motion.add_estimate(RelativePose(estimate.transform, estimate.covariance, 1.0, status), self.now)
        twist = self.motion.update(self.now, self.pose)
        self.pose = self.pose @ se3.exp(PERIOD * (twist * obeys + push))
        self.twists.append(twist)
        self.travelled.append(se3.inverse(START) @ self.pose)

    def run(self, seconds=60.0, until=lambda motion: motion.finished, **how):
        end = self.now + seconds
        while not until(self.motion):
            assert self.now < end
            self.step(**how)


def test_goes_round_a_triangle_and_comes_back():
    camera = Camera(depth=10.0)
    camera.run()
    places = [se3.inverse(START) @ place.base_T_camera for place in camera.motion.places]
    assert [len(place.poses) for place in camera.motion.places] == [10, 10, 10, 10]
    np.testing.assert_allclose(
        [np.linalg.norm(place[:3, 3]) for place in places], [0, 0.04, 0.04, 0.04], atol=1.5e-3
    )
    assert np.linalg.matrix_rank([place[:2, 3] for place in places], tol=0.01) == 2
    assert np.linalg.norm((se3.inverse(START) @ camera.pose)[:3, 3]) < 1.5e-3


def test_is_bounded_in_speed_and_acceleration_and_never_turns_nor_approaches():
    camera = Camera(depth=10.0)
    camera.run()
    twists = np.array(camera.twists)
    assert np.linalg.norm(twists[:, :3], axis=1).max() <= 0.03 + 1e-12
    assert np.linalg.norm(np.diff(twists[:, :3], axis=0), axis=1).max() <= 0.15 * PERIOD + 1e-12
    assert np.abs(twists[:, 3:]).max() < 1e-6
    assert max(pose[2, 3] for pose in camera.travelled) < 1e-6


def test_a_near_scene_is_probed_by_smaller_motions():
    camera = Camera(depth=0.08)
    camera.run()
    reached = max(np.linalg.norm(pose[:3, 3]) for pose in camera.travelled)
    assert 0.12 * 0.08 <= reached < 0.2 * 0.08


def test_estimates_are_those_taken_at_rest():
    camera = Camera()
    camera.run()
    for place in camera.motion.places:
        for pose in place.poses:
            expected = se3.inverse(START) @ place.base_T_camera
            np.testing.assert_allclose(pose.transform[:3, 3] * camera.depth, expected[:3, 3], atol=1e-6)


def moving(**how):
    camera = Camera(**how)
    camera.run(until=lambda motion: len(motion.places) == 1)
    for _ in range(10):
        camera.step()
    assert camera.twists[-1].any()
    return camera


@pytest.mark.parametrize(
    ('how', 'sentence'),
    [
        ({'status': PoseStatus.LOST}, 'should be in view but was not found for 1 s'),
        ({'obeys': False}, 'does it follow the twists'),
        ({'push': np.array([0, 0, -0.05, 0, 0, 0])}, 'does something else move the arm'),
    ],
)
def test_trouble_ends_it_with_a_sentence(how, sentence):
    camera = moving()
    with pytest.raises(ProbingError, match=sentence):
        camera.run(**how)


def test_an_arm_that_drifts_at_rest_is_refused():
    camera = Camera()
    with pytest.raises(ProbingError, match='should rest at zero velocity'):
        camera.run(push=np.array([0.004, 0, 0, 0, 0, 0]))


def test_a_clock_that_goes_backwards_ends_it():
    camera = moving()
    camera.now -= 5.0
    with pytest.raises(ProbingError, match='clock'):
        camera.step()


def test_limits_have_to_be_positive():
    with pytest.raises(ParameterError, match='distance should be positive'):
        ProbingLimits(distance=0.0)
