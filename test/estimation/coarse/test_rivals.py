"""References that repeat themselves: where is found out, and a match is told from its rivals or not believed."""

import cv2
import numpy as np
import pytest

from cnn_vs_ros.estimation import PoseEstimator, Reference
from cnn_vs_ros.estimation.coarse import rivals as rivals_module
from cnn_vs_ros.estimation.coarse.rivals import Rivals, repetitions
from cnn_vs_ros.estimation.plane import ScenePlane
from cnn_vs_ros.estimation.pyramid import ImagePyramid
from cnn_vs_ros.geometry import PoseStatus, se3
from test.scenes import CAMERA, DEPTH, PIXELS_PER_METRE, drawn_texture, slope_of, tilted, view

SIDE = 120  # texels of a tile
PERIOD = SIDE / PIXELS_PER_METRE


def floor(wear: float, seed: int = 5) -> np.ndarray:
    """Return a floor (1300, 1700) of equal tiles, four-fold symmetric, told apart by `wear` grey levels."""
    tile = np.full((SIDE, SIDE), 150, np.uint8)
    cv2.circle(tile, (SIDE // 2, SIDE // 2), 38, 80, 7, cv2.LINE_AA)
    cv2.rectangle(tile, (0, 0), (SIDE - 1, SIDE - 1), 60, 3)
    cv2.line(tile, (0, 0), (SIDE - 1, SIDE - 1), 210, 3, cv2.LINE_AA)
    cv2.line(tile, (SIDE - 1, 0), (0, SIDE - 1), 210, 3, cv2.LINE_AA)
    tiles = np.tile(tile, (11, 15))[:1300, :1700].astype(np.float32)
    rng = np.random.default_rng(seed)
    stains = cv2.resize(
        rng.standard_normal((65, 85)).astype(np.float32), (1700, 1300), interpolation=cv2.INTER_CUBIC
    )
    return np.clip(np.rint(tiles + wear * stains), 0, 255).astype(np.uint8)


def found(texture: np.ndarray) -> list[np.ndarray]:
    return repetitions(ImagePyramid(view(texture, np.eye(4), seed=1), CAMERA).levels[1], ScenePlane(DEPTH))


def holds(motions: list[np.ndarray], x: float, y: float, angle: float) -> bool:
    """Whether the motion by (x, y) metres and `angle` degrees is among them, to half a millimetre."""
    wanted = se3.exp(np.array([0, 0, 0, 0, 0, np.deg2rad(angle)]))
    wanted[:2, 3] = x, y
    return any(np.abs(motion - wanted).max() < 5e-4 for motion in motions)


def test_a_floor_repeats_by_its_tiles_and_by_quarter_turns():
    motions = found(floor(wear=10))
    for x, y in ((PERIOD, 0), (-PERIOD, 0), (0, PERIOD), (PERIOD, -PERIOD), (2 * PERIOD, 0)):
        assert holds(motions, x, y, 0)
    assert not holds(motions, 0, 0, 0)
    turned = [motion for motion in motions if abs(motion[0, 0]) < 1e-6]  # by a right angle
    assert turned
    # All of them are a whole number of tiles from one another.
    offsets = np.array(
        [motion[:2, 3] - turned[0][:2, 3] for motion in turned if motion[1, 0] * turned[0][1, 0] > 0]
    )
    assert np.abs(offsets / PERIOD - np.rint(offsets / PERIOD)).max() < 0.02


def test_a_scene_of_many_things_does_not_repeat():
    assert found(drawn_texture()) == []


@pytest.mark.parametrize('slope', [(0.0, 0.0), (0.02, -0.015), (0.04, 0.02)])
def test_the_repetitions_are_those_of_this_very_plane_whatever_was_looked_for_before(slope):
    level = ImagePyramid(view(floor(wear=10), np.eye(4), seed=1), CAMERA).levels[1]
    rivals, plane = Rivals(level), ScenePlane(DEPTH).at(np.array(slope))
    rivals.motions(ScenePlane(DEPTH).at(np.array([0.09, 0.0])))
    exactly = repetitions(level, plane)
    assert exactly
    np.testing.assert_array_equal(rivals.motions(plane), exactly)


def test_whether_a_plane_repeats_is_found_out_once_though_two_are_asked_for_in_turn(monkeypatch):
    """A view leaves two planes open, and each is asked for again."""
    looked_at = []
    monkeypatch.setattr(rivals_module, 'repetitions', lambda level, plane: looked_at.append(plane) or [])
    rivals = Rivals(ImagePyramid(view(drawn_texture(), np.eye(4), seed=1), CAMERA).levels[1])
    for slope in ([0.01, 0.0], [0.4, -0.3], [0.02, 0.01], [0.41, -0.3]):
        assert rivals.motions(ScenePlane(DEPTH).at(np.array(slope))) == []
    assert len(looked_at) == 2


@pytest.fixture(scope='module')
def worn():
    estimator = PoseEstimator.load()
    estimator.set_reference(Reference(view(floor(wear=10), np.eye(4), seed=1), CAMERA, DEPTH))
    return estimator


@pytest.mark.parametrize(
    'vector', [(0.0, 0, 0, 0, 0, 0), (0.045, 0.02, 0.01, 0.1, 0.05, 0.5), (-0.06, 0.03, 0.0, 0.05, -0.1, 1.6)]
)
def test_the_right_tile_is_found_by_its_wear(worn, vector):
    desired_T_current = se3.from_pose_vector(vector)
    worn.reset()
    pose = worn.estimate(view(floor(wear=10), desired_T_current, seed=2))
    assert pose.status is PoseStatus.ACQUIRED
    assert se3.pose_error(se3.inverse(desired_T_current) @ pose.transform)[0] < 3e-3


def test_where_nothing_tells_the_tiles_apart_no_tile_is_believed():
    same = floor(wear=0)
    estimator = PoseEstimator.load()
    estimator.set_reference(Reference(view(same, np.eye(4), seed=1), CAMERA, DEPTH))
    for seed, vector in enumerate([(0.045, 0.02, 0.01, 0.1, 0.05, 0.5), (0.01, 0.0, 0.02, 0, 0.1, 0.1)]):
        assert estimator.estimate(view(same, se3.from_pose_vector(vector), seed=seed)).is_lost
        estimator.reset()


@pytest.mark.parametrize('around', [0.0, 0.7, 2.0])
def test_the_repetitions_of_a_floor_seen_obliquely_are_those_of_its_plane(around):
    """In the image they are no shifts: taken as seen squarely, the floor does not look like itself."""
    desired = tilted(35, around)  # the camera in the floor's frame
    level = ImagePyramid(view(floor(wear=10), desired, seed=1), CAMERA).levels[1]
    known = repetitions(level, ScenePlane(DEPTH).at(slope_of(desired)))
    for x, y in ((PERIOD, 0), (-PERIOD, 0), (0, PERIOD), (PERIOD, -PERIOD), (2 * PERIOD, 0)):
        shift = se3.from_pose_vector([x, y, 0, 0, 0, 0])
        wanted = se3.inverse(desired) @ shift @ desired
        assert min(np.abs(motion - wanted).max() for motion in known) < 5e-4
    assert repetitions(level, ScenePlane(DEPTH)) == []


def board() -> np.ndarray:
    """Return a chessboard (1300, 1700) of 16 x 20 squares on a plain table, larger than the reference shows."""
    squares = np.where(np.indices((16, 20)).sum(axis=0) % 2, 200, 40).astype(np.uint8)
    return cv2.copyMakeBorder(np.kron(squares, np.ones((60, 60), np.uint8)), 170, 170, 250, 250, 0, value=200)


def circles() -> np.ndarray:
    """Return a grid (1300, 1700) of 5 x 7 circles, the same turned by half."""
    grid = np.full((1300, 1700), 200, np.uint8)
    for row, column in np.ndindex(5, 7):
        cv2.circle(grid, (850 + 80 * (column - 3), 650 + 80 * (row - 2)), 27, 40, -1, cv2.LINE_AA)
    return grid


@pytest.mark.parametrize(
    ('texture', 'vectors'),
    [
        # The edge of the board tells where this is, but not in the reference, which shows none.
        (
            board,
            [(-0.0043, -0.0177, -0.011, 0.2805, -0.166, -0.7756), (0.061, 0.0896, -0.0111, 0.167, 0.145, -0.249)],
        ),
        (
            circles,
            [
                (0.0219, 0.0067, 0.0001, -0.0523, 0.1806, -0.0117),
                (-0.0035, -0.0261, 0.006, -0.291, -0.032, -0.748),
            ],
        ),
    ],
)
def test_a_calibration_pattern_is_not_taken_for_itself_a_period_on_or_turned(texture, vectors):
    drawn = cv2.GaussianBlur(texture(), (0, 0), 1.0)
    estimator = PoseEstimator.load()
    estimator.set_reference(Reference(view(drawn, np.eye(4), seed=1), CAMERA, DEPTH))
    for seed, vector in enumerate(vectors):
        desired_T_current = se3.from_pose_vector(vector)
        pose = estimator.estimate(view(drawn, desired_T_current, seed=seed))
        error = se3.pose_error(se3.inverse(desired_T_current) @ pose.transform)
        assert pose.is_lost or error[0] < 5e-3
        estimator.reset()
        estimator.forget_scene()
