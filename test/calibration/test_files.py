import json
from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from cnn_vs_ros.calibration import data, report
from cnn_vs_ros.calibration.boards import Board, hand_eye
from cnn_vs_ros.calibration.mount import Mount
from cnn_vs_ros.calibration.recording import ArmTrack, Recording
from cnn_vs_ros.calibration.result import calibrated_camera, save_result, to_paste
from cnn_vs_ros.calibration.solver import calibrate, lens_of
from cnn_vs_ros.calibration.tracks import strong_points, track
from cnn_vs_ros.command_line import main
from cnn_vs_ros.errors import HandEyeError
from cnn_vs_ros.estimation import Reference, load_estimator
from cnn_vs_ros.estimation.pyramid import to_grey
from cnn_vs_ros.geometry import se3
from cnn_vs_ros.geometry.calibration_file import load_calibration
from test.calibration.cell import BASE_T_FLANGE, MOUNT, recorded
from test.scenes import CAMERA, drawn_texture, view


def test_what_is_reported_can_be_read_and_pasted(tmp_path):
    recording, tracks = recorded(delay=0.1, k1=-0.1, pixel=0.02)
    found = calibrate(recording, tracks)
    said = report.write(found, recording, tracks, tmp_path)
    mount = Mount.load(tmp_path / 'calibration.yaml')
    np.testing.assert_allclose(mount.transform, found.mount, atol=1e-9)
    assert mount.stamp_delay == pytest.approx(0.1, abs=1e-3)
    assert (mount.flange, mount.camera) == ('tool0', 'camera_optical_frame')
    assert load_calibration(tmp_path / 'camera_info.yaml').distortion[0] == pytest.approx(-0.1, abs=2e-3)
    assert calibrated_camera(CAMERA, found).fx == CAMERA.fx
    assert (tmp_path / 'residuals.png').stat().st_size > 1000
    for line in ('<origin xyz="0.0', 'static_transform_publisher --x 0.0', 'stamp_delay: 0.', 'k1 = -0.'):
        assert line in said
    with pytest.raises(HandEyeError, match='should have the entry'):
        Mount.load(tmp_path / 'camera_info.yaml')


def seen_by_hand(places) -> Recording:
    """Images of a drawn texture, whose reference is the camera at the start."""
    texture = drawn_texture(3)
    images, flanges = [], []
    for place in places:
        flanges.append(BASE_T_FLANGE @ MOUNT @ place @ se3.inverse(MOUNT))
        images.append(view(texture, place, seed=len(images)))
    stamps = np.arange(len(images), dtype=float)
    return Recording(
        Reference(images[0], CAMERA, 0.5), images, stamps, ArmTrack(stamps, flanges), MOUNT, still=True
    )


PLACES = [np.eye(4)] + [
    se3.from_pose_vector([*(0.02 * np.array(shift)), *np.radians(turn)])
    for shift, turn in (
        ((1, 0, 0), (0, -9, 0)), ((-1, 0, 0), (0, 9, 12)), ((0, 1, 0), (9, 0, 0)),
        ((0, -1, 0), (-9, 0, -12)), ((1, 1, -1), (6, -6, 10)), ((-1, 1, -2), (0, 8, -25)),
    )
]  # fmt: skip


def test_a_recording_is_calibrated_from_its_folder_by_command(tmp_path, capsys):
    recording = seen_by_hand(PLACES)
    data.save(recording, tmp_path / 'here')
    again = data.load(tmp_path / 'here')
    np.testing.assert_array_equal(again.images[2], recording.images[2])
    np.testing.assert_allclose(again.arm.poses, recording.arm.poses, atol=1e-12)
    assert again.still
    assert main(['calibrate', '--from', str(tmp_path / 'here')]) == 0
    assert 'the calibration holds' in capsys.readouterr().out
    found = Mount.load(tmp_path / 'here' / 'calibration.yaml').transform
    distance, angle = se3.pose_error(se3.inverse(MOUNT) @ found)
    assert distance < 1e-3
    assert angle < np.radians(0.1)
    moved = (tmp_path / 'here' / 'calibration.yaml').read_text().replace('- 0.0', '- 0.1', 1)
    (tmp_path / 'before.yaml').write_text(moved)
    assert main(['calibrate', '--from', str(tmp_path / 'here'), '--check', str(tmp_path / 'before.yaml')]) == 1
    assert 'the mount is off by 100' in capsys.readouterr().out
    unsure = ('--depth', '0.25', '--depth-sigma', '0')
    assert main(['calibrate', '--from', str(tmp_path / 'here'), *unsure]) == 2
    assert 'should be positive but are 0.25 and 0.0' in capsys.readouterr().err


def test_a_recording_that_cannot_be_written_whole_is_no_recording(tmp_path, monkeypatch):
    monkeypatch.setattr(cv2, 'imwrite', lambda path, _: 'images' not in path)
    with pytest.raises(OSError, match=r'cannot write the image .*00000\.png'):
        data.save(seen_by_hand(PLACES), tmp_path / 'here')


def test_images_with_flange_poses_of_others_are_calibrated(tmp_path, capsys):
    recording = seen_by_hand(PLACES)
    poses = {}
    for index, (image, pose) in enumerate(zip(recording.images, recording.arm.poses, strict=True)):
        cv2.imwrite(str(tmp_path / f'{index}.png'), image)
        poses[str(index)] = np.round(pose, 9).tolist()
    (tmp_path / 'poses.json').write_text(json.dumps({'K': CAMERA.matrix.tolist(), 'base_T_flange': poses}))
    read, _ = data.read_recorded(tmp_path, 0.25)
    assert len(read.images) == len(PLACES)
    assert (
        main(['calibrate', '--recorded', str(tmp_path), '--lens', 'none', '--output', str(tmp_path / 'out')]) == 0
    )
    assert 'the reference is image' in capsys.readouterr().out
    distance, _ = se3.pose_error(se3.inverse(MOUNT) @ Mount.load(tmp_path / 'out' / 'calibration.yaml').transform)
    assert distance < 1e-3


def test_what_is_no_recording_is_refused_with_one_sentence(tmp_path, capsys):
    assert main(['calibrate', '--from', str(tmp_path)]) == 2
    assert main(['calibrate', '--recorded', str(tmp_path)]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert 'poses.json' in said[1]


def test_a_scene_without_texture_is_refused():
    from cnn_vs_ros.calibration.tracks import Tracker
    from cnn_vs_ros.estimation import PoseEstimator

    grey = np.full((CAMERA.height, CAMERA.width), 128, np.uint8)
    with pytest.raises(HandEyeError, match='put something with texture in view'):
        Tracker(PoseEstimator.load(), Reference(grey, CAMERA, 0.5))


@pytest.mark.parametrize('markers', [True, False])
def test_a_board_gives_the_mount_by_opencv(markers):
    board = Board.parse('8x6x0.025', markers=markers)
    picture = board.drawn(60)
    if not markers:
        squares = np.indices((6, 8)).sum(axis=0) % 2 * np.uint8(255)
        picture = np.kron(squares, np.ones((60, 60), np.uint8))
    paper = np.full((1300, 1700), 255, np.uint8)
    paper[470 : 470 + picture.shape[0], 610 : 610 + picture.shape[1]] = picture
    flanges = [BASE_T_FLANGE @ MOUNT @ place @ se3.inverse(MOUNT) for place in PLACES]
    mount = hand_eye(board, [view(paper, place) for place in PLACES], np.array(flanges), CAMERA)
    distance, angle = se3.pose_error(se3.inverse(MOUNT) @ mount)
    assert distance < 3e-3
    assert angle < np.radians(0.3)


def test_a_board_is_named_by_its_squares():
    assert Board.parse('7x5x0.03', markers=True).square == 0.03
    for text in ('7x5', 'axbxc', '1x1x0.1', '7x5x-1'):
        with pytest.raises(HandEyeError, match='board should'):
            Board.parse(text, markers=True)


def test_the_arm_is_interpolated_between_its_times():
    arm = ArmTrack([0.0, 1.0], [np.eye(4), se3.from_pose_vector([0.1, 0, 0, 0, 0, 0.4])])
    np.testing.assert_allclose(se3.pose_vector(arm.at([0.25])[0]), [0.025, 0, 0, 0, 0, 0.1], atol=1e-12)
    np.testing.assert_allclose(arm.twists([0.5])[0][5], 0.4, rtol=1e-9)
    with pytest.raises(HandEyeError, match='ascend'):
        ArmTrack([0.0, 0.0], [np.eye(4), np.eye(4)])


def test_words_of_a_lens_are_known_before_anything_moves():
    assert lens_of('focal, k1') == ('focal', 'k1')
    assert lens_of('none') == ()
    with pytest.raises(HandEyeError, match="lens should be of focal, centre, k1 but has 'fokal'"):
        lens_of('k1,fokal')


def test_a_board_compares_nothing(tmp_path, capsys):
    data.save(seen_by_hand(PLACES), tmp_path / 'here')
    words = ['calibrate', '--from', str(tmp_path / 'here'), '--charuco', '7x5x0.03']
    assert main([*words, '--check', str(tmp_path / 'calibration.yaml')]) == 2
    assert '--check should be without a board' in capsys.readouterr().err


def test_stills_tell_no_delay_and_leave_that_which_was_measured(tmp_path):
    recording = seen_by_hand(PLACES)
    solution = calibrate(recording, track(recording, load_estimator()))
    save_result(solution, 'tool0', 'camera', tmp_path / 'calibration.yaml')
    assert 'stamp_delay' not in (tmp_path / 'calibration.yaml').read_text() + to_paste(solution, 'tool0', 'camera')
    assert Mount.load(tmp_path / 'calibration.yaml').stamp_delay == 0.0


@pytest.mark.parametrize('model', ['plumb_bob', 'rational_polynomial'])
def test_the_bend_that_was_found_is_in_the_camera_that_is_written(model):
    count = {'plumb_bob': 5, 'rational_polynomial': 8}[model]
    camera = replace(CAMERA, distortion=(0.1, *[0.0] * (count - 1)), distortion_model=model)
    found = calibrated_camera(camera, SimpleNamespace(lens={'k1': (-0.03, 0.001)}))
    assert found.distortion[0] == pytest.approx(0.07)


def test_a_mask_is_of_the_image_as_it_was_taken():
    bent = replace(CAMERA, distortion=(-0.3, 0.1, 0.0, 0.0, 0.0))
    mask = np.full((CAMERA.height, CAMERA.width), 255, np.uint8)
    mask[-90:] = 0
    image = view(drawn_texture(), np.eye(4))
    reference = Reference(image, bent, 0.25, mask=mask)
    grey = to_grey(bent.undistort(image))
    hidden = bent.undistort(mask) < 255
    columns, rows = np.rint(strong_points(grey, reference)).astype(int).T
    assert len(rows) > 20
    assert not hidden[rows, columns].any()
