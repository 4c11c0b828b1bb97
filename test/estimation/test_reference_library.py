"""The references of a robot by name, and the page and list of them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from cnn_vs_ros.errors import ReferenceFolderError
from cnn_vs_ros.estimation import Reference
from cnn_vs_ros.estimation.reference_library import ReferenceLibrary
from test.scenes import CAMERA

IMAGE = np.random.default_rng(0).integers(0, 255, (CAMERA.height, CAMERA.width, 3), dtype=np.uint8)


@pytest.fixture
def library(tmp_path):
    library = ReferenceLibrary(tmp_path / 'library')
    for name, depth in (('part', 0.3), ('Bin-2_left', 0.5)):
        Reference(IMAGE, CAMERA, depth).save(library.path(name))
    (library.folder / 'other').mkdir()
    (library.folder / 'notes.txt').write_text('mine')
    return library


@pytest.mark.parametrize(
    'name', ['', '.', '..', 'a/b', '/part', '.part', 'a.b', '-a', 'a b', 'ä', 'a\n', 65 * 'a']
)
def test_a_name_is_no_path(library, name):
    with pytest.raises(ReferenceFolderError, match='the name of a reference should be'):
        library.path(name)


def test_only_references_have_names(library):
    assert library.names() == ['Bin-2_left', 'part']
    assert library.find('part') == library.folder / 'part'
    with pytest.raises(ReferenceFolderError, match=r"'other' should be one of .* but that has Bin-2_left, part"):
        library.find('other')
    assert ReferenceLibrary(library.folder / 'nowhere').names() == []


def test_a_broken_one_is_listed_with_its_problem(library):
    (library.path('part') / 'image.png').write_bytes(b'no image')
    good, broken = library.entries()
    assert (good.sentence, good.problem) == (f'{CAMERA.width}x{CAMERA.height} at depth 0.5 m', '')
    assert 'should be an encoded image' in broken.problem
    values = json.loads(json.dumps([entry.as_values() for entry in (good, broken)]))
    assert (values[0]['name'], values[0]['depth'], values[0]['width']) == ('Bin-2_left', 0.5, CAMERA.width)
    assert 'captured' in values[0]
    assert 'should be an encoded image' in values[1]['problem']


def test_each_namespace_has_a_library_and_a_folder_of_one_reference_is_in_it(monkeypatch, tmp_path):
    monkeypatch.setenv('ROS_HOME', str(tmp_path))
    folders = [ReferenceLibrary.of_robot('', namespace).folder for namespace in ('/', '/left', '/cell/right')]
    base = tmp_path / 'cnn_vs_ros'
    assert folders == [base, base / 'left', base / 'cell' / 'right']
    # Where the only reference of a robot was kept before references had names.
    Reference(IMAGE, CAMERA, 0.3).save(base / 'left' / 'reference')
    assert ReferenceLibrary.of_robot('', '/left').names() == ['reference']
    assert ReferenceLibrary.of_robot(str(tmp_path / 'mine'), '/left').folder == tmp_path / 'mine'
    monkeypatch.setenv('ROS_HOME', '')
    monkeypatch.setenv('HOME', str(tmp_path))
    assert ReferenceLibrary.of_robot().folder == tmp_path / '.ros' / 'cnn_vs_ros'
