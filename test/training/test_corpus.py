from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip('tqdm')

from training.errors import TrainingError
from training.images import corpus, filters, licences, textures


def leaves(seed: int, size: int = 448) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.clip(textures.dead_leaves(rng, size, lambda: textures.fractal_noise(rng, size)), 0, 255).astype(
        np.uint8
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    source = tmp_path / 'images'
    source.mkdir()
    for seed in range(3):
        cv2.imwrite(str(source / f'leaves{seed}.png'), leaves(seed))
    cv2.imwrite(str(source / 'smaller-copy.jpg'), cv2.resize(leaves(0), (300, 300), interpolation=cv2.INTER_AREA))
    cv2.imwrite(str(source / 'flat.png'), np.full((400, 400), 90, np.uint8))
    cv2.imwrite(str(source / 'tiled.png'), np.tile(leaves(5, 64), (7, 7)))
    cv2.imwrite(str(source / 'tiny.png'), leaves(6, 200))
    (source / 'broken.jpg').write_bytes(b'not an image')
    return source


def test_build_keeps_textured_images_once_and_says_what_it_refused(folder: Path, tmp_path: Path) -> None:
    built = corpus.build([folder], tmp_path / 'corpus', progress=False)
    assert {record.image for record in built.records} == {'leaves0.png', 'leaves1.png', 'leaves2.png'}
    assert built.tiles.shape == (len(built.records), 448, 448)
    assert built.tiles.dtype == np.uint8
    rejected = json.loads((tmp_path / 'corpus' / 'corpus.json').read_text())['rejected_images']
    assert rejected == {'licence': 0, 'size': 2, 'duplicate': 1, 'flat or periodic': 2}


def test_build_is_a_function_of_the_seed(folder: Path, tmp_path: Path) -> None:
    first, again = (corpus.build([folder], tmp_path / name, progress=False) for name in ('a', 'b'))
    np.testing.assert_array_equal(first.tiles, again.tiles)
    assert first.records == again.records


@pytest.mark.parametrize('name', ['other-name.jpg', 'screenshot.jpg'])
def test_held_out_images_and_their_copies_are_left_out(folder: Path, tmp_path: Path, name: str) -> None:
    held_out = tmp_path / 'held-out'
    held_out.mkdir()
    cv2.imwrite(str(held_out / name), cv2.resize(leaves(1), (350, 350), interpolation=cv2.INTER_AREA))
    built = corpus.build([folder], tmp_path / 'corpus', held_out=[held_out], progress=False)
    assert {record.image for record in built.records} == {'leaves0.png', 'leaves2.png'}


def test_only_accepted_licences_are_read_from_a_package(tmp_path: Path) -> None:
    package = tmp_path / 'pack'
    art = package / 'usr' / 'share' / 'art'
    art.mkdir(parents=True)
    for seed, name in enumerate(('free.png', 'copyleft.png', 'own/wall.png')):
        (art / name).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(art / name), leaves(seed))
    (art / 'own' / 'metadata.json').write_text(json.dumps({'KPlugin': {'License': 'CC-BY-SA-4.0'}}))
    copyright_file = package / 'usr' / 'share' / 'doc' / 'pack' / 'copyright'
    copyright_file.parent.mkdir(parents=True)
    copyright_file.write_text(
        'Format: x\n\nFiles: *\nCopyright: A\nLicense: GPL-2+\n\nFiles: art/free.png\nLicense: CC0-1.0\n'
    )
    built = corpus.build([package], tmp_path / 'corpus', progress=False)
    found = {record.image.rsplit('/', 1)[-1]: record.licence for record in built.records}
    assert found == {'free.png': 'CC0-1.0', 'wall.png': 'CC-BY-SA-4.0'}


def test_copies_at_other_sizes_fall_in_the_same_split() -> None:
    assert corpus.split_of('images/sea3.jpg') == corpus.split_of('plugins/images/sea3@2x.jpg')
    assert corpus.split_of('w/Kay/contents/images/1x1.png') == corpus.split_of('w/Kay/contents/images/2x2.jpg')
    held = [corpus.split_of(f'{index}.png') for index in range(800)].count('validation')
    assert 60 < held < 140  # an eighth


@pytest.mark.parametrize(
    ('licence', 'accepted'),
    [
        ('CC0-1.0', True), ('CC-BY-SA-4.0', True), ('LGPLv3', True), ('public-domain', True), ('Expat', True),
        ('GPL-2+', False), ('GPL-3 or CC-BY-SA-3.0', True), ('GPL and CC-BY-SA', False), ('unstated', False),
        ('CC-BY-SA-4.0 AND GPL-3', False), ('CC-BY-NC-4.0', False), ('CC-BY-ND-4.0', False),
    ],
)  # fmt: skip
def test_accepted_licences(licence: str, accepted: bool) -> None:
    assert licences.is_accepted(licence) is accepted


def test_the_last_matching_paragraph_holds() -> None:
    parsed = licences.CopyrightFile.parse(
        'Files: *\nLicense: GPL-2\n\n'
        'Files: data/a*\n data/b.png\nLicense: CC0\n\n'
        'Files: data/ab.png\nLicense: MIT\n'
    )
    paths = ('usr/share/data/aa.png', 'data/b.png', 'usr/data/ab.png', 'else.png')
    assert [parsed.licence_of(path) for path in paths] == ['CC0', 'CC0', 'MIT', 'GPL-2']


def test_periodicity_tells_a_repeated_texture_from_one_that_is_not() -> None:
    assert filters.periodicity(np.tile(leaves(3, 64), (7, 7))) > 0.95
    assert filters.periodicity(leaves(3)) < filters.MAXIMUM_PERIODICITY


def test_no_image_that_passes_is_an_error_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / 'empty').mkdir()
    with pytest.raises(TrainingError, match='none passed'):
        corpus.build([tmp_path / 'empty'], tmp_path / 'corpus', progress=False)


def test_load_refuses_a_folder_without_corpus(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match='expected a corpus'):
        corpus.Corpus.load(tmp_path)


def _written(folder: Path, grey: int) -> corpus.Corpus:
    record = corpus.TileRecord('drawn', 'a', '', corpus.TRAIN, 1.0)
    corpus._write(folder, np.full((1, 448, 448), grey, np.uint8), [record], {})
    return corpus.Corpus.load(folder)


def test_a_corpus_that_cannot_be_written_leaves_the_one_that_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = _written(tmp_path, 10).sha256

    def full(*_: object, **__: object) -> str:
        raise OSError('no space left')

    with monkeypatch.context() as patch:
        patch.setattr(json, 'dumps', full)
        with pytest.raises(OSError, match='no space left'):
            _written(tmp_path, 20)
    assert corpus.Corpus.load(tmp_path).sha256 == before


def test_other_tiles_are_another_corpus(tmp_path: Path) -> None:
    first, again, other = (_written(tmp_path / name, grey) for name, grey in (('a', 10), ('b', 10), ('c', 20)))
    assert first.summary() == other.summary()
    assert first.sha256 == again.sha256 != other.sha256
