from __future__ import annotations

import cv2
import numpy as np
import pytest

from cnn_vs_ros.benchmark import CAMERA
from cnn_vs_ros.geometry import plane_homography, se3
from cnn_vs_ros.simulation import SCENES, SimulatedRobot, SimulationError, offscreen, starts
from cnn_vs_ros.simulation.noise import NoiseBank

TILTED = se3.from_pose_vector([0.02, -0.015, 0.03, 0.15, -0.2, 0.3])


@pytest.fixture(scope='module')
def robot() -> SimulatedRobot:
    robot = SimulatedRobot('photo', noise=0)
    robot.move_to_reference()
    return robot


def drawn(robot: SimulatedRobot, desired_T_current: np.ndarray) -> np.ndarray:
    """The scene's picture as the camera model and the plane's homography say that it is seen."""
    picture, scale = robot.scene.texture(), robot.scene.pixels_per_metre
    height, width = picture.shape[:2]
    texel_of_reference = np.array(
        [
            [starts.DEPTH * scale / CAMERA.fx, 0, (width - 1) / 2 - CAMERA.cx * starts.DEPTH * scale / CAMERA.fx],
            [0, starts.DEPTH * scale / CAMERA.fy, (height - 1) / 2 - CAMERA.cy * starts.DEPTH * scale / CAMERA.fy],
            [0, 0, 1],
        ]
    )
    homography = plane_homography(se3.inverse(desired_T_current), starts.DEPTH, CAMERA)
    return cv2.warpPerspective(picture, homography @ np.linalg.inv(texel_of_reference), CAMERA.size)


def shift(image: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Least-squares translation (2,), in pixels, between two grey images that differ in brightness too."""
    image, other = image.astype(np.float64), other.astype(np.float64)
    mean = (image + other) / 2
    design = np.stack([*(gradient.ravel() for gradient in np.gradient(mean)), other.ravel(), np.ones(image.size)])
    return np.linalg.lstsq(design.T, (image - other).ravel(), rcond=None)[0][:2]


@pytest.mark.parametrize('desired_T_current', [np.eye(4), TILTED])
def test_the_camera_is_the_pinhole_it_says_it_is(robot, desired_T_current):
    robot.move_camera_to(starts.world_T_reference @ desired_T_current)
    rendered = cv2.cvtColor(robot.render(), cv2.COLOR_BGR2GRAY)
    expected = cv2.cvtColor(drawn(robot, desired_T_current), cv2.COLOR_BGR2GRAY)
    shifts = [
        shift(rendered[row : row + 120, column : column + 160], expected[row : row + 120, column : column + 160])
        for row in range(0, 480, 120)
        for column in range(0, 640, 160)
    ]
    # A principal point off by half a pixel would show as 0.5.
    assert np.abs(np.mean(shifts, axis=0)).max() < 0.005
    assert np.abs(shifts).max() < 0.05


def test_brightness_does_not_depend_on_where_the_camera_is(robot):
    gains = []
    for desired_T_current in (np.eye(4), TILTED):
        robot.move_camera_to(starts.world_T_reference @ desired_T_current)
        rendered, expected = robot.render().astype(float), drawn(robot, desired_T_current).astype(float)
        seen = expected.min(axis=2) > 20
        gains.append(np.median(rendered[seen] / expected[seen]))
    assert gains[0] == pytest.approx(gains[1], rel=0.01)
    assert 0.8 < gains[0] <= 1.0


@pytest.mark.parametrize('name', SCENES)
def test_each_scene_fills_the_reference_view(name):
    robot = SimulatedRobot(name, noise=0)
    robot.move_to_reference()
    image = robot.render()
    assert image.shape == (480, 640, 3)
    assert image.dtype == np.uint8
    blocks = image.mean(axis=2).reshape(4, 120, 4, 160).std(axis=(1, 3))
    assert blocks.min() > 1.5
    robot.close()


def test_noise_has_the_spread_asked_for_and_its_sequence_is_that_of_the_seed():
    grey = np.full((480, 640, 3), 128, np.uint8)
    bank, same, other = NoiseBank(640, 480, 2.0, 5), NoiseBank(640, 480, 2.0, 5), NoiseBank(640, 480, 2.0, 6)
    first, second = bank.add(grey), bank.add(grey)
    assert first.astype(float).std() == pytest.approx(2.0, rel=0.03)
    assert first.mean() == pytest.approx(128, abs=0.02)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(first, same.add(grey))
    assert not np.array_equal(first, other.add(grey))
    np.testing.assert_array_equal(bank.add(np.zeros_like(grey)).min(), 0)


def test_perturbations_come_and_go(robot):
    robot.move_to_reference()
    calm = robot.render()
    robot.set_perturbations(True)
    assert robot.perturbed
    first = robot.render()
    robot.step(1.0)
    assert np.abs(first.astype(int) - calm).max() > 20
    assert np.abs(robot.render().astype(int) - first).max() > 20
    robot.set_perturbations(False)
    assert not robot.perturbed
    np.testing.assert_array_equal(robot.render(), calm)


@pytest.mark.parametrize('seed', [0, 1])
def test_occluders_hide_a_tenth_to_four_tenths_of_the_image(seed):
    robot = SimulatedRobot('low_texture', noise=0, seed=seed)
    robot.move_to_reference()
    calm = robot.render().astype(int)
    robot.set_perturbations(lights=False, occluders=True)
    for _ in range(20):
        robot.step(0.7)
        hidden = (np.abs(robot.render() - calm).max(axis=2) > 4).mean()
        assert 0.1 <= hidden <= 0.4
    robot.close()


def test_moving_lights_change_brightness_smoothly_and_differently_across_the_image():
    robot = SimulatedRobot('photo', noise=0, seed=2)
    robot.move_to_reference()
    calm = cv2.resize(robot.render().astype(np.float32), (8, 6), interpolation=cv2.INTER_AREA)
    robot.set_perturbations(lights=True, occluders=False)
    gains = []
    for _ in range(15):
        robot.step(1.0)
        lit = cv2.resize(robot.render().astype(np.float32), (8, 6), interpolation=cv2.INTER_AREA)
        gains.append((lit / calm).mean(axis=2))
    gains = np.array(gains)
    assert np.ptp(gains.mean(axis=(1, 2))) > 0.2
    assert max(np.ptp(gain) for gain in gains) > 0.2
    robot.close()


def test_a_run_can_be_repeated_exactly():
    images = []
    for _ in range(2):
        robot = SimulatedRobot('prints', seed=7)
        robot.move_to_start(4, 2)
        robot.set_perturbations(True)
        robot.command_velocity([0.1, 0, 0, 0, 0.1, 0])
        robot.step(0.5)
        images.append(robot.render())
        robot.close()
    np.testing.assert_array_equal(*images)


def test_the_overview_shows_the_arm_from_the_side(robot):
    robot.move_to_reference()
    first = robot.render_overview(320, 240)
    assert first.shape == (240, 320, 3)
    robot.move_to_start(9, 1)
    moved = np.abs(robot.render_overview(320, 240).astype(int) - first).max(axis=2) > 30
    assert 0.005 < moved.mean() < 0.5


def test_without_a_renderer_a_sentence_names_the_packages(monkeypatch):
    def broken(*_: object) -> None:
        raise RuntimeError('no device')

    monkeypatch.setattr(offscreen.mujoco, 'GLContext', broken)
    with pytest.raises(SimulationError, match=r'install the Debian packages libegl1, .*libosmesa6.*no device'):
        SimulatedRobot('low_texture').render()


def test_the_users_choice_of_renderer_comes_first_then_egl_then_osmesa(monkeypatch):
    monkeypatch.setenv('MUJOCO_GL', 'glfw')
    assert offscreen.choose_backend() == 'glfw'
    monkeypatch.delenv('MUJOCO_GL')
    monkeypatch.setattr(offscreen, '_egl_works', lambda: True)
    assert offscreen.choose_backend() == 'egl'
    monkeypatch.setattr(offscreen, '_egl_works', lambda: False)
    monkeypatch.setattr(offscreen, '_osmesa_works', lambda: True)
    assert offscreen.choose_backend() == 'osmesa'
    monkeypatch.setattr(offscreen, '_osmesa_works', lambda: False)
    assert offscreen.choose_backend() == 'disable'
