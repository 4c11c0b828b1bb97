import time

import numpy as np
import pytest

from cnn_vs_ros.calibration import session as session_module
from cnn_vs_ros.calibration.data import load
from cnn_vs_ros.calibration.motion import MotionLimits
from cnn_vs_ros.calibration.mount import Mount
from cnn_vs_ros.calibration.session import Errand, Rig, Session, measured
from cnn_vs_ros.control import DifferentialIk
from cnn_vs_ros.errors import DescriptionError, HandEyeError
from cnn_vs_ros.estimation import PoseEstimator, Reference
from cnn_vs_ros.geometry import PinholeCamera, se3
from cnn_vs_ros.simulation.description import load_robot_description
from test.scenes import DEPTH, drawn_texture, view

CAMERA = PinholeCamera(320, 240, 300.0, 300.0, 159.5, 119.5)
BRISK = MotionLimits(0.08, 0.3, 0.3, 1.5, 6.0, 15.0, rest=0.05)
MOUNT = se3.from_pose_vector([0.03, -0.02, 0.05, 0.2, -0.1, 1.2])
START = se3.from_pose_vector([0.5, 0.1, 0.3, 3.0, 0.2, -0.1])
PERIOD, IMAGE_PERIOD = 0.02, 0.4
PATIENCE = 600.0  # of the wall, against a session that never ends: a busy computer takes minutes
TEXTURE = drawn_texture()


@pytest.fixture
def cell(monkeypatch, tmp_path):
    """Run an errand in steps of time that wait for the images to be looked at; return its session and result."""
    monkeypatch.setattr(session_module, 'IMAGE_PERIOD', IMAGE_PERIOD)
    opened = []

    def run(errand, believed, limits=BRISK, *, mounted=True, shows=True):
        rig = Rig('tool0', 'camera_optical_frame', np.eye(4), believed)
        reference = Reference(view(TEXTURE, np.eye(4), 0, CAMERA), CAMERA, 0.5)
        session = Session(errand, rig, reference, PoseEstimator.load(), limits, tmp_path / 'out')
        opened.append(session)
        pose, now, next_image, end = START.copy(), 10.0, 10.0, time.monotonic() + PATIENCE
        while session.result is None:
            assert time.monotonic() < end
            while any(not look.done() for look in session._looks):
                time.sleep(0.001)
            if session._motion is None or session._job is not None:
                time.sleep(0.005)  # and let no time go by, by which the images would be others each time
            else:
                now += PERIOD
            session.take_arm(now, pose)
            if now > next_image and shows:
                next_image = now + IMAGE_PERIOD
                seen = se3.inverse(START @ MOUNT) @ pose @ MOUNT if mounted else np.eye(4)
                session.take_image(now, view(TEXTURE, seen, round(1e3 * now), CAMERA), now)
            pose = pose @ se3.exp(PERIOD * session.update(now, lambda: pose))  # noqa: B023
        return session, session.result

    yield run
    for session in opened:
        session.close()


def off(mount):
    distance, angle = se3.pose_error(se3.inverse(MOUNT) @ mount)
    return 1e3 * distance, np.degrees(angle)


def test_a_calibration_needs_no_mount_and_leaves_a_folder_to_compute_from(cell, tmp_path):
    session, result = cell(Errand.CALIBRATE, None)
    assert off(result.solution.mount)[0] < 1.0
    assert off(result.solution.mount)[1] < 0.2
    assert result.solution.depth == pytest.approx(DEPTH, rel=0.01)
    assert 'here is one' in result.sentence
    assert str(tmp_path / 'out') in result.sentence
    recording = load(tmp_path / 'out')
    assert len(recording.images) == len(session._images)
    assert Mount.load(tmp_path / 'out' / 'calibration.yaml').stamp_delay == pytest.approx(0.0, abs=0.01)


def test_a_check_says_that_a_mount_holds_or_that_it_does_not(cell):
    result = cell(Errand.CHECK, MOUNT)[1]
    assert result.holds
    assert 'the calibration holds' in result.sentence
    moved = MOUNT @ se3.from_pose_vector([0.01, 0, 0, 0, 0.1, 0])
    result = cell(Errand.CHECK, moved)[1]
    assert not result.holds
    assert 'the mount is off by' in result.sentence


def test_the_depth_is_measured_with_a_mount_that_is_nearly_right(cell):
    nearly = MOUNT @ se3.from_pose_vector([0.002, 0, 0.001, 0, 0.015, 0])
    _, result = cell(Errand.MEASURE_DEPTH, nearly)
    assert result.solution.depth == pytest.approx(DEPTH, rel=0.01)
    assert result.sentence.startswith('depth 0.2')
    reference = measured(Reference(view(TEXTURE, np.eye(4), 0, CAMERA), CAMERA, 0.5), result.solution)
    assert reference.depth == result.solution.depth
    assert reference.normal_sigma == result.solution.normal_sigma


def test_the_depth_is_refused_with_a_mount_that_is_wrong(cell):
    wrong = MOUNT @ se3.from_pose_vector([0, 0, 0, 0.2, 0, 0])
    with pytest.raises(HandEyeError, match='the mount seems off by'):
        cell(Errand.MEASURE_DEPTH, wrong)


@pytest.mark.parametrize(
    ('how', 'sentence'),
    [
        ({'mounted': False}, 'is the camera on this arm'),
        ({'shows': False}, 'images should come but ceased'),
        ({'limits': MotionLimits(0.08, 0.05, 0.3, 1.5, 6.0, 15.0, rest=0.05)}, 'about two axes or more'),
    ],
)
def test_bad_input_ends_it_with_a_sentence(cell, how, sentence):
    with pytest.raises(HandEyeError, match=sentence):
        cell(Errand.CALIBRATE, None, **how)


def test_a_check_needs_a_mount(cell):
    with pytest.raises(HandEyeError, match='should have the link camera_optical_frame'):
        cell(Errand.CHECK, None)


def test_the_rig_is_that_of_the_description():
    urdf = load_robot_description()
    kinematics = DifferentialIk(urdf, 'camera_optical_frame')
    positions = np.array([-0.24, -1.33, 1.83, -2.07, -1.57, 1.33])
    rig = Rig.of(kinematics, positions, 'tool0', 'camera_optical_frame', 0.01)
    np.testing.assert_allclose(rig.mount, rig.flange_T_tip, atol=1e-12)
    assert Rig.of(kinematics, positions, 'tool0', 'elsewhere', 0.0).mount is None
    with pytest.raises(HandEyeError, match='flange should be one of'):
        Rig.of(kinematics, positions, 'nowhere', 'camera_optical_frame', 0.0)
    with pytest.raises(HandEyeError, match='should be fixed to the flange'):
        Rig.of(kinematics, positions, next(iter(kinematics.link_poses(positions))), 'elsewhere', 0.0)


@pytest.mark.parametrize('camera', ['camera_optical_frame', 'another_camera'])
def test_a_mount_is_put_into_a_description(camera):
    urdf = Mount('tool0', camera, MOUNT).added_to(load_robot_description())
    kinematics = DifferentialIk(urdf, camera)
    links = kinematics.link_poses(np.full(6, 0.3))
    np.testing.assert_allclose(se3.inverse(links['tool0']) @ links[camera], MOUNT, atol=1e-9)
    with pytest.raises(DescriptionError, match='should have the link gripper'):
        Mount('gripper', camera, MOUNT).added_to(urdf)
