import threading
from dataclasses import replace

import cv2
import numpy as np
import pytest
import yaml

from cnn_vs_ros.errors import CalibrationError, ImageError, ReferenceFolderError
from cnn_vs_ros.estimation import Reference, ScenePlane
from cnn_vs_ros.estimation.reference import read_mask
from cnn_vs_ros.geometry import PinholeCamera
from test.files import claiming

CAMERA = PinholeCamera(64, 48, 60.0, 61.0, 31.0, 23.0, (0.1, -0.05, 0.001, 0.002, 0.0), 'plumb_bob')


@pytest.fixture
def reference():
    image = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    return Reference(image, CAMERA, 0.25)


def test_what_is_saved_is_what_is_loaded(reference, tmp_path):
    reference.save(tmp_path / 'goal')
    loaded = Reference.load(tmp_path / 'goal')
    np.testing.assert_array_equal(loaded.image, reference.image)
    assert (loaded.camera, loaded.depth, loaded.sha256) == (CAMERA, 0.25, reference.sha256)


def test_the_folder_holds_plain_files(reference, tmp_path):
    reference.save(tmp_path / 'goal')
    assert sorted(path.name for path in (tmp_path / 'goal').iterdir()) == ['image.png', 'reference.yaml']
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / 'goal/image.png')), reference.image)
    assert yaml.safe_load((tmp_path / 'goal/reference.yaml').read_text())['depth'] == 0.25


def test_saving_again_replaces_the_reference_and_leaves_nothing_else(reference, tmp_path):
    reference.save(tmp_path / 'goal')
    Reference(255 - reference.image, CAMERA, 0.5).save(tmp_path / 'goal')
    assert Reference.load(tmp_path / 'goal').depth == 0.5
    assert [path.name for path in tmp_path.iterdir()] == ['goal']


def test_the_uncertainty_of_a_measured_depth_is_kept(reference, tmp_path):
    assert Reference.load(reference.save(tmp_path / 'goal')).depth_sigma is None
    measured = Reference(reference.image, CAMERA, 0.251, 0.0004)
    assert Reference.load(measured.save(tmp_path / 'goal')).depth_sigma == 0.0004


def test_what_is_known_of_the_normal_is_kept(reference, tmp_path):
    loaded = Reference.load(reference.save(tmp_path / 'goal'))
    assert (loaded.normal, loaded.normal_sigma) == (None, None)
    turned = Reference(reference.image, CAMERA, 0.25, normal=(-0.6, 0.2, 2.0), normal_sigma=0.02)
    loaded = Reference.load(turned.save(tmp_path / 'goal'))
    assert (loaded.normal, loaded.normal_sigma) == ((-0.6, 0.2, 2.0), 0.02)
    np.testing.assert_allclose(loaded.plane.slope, (-0.3, 0.1))
    assert loaded.plane.sigma == pytest.approx(0.02)


def test_a_normal_may_have_any_length(reference):
    slopes = [replace(reference, normal=tuple(s * np.array([1, 2, -4]))).plane.slope for s in (1e-200, 1, 1e200)]
    np.testing.assert_allclose(slopes, [[-0.25, -0.5]] * 3)


def test_the_orientation_of_a_plane_can_be_taken_over(reference):
    plane = ScenePlane.with_normal(9.0, (0.3, -0.2, 1.0), 0.05)
    turned = reference.of_plane(plane)
    np.testing.assert_allclose(turned.plane.slope, plane.slope)
    assert turned.plane.sigma == pytest.approx(plane.sigma)
    assert turned.depth == reference.depth
    assert np.linalg.norm(turned.normal) == pytest.approx(1.0)


def test_the_mask_is_kept_and_goes_with_the_reference(reference, tmp_path):
    mask = np.ones((48, 64), np.uint8)
    mask[30:, 20:40] = 0
    masked = replace(reference, mask=mask)
    loaded = Reference.load(masked.save(tmp_path / 'goal'))
    np.testing.assert_array_equal(loaded.mask, 255 * mask)
    assert sorted(path.name for path in (tmp_path / 'goal').iterdir()) == [
        'image.png',
        'mask.png',
        'reference.yaml',
    ]
    assert Reference.load(reference.save(tmp_path / 'goal')).mask is None
    boolean = Reference.load(replace(reference, mask=mask > 0).save(tmp_path / 'goal'))
    np.testing.assert_array_equal(boolean.mask, 255 * mask)


@pytest.mark.parametrize('value', [1, (0, 3, 0), (0, 0, 1, 255), np.uint16(1)])
def test_a_mask_file_shows_the_scene_where_a_colour_is_not_zero(value, tmp_path):
    channels = () if np.isscalar(value) else (len(value),)
    image = np.zeros((48, 64, *channels), value.dtype if isinstance(value, np.uint16) else np.uint8)
    if channels == (4,):
        image[..., 3] = 255  # opaque
    image[:10] = value
    cv2.imwrite(str(tmp_path / 'm.png'), image)
    mask = read_mask(tmp_path / 'm.png')
    assert mask.dtype == np.uint8
    assert (mask[:10] == 255).all()
    assert not mask[10:].any()


def test_a_folder_with_other_files_is_never_replaced(reference, tmp_path):
    (tmp_path / 'letters').mkdir()
    (tmp_path / 'letters/dear.txt').write_text('keep me')
    with pytest.raises(ReferenceFolderError, match='holds other files'):
        reference.save(tmp_path / 'letters')
    assert (tmp_path / 'letters/dear.txt').read_text() == 'keep me'


def test_a_failed_write_leaves_the_old_reference(reference, tmp_path, monkeypatch):
    reference.save(tmp_path / 'goal')
    monkeypatch.setattr(cv2, 'imwrite', lambda *_: False)
    with pytest.raises(OSError, match='cannot write'):
        Reference(255 - reference.image, CAMERA, 0.5).save(tmp_path / 'goal')
    assert Reference.load(tmp_path / 'goal').depth == 0.25
    assert [path.name for path in tmp_path.iterdir()] == ['goal']


def _edit(folder, **changes):
    path = folder / 'reference.yaml'
    values = yaml.safe_load(path.read_text())
    for key, value in changes.items():
        values.pop(key) if value is None else values.update({key: value})
    path.write_text(yaml.safe_dump(values))


def _cut(path, size):
    path.write_bytes(path.read_bytes()[:size])


def _claim(path, width, height):
    path.write_bytes(claiming(path.read_bytes(), width, height))


@pytest.mark.parametrize(
    ('damage', 'message'),
    [
        (lambda f: (f / 'image.png').unlink(), 'should hold image.png'),
        (lambda f: (f / 'image.png').write_bytes(b'not a png'), 'should be an encoded image'),
        (lambda f: _cut(f / 'image.png', 40), 'cannot be decoded'),
        (lambda f: _claim(f / 'image.png', 30000, 30000), 'to 33554432 pixels but is 30000x30000'),
        (lambda f: (f / 'reference.yaml').write_text('{'), 'cannot be parsed'),
        (lambda f: (f / 'reference.yaml').write_text('a: ' + 'x' * 70000), 'at most 65536 bytes'),
        (lambda f: _edit(f, format_version=7), 'format_version 1'),
        (lambda f: _edit(f, depth=None), "should have the entry 'depth'"),
        (lambda f: _edit(f, depth=-1.0), 'positive metres'),
        (lambda f: _edit(f, camera_matrix=[0.0] * 9), r'K\[0\] is 0'),
        (lambda f: _edit(f, image_width=65), '65x48'),
        (lambda f: _edit(f, image_width='wide'), "'image_width' should be a number"),
        (lambda f: _edit(f, depth=float('inf')), "'depth' should be a number"),
        (lambda f: _edit(f, image_width=10**400), 'at most 64 characters'),
        (lambda f: (f / 'reference.yaml').write_text('[' * 60000), 'at most 12 levels'),
        (lambda f: (f / 'reference.yaml').write_text('a: &a [1]\nb: *a'), 'no aliases'),
        (lambda f: (f / 'reference.yaml').unlink() or (f / 'reference.yaml').mkdir(), 'plain file'),
        (lambda f: cv2.imwrite(str(f / 'image.png'), np.zeros((48, 64, 3), np.uint8)), 'is not the image'),
        (lambda f: _edit(f, normal=[1.0, 0.0]), 'normal should be 3 numbers'),
        (lambda f: _edit(f, taught=[0.0] * 5), 'taught should be 6 numbers'),
        (lambda f: _edit(f, normal='up'), 'list of at most 3 numbers'),
        (lambda f: _edit(f, normal=[0.0, 0.0, 0.0]), 'not all 0'),
        (lambda f: _edit(f, normal=[1e300, 0.0, 1e-300]), '90 degrees from it'),
        (lambda f: _edit(f, normal=[0.1, 0.0, 1.0], normal_standard_deviation=4.0), 'from 0 to 3.14'),
        (lambda f: _edit(f, normal_standard_deviation=0.1), 'should come with the normal'),
        (lambda f: cv2.imwrite(str(f / 'mask.png'), np.full((40, 64), 255, np.uint8)), 'mask should be 64x48'),
        (lambda f: cv2.imwrite(str(f / 'mask.png'), np.zeros((48, 64), np.uint8)), '0 everywhere'),
        (lambda f: (f / 'mask.png').write_bytes(b'no image'), 'mask.png should be an encoded image'),
        (lambda f: (f / 'mask.png').mkdir(), 'plain file'),
    ],
)
def test_a_damaged_folder_is_told_in_a_sentence(reference, tmp_path, damage, message):
    reference.save(tmp_path / 'goal')
    damage(tmp_path / 'goal')
    with pytest.raises(ReferenceFolderError, match=message):
        Reference.load(tmp_path / 'goal')


def test_a_link_to_a_folder_is_written_through_and_stays_a_link(reference, tmp_path):
    reference.save(tmp_path / 'goal')
    (tmp_path / 'link').symlink_to('goal')
    (tmp_path / 'dangling').symlink_to('new')
    Reference(reference.image, CAMERA, 0.5).save(tmp_path / 'link')
    reference.save(tmp_path / 'dangling')
    assert Reference.load(tmp_path / 'goal').depth == 0.5
    assert Reference.load(tmp_path / 'new').depth == 0.25
    assert (tmp_path / 'link').is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ['dangling', 'goal', 'link', 'new']


def test_whoever_reads_while_another_is_saved_finds_one_of_both_whole(reference, tmp_path):
    mask = np.full(reference.image.shape[:2], 255, np.uint8)
    mask[:5] = 0
    other = Reference(255 - reference.image, CAMERA, 0.5, mask=mask)
    reference.save(tmp_path / 'goal')
    found: set[tuple[float, bool]] = set()
    failures: list[Exception] = []
    ended = threading.Event()

    def look() -> None:
        while not ended.is_set():
            try:
                seen = Reference.load(tmp_path / 'goal')
                found.add((seen.depth, seen.mask is not None))
            except Exception as error:
                failures.append(error)

    reader = threading.Thread(target=look, daemon=True)
    reader.start()
    for _ in range(100):
        other.save(tmp_path / 'goal')
        reference.save(tmp_path / 'goal')
    ended.set()
    reader.join()
    assert not failures
    assert found == {(0.25, False), (0.5, True)}


@pytest.mark.parametrize(('width', 'height'), [(8, 8), (31, 200), (8000, 8000)])
def test_an_image_too_small_or_too_large_to_find_anything_in_is_refused(width, height):
    with pytest.raises((ImageError, CalibrationError), match=r'at (least 32|most 33554432) pixels'):
        Reference(np.zeros((height, width), np.uint8), PinholeCamera(width, height, 99.0, 99.0, 4.0, 4.0), 0.25)


def test_what_cannot_be_a_reference_is_refused():
    image = np.zeros((48, 64), np.uint8)
    with pytest.raises(ImageError, match='uint8'):
        Reference(image.astype(np.float32), CAMERA, 0.25)
    with pytest.raises(ImageError, match='64x48'):
        Reference(image[:40], CAMERA, 0.25)
    with pytest.raises(ReferenceFolderError, match='depth'):
        Reference(image, CAMERA, float('nan'))
    with pytest.raises(CalibrationError):
        Reference(image, PinholeCamera(64, 48, 0.0, 0.0, 0.0, 0.0), 0.25)
    with pytest.raises(ReferenceFolderError, match='within 76 degrees of the optical axis but is 80'):
        Reference(image, CAMERA, 0.25, normal=(np.sin(np.radians(80)), 0.0, np.cos(np.radians(80))))
    with pytest.raises(ReferenceFolderError, match='radians from 0 to pi but is nan'):
        Reference(image, CAMERA, 0.25, normal=(0.0, 0.0, 1.0), normal_sigma=float('nan'))
    with pytest.raises(ImageError, match=r'mask should be 64x48 as the reference image.*\(48, 64, 3\)'):
        Reference(image, CAMERA, 0.25, mask=np.ones((48, 64, 3), np.uint8))
    with pytest.raises(ImageError, match='mask should hold uint8 or bool values but holds float64'):
        Reference(image, CAMERA, 0.25, mask=np.ones((48, 64)))
