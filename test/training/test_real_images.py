"""The benchmark on real images: its folder layout, its truth, and its bookkeeping, on a tiny folder drawn here."""

import json

import cv2
import numpy as np
import pytest

from cnn_vs_ros.geometry import PinholeCamera, plane_homography, se3
from test.scenes import drawn_texture
from training.__main__ import main
from training.benchmark.real import folder, measure, pictures, refinement, report
from training.benchmark.real.answers import Answer
from training.benchmark.real.kinds import videos
from training.benchmark.real.measure import PairRecord
from training.benchmark.real.pairs import Choice, Pair, RealSet, Truth
from training.benchmark.rivals.decomposition import decompose

SIZE = (320, 240)
CAMERA = PinholeCamera(*SIZE, 300.0, 300.0, 159.5, 119.5)
# Board (camera_T_board) of three views: oblique, moved, turned.
VIEWS = {
    '1': [0.0, 0.0, 0.25, 0.3, 0.1, 0.0],
    '2': [0.01, -0.01, 0.27, 0.2, -0.1, 0.3],
    '3': [-0.01, 0.01, 0.24, 0.1, 0.2, 2.0],
}


def board_from_texel(texture, metres):
    height, width = texture.shape[:2]
    scale = metres / width
    return np.array([[scale, 0, -scale * (width - 1) / 2], [0, scale, -scale * (height - 1) / 2], [0, 0, 1]])


def view_of(texture, camera_T_board, metres=0.4):
    plane = camera_T_board[:3, [0, 1, 3]]
    homography = CAMERA.matrix @ plane @ board_from_texel(texture, metres)
    return cv2.warpPerspective(texture, homography, SIZE, flags=cv2.INTER_AREA)


def chessboard(columns=9, rows=6, side=40):
    squares = np.indices((rows + 1, columns + 1)).sum(axis=0) % 2
    board = np.kron(255 - 215 * squares, np.ones((side, side))).astype(np.uint8)
    return cv2.copyMakeBorder(board, side, side, side, side, cv2.BORDER_CONSTANT, value=255)


@pytest.fixture(scope='module')
def real_folder(tmp_path_factory):
    root = tmp_path_factory.mktemp('real')
    texture = drawn_texture(width=1200, height=900)
    poses = {name: se3.from_pose_vector(vector) for name, vector in VIEWS.items()}
    for place in ('plane', 'poses', 'boards'):
        (root / place).mkdir()
    for name, pose in poses.items():
        cv2.imwrite(str(root / 'plane' / f'{name}.png'), view_of(texture, pose))
        cv2.imwrite(str(root / 'poses' / f'{name}.png'), view_of(texture, pose))
    for index, tilt in enumerate(np.linspace(-0.4, 0.4, 5)):
        pose = se3.from_pose_vector([0.0, 0.0, 0.3, tilt, 0.3 * (index % 2), np.pi * (index == 3)])
        cv2.imwrite(str(root / 'boards' / f'b{index}.png'), view_of(chessboard(), pose, 0.25))
    cv2.imwrite(str(root / 'boards' / 'bare.png'), np.full(SIZE[::-1], 128, np.uint8))
    (root / 'boards' / 'README').write_text('taken by nobody')
    video = cv2.VideoWriter(str(root / 'film.avi'), cv2.VideoWriter.fourcc(*'MJPG'), 10, SIZE)
    for step in range(4):
        pose = se3.from_pose_vector([0.004 * step, 0.0, 0.25, 0.2, 0.0, 0.05 * step])
        video.write(cv2.cvtColor(view_of(texture, pose), cv2.COLOR_GRAY2BGR))
    video.write(np.zeros((*SIZE[::-1], 3), np.uint8))
    video.release()
    from_first = {
        name: homography_between(poses['1'], pose).tolist() for name, pose in poses.items() if name != '1'
    }
    truth = {
        'plane': {'H1to': from_first},
        'poses': {'K': CAMERA.matrix.tolist(), 'camera_T_board': {k: p.tolist() for k, p in poses.items()}},
        'boards': {'kind': 'nearly symmetric; 9x6 inner corners'},
        'film': {'kind': 'video', 'camera': 'about fx = fy = 300, cx = 159.5, cy = 119.5'},
    }
    (root / 'truth.json').write_text(json.dumps(truth))
    return root


def homography_between(desired_T_board, current_T_board):
    plane = [CAMERA.matrix @ pose[:3, [0, 1, 3]] for pose in (desired_T_board, current_T_board)]
    homography = plane[1] @ np.linalg.inv(plane[0])
    return homography / homography[2, 2]


def read(root, name, **choice):
    return next(folder.read(root, [name], Choice(**choice)))


def test_the_truth_of_every_kind_lays_the_reference_onto_the_image(real_folder):
    for name in ('plane', 'poses', 'boards', 'film'):
        real = read(real_folder, name, every_pair=True, every=1)
        judged = [pair for pair in real.pairs if pair.truth is not None]
        assert len(judged) == {'plane': 6, 'poses': 6, 'boards': 20, 'film': 3}[name]
        for pair in judged:
            reference, image = (
                cv2.cvtColor(pair.camera.undistort(real.load(key)), cv2.COLOR_BGR2GRAY).astype(float)
                for key in (pair.reference, pair.image)
            )
            mask = np.ones(reference.shape, np.uint8)
            if pair.truth.region is not None:
                mask = cv2.fillConvexPoly(0 * mask, np.rint(pair.truth.region).astype(np.int32), 1)
            warped = cv2.warpPerspective(reference, pair.truth.homography, SIZE)
            seen = cv2.warpPerspective(mask, pair.truth.homography, SIZE) > 0
            assert np.corrcoef(warped[seen], image[seen])[0, 1] > 0.8, (name, pair.reference, pair.image)


def test_poses_of_a_board_agree_with_its_homographies_and_give_the_depth_on_the_axis(real_folder):
    poses = read(real_folder, 'poses')
    given = json.loads((real_folder / 'truth.json').read_text())['plane']['H1to']
    for pair in poses.pairs:
        homography = pair.truth.homography
        np.testing.assert_allclose(homography / homography[2, 2], given[pair.image], atol=1e-6)
    pose = se3.from_pose_vector(VIEWS['1'])
    on_board = se3.inverse(pose)[2] @ [0, 0, poses.pairs[0].depth, 1]
    assert on_board == pytest.approx(0.0, abs=1e-12)
    assert [pair.group for pair in poses.pairs] == [
        'poses, turned by up to 60 deg',
        'poses, turned by over 60 deg',
    ]


def test_a_homography_that_is_given_roughly_is_brought_to_the_images(real_folder):
    given = json.loads((real_folder / 'truth.json').read_text())['plane']['H1to']['2']
    first, second = (cv2.imread(str(real_folder / 'plane' / f'{name}.png')) for name in '12')
    off = np.array([[1.01, 0.004, 2.0], [-0.004, 0.995, -3.0], [0, 0, 1]]) @ given
    refined, move = refinement.refine(off, first, second)
    corners = np.array([[[40.0, 30], [280, 30], [280, 210], [40, 210]]])
    shown = [cv2.perspectiveTransform(corners, np.asarray(matrix))[0] for matrix in (given, off, refined)]
    assert np.linalg.norm(shown[1] - shown[0], axis=1).mean() > 2.0
    assert np.linalg.norm(shown[2] - shown[0], axis=1).max() < 0.3
    assert 2.0 / 320 < move < 0.03
    # Of images that have nothing in common the given one stays.
    noise = np.random.default_rng(0).integers(0, 255, second.shape, np.uint8)
    assert refinement.refine(off, first, noise) == (pytest.approx(off), 0.0)


def test_images_of_several_sizes_are_cut_to_what_all_have(tmp_path):
    texture = drawn_texture(width=400, height=300)
    (tmp_path / 'plane').mkdir()
    for name, (width, height) in {'1': (400, 300), '2': (320, 300), '3': (400, 240)}.items():
        cv2.imwrite(str(tmp_path / 'plane' / f'{name}.png'), texture[:height, :width])
    still = np.eye(3).tolist()
    (tmp_path / 'truth.json').write_text(json.dumps({'plane': {'H1to': {'2': still, '3': still}}}))
    [real] = folder.read(tmp_path, ['plane'], Choice(every_pair=True))
    assert {real.load(name).shape[:2] for name in '123'} == {(240, 320)}
    assert {(pair.camera.width, pair.camera.height) for pair in real.pairs} == {(320, 240)}
    assert any('cut to 320x240' in note for note in real.notes)


def test_a_board_turned_upside_down_is_told_from_one_that_is_not(real_folder):
    pairs = read(real_folder, 'boards').pairs
    turns = {pair.image: np.rad2deg(se3.pose_error(pair.truth.desired_T_current)[1]) for pair in pairs}
    assert turns['b3'] > 150
    assert max(turns['b1'], turns['b2'], turns['b4']) < 60
    assert any('not seen on bare' in note for note in read(real_folder, 'boards').notes)


def test_focal_lengths_are_rows_of_their_own_and_pairs_can_be_all(real_folder):
    real = read(real_folder, 'plane', every_pair=True, focal_lengths={'plane': (0.9, 2.0)})
    assert {(pair.group, pair.camera.fx) for pair in real.pairs} == {
        ('plane, f = 0.9 widths', 0.9 * 320),
        ('plane, f = 2 widths', 640.0),
    }
    assert len(real.pairs) == 12
    assert 'focal length taken as 0.9, 2 widths' in real.notes[0]


def test_a_frame_without_features_has_no_truth_and_no_verdict(real_folder):
    real = read(real_folder, 'film', every=1)
    assert real.pairs[-1].truth is None
    assert real.pairs[0].camera.fx == 300

    class Dreamer:
        def find(self, image):
            return Answer(np.eye(3), None, 0.95)

    record = measure.measure('dreamer', Dreamer(), real, real.pairs[-1])
    assert (record.found, record.wrong, record.shift) == (True, None, None)


def test_the_truth_of_a_video_is_of_undistorted_frames(real_folder, monkeypatch):
    shown = []

    class Rival:
        set_reference = staticmethod(shown.append)

        def match(self, image):
            shown.append(image)

    monkeypatch.setitem(videos.RIVALS, 'sift', Rival)
    entry = {'K': CAMERA.matrix.tolist(), 'D': [0.2, 0.0, 0.0, 0.0]}
    real = videos.read(entry, real_folder, 'film', Choice(every=2))
    for image, key in zip(shown, ('0000', '0002', '0004'), strict=True):
        np.testing.assert_array_equal(image, real.pairs[0].camera.undistort(real.load(key)))
        assert key == '0004' or not np.array_equal(image, real.load(key))


def test_a_set_in_a_folder_of_a_folder_has_its_picture(tmp_path):
    real, pair = pair_of(np.eye(3))
    [path] = pictures.write([(record(set='a/b', found=False), pair, real)], tmp_path)
    assert path == tmp_path / 'a_b-m.png'
    assert path.is_file()


def pair_of(homography, pose=None):
    truth = Truth(np.asarray(homography, float), None, pose)
    real = RealSet('set', [], lambda name: np.zeros((240, 320, 3), np.uint8))
    return real, Pair('set', 'a', 'b', CAMERA, 0.25, truth)


def measured(truth, answer, truth_pose=None, answer_pose=None):
    class Method:
        def find(self, image):
            return None if answer is None else Answer(np.asarray(answer, float), answer_pose, 0.7)

    return measure.measure('method', Method(), *pair_of(truth, truth_pose))


def test_a_shift_is_in_widths_and_over_one_percent_is_wrong():
    def shifted(x):
        return [[1, 0, x], [0, 1, 0], [0, 0, 1]]

    assert measured(np.eye(3), shifted(3.1)).shift == pytest.approx(3.1 / 320)
    assert measured(np.eye(3), shifted(3.1)).wrong is False
    assert measured(np.eye(3), shifted(3.3)).wrong is True
    assert measured(shifted(160), shifted(160)).visible == pytest.approx(0.5, abs=0.03)
    # Mirrored, or as far off as one likes: one width.
    assert measured(np.eye(3), [[-1, 0, 319], [0, 1, 0], [0, 0, 1]]).shift == 1.0
    assert measured(np.eye(3), shifted(5000)).shift == 1.0
    lost = measured(np.eye(3), None)
    assert (lost.found, lost.wrong, lost.confidence) == (False, None, None)


def test_what_is_ahead_of_the_camera_hangs_on_no_scale_of_a_homography():
    """Of a view that runs to the horizon, a pixel in the corner may lie behind the camera, and one ahead of it."""
    to_image = np.array([[1, 0, -100], [0, 1, 0], [0.01, 0, -0.4]])
    seen = measured(to_image, to_image)
    assert seen.visible > 0.3
    for scale in (-1.0, 1 / to_image[2, 2]):
        assert measured(scale * to_image, to_image).shift == pytest.approx(0.0)
        assert measured(to_image, scale * to_image).shift == pytest.approx(0.0)
        assert measured(scale * to_image, to_image).visible == seen.visible


def test_a_turn_of_over_five_degrees_is_wrong_where_the_pose_is_known():
    turned = [se3.from_pose_vector([0.003, 0, 0, 0, 0, np.deg2rad(angle)]) for angle in (4.9, 5.1)]
    small, great = (measured(np.eye(3), np.eye(3), np.eye(4), pose) for pose in turned)
    assert (small.wrong, great.wrong) == (False, True)
    assert small.move_mm == pytest.approx(3.0)
    assert great.turn_deg == pytest.approx(5.1)


def test_decomposition_recovers_the_pose_before_an_oblique_plane():
    pose = se3.from_pose_vector([0.06, -0.03, 0.02, 0.1, 0.15, 0.4])
    # A homography has two motions; the plane that is tilted less is the true one here.
    normal = np.array([0.2, -0.1, 1.0])
    homography = plane_homography(pose, 0.25, CAMERA, normal=normal)
    points = np.array([[10.0, 10], [310, 10], [310, 230], [10, 230]])
    found = decompose(homography, points, CAMERA, 0.25)
    np.testing.assert_allclose(found, pose, atol=1e-6)


def record(**changes):
    values = dict.fromkeys(PairRecord.__annotations__)
    values |= {'method': 'm', 'set': 's', 'group': 's', 'reference': '1', 'image': '2', 'cpu_ms': 5.0}
    return PairRecord(**{**values, **changes})


def test_the_summary_counts_found_wrong_and_sure():
    records = [
        record(found=True, wrong=False, shift=0.001, confidence=0.8),
        record(found=True, wrong=True, shift=0.3, confidence=0.6),
        record(found=True, wrong=True, shift=0.5, confidence=0.95),
        record(found=True, confidence=0.5),
        record(found=False),
        record(method='plain', found=True, wrong=True, shift=0.5),
    ]
    figures = report.summarise(records)['s']
    ours = figures['m']
    assert (ours['pairs'], ours['found'], ours['judged'], ours['right'], ours['wrong']) == (5, 4, 3, 1, 2)
    assert ours['wrong_and_sure'] == {'0.5': 2, '0.9': 1}
    assert ours['separation'] == 0.5
    assert figures['plain']['wrong_and_sure'] == {'0.5': None, '0.9': None}
    assert '| s | m | 4 of 5 (1 unjudged) | 1 | 2 | 2 | 1 | 30.00 % |' in report.table(report.summarise(records))


def test_the_command_writes_table_json_and_pictures(real_folder, tmp_path, capsys):
    options = ['--methods', 'scene_agnostic,sift', '--sets', 'plane,film', '--every', '2', '--pictures']
    assert main(['benchmark', '--real', str(real_folder), '--output', str(tmp_path), *options]) == 0
    table = capsys.readouterr().out
    assert '| all | sift |' in table
    content = json.loads((tmp_path / 'real.json').read_text())
    assert len(content['pairs']) == 8
    assert content['summary']['all']['sift']['wrong'] == 0
    assert content['summary']['plane']['sift']['right'] == 2
    sheet = cv2.imread(str(tmp_path / 'pictures' / 'plane-scene_agnostic.png'))
    assert sheet.shape[1] == 1440


@pytest.mark.parametrize(
    ('truth', 'options', 'message'),
    [
        (None, [], 'should be a folder of real images with a truth.json but has none'),
        ('[1]', [], 'should map names of sets'),
        ('{', [], 'should be JSON'),
        ('{"a": {"kind": "?"}}', [], 'should have H1to, camera_T_board'),
        ('{"a": {"H1to": {"2": 3}}}', [], 'should hold an image named 1'),
        ('{"a": {"kind": "8x6 inner corners"}}', [], 'looks the same when it is turned'),
        ('{"a": {"kind": "9x6 inner corners"}}', [], 'should be a folder of images but is none'),
        ('{"a": {"camera_T_board": {}}}', [], 'camera_T_board of at least 2 images but has 0'),
        ('{"a": {"camera_T_board": [1]}}', [], 'is malformed'),
        ('{"a": {}}', ['--sets', 'b'], 'set should be among a but is b'),
        ('{"a": {}}', ['--methods', 'magic'], 'method should be among scene_agnostic, sift, orb'),
        ('{"a": {}}', ['--focal', 'a=-1'], 'focal should be SET=F'),
        ('{"a": {}}', ['--every', '0'], 'at least 1 but are 0 and 1'),
    ],
)
def test_a_folder_that_is_none_is_told_in_a_sentence(truth, options, message, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr('training.benchmark.rivals.find_spec', lambda package: None)
    if truth is not None:
        (tmp_path / 'truth.json').write_text(truth)
    assert main(['benchmark', '--real', str(tmp_path), '--output', str(tmp_path / 'out'), *options]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.strip().splitlines()) == 1


def test_a_rival_that_is_not_installed_is_left_out_with_a_sentence(real_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr('training.benchmark.rivals.find_spec', lambda package: None)
    options = ['--real', str(real_folder), '--sets', 'plane', '--output', str(tmp_path), '--methods']
    assert main(['benchmark', *options, 'sift,xfeat']) == 0
    assert 'xfeat is left out: it needs the extra rivals' in capsys.readouterr().out
    assert main(['benchmark', *options, 'xfeat']) == 2
    assert 'xfeat should be installed: it needs the extra rivals' in capsys.readouterr().err
