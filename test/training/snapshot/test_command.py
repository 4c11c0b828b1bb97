from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip('tqdm')
pytest.importorskip('skimage')

from cnn_vs_ros.estimation import Reference
from training.__main__ import main
from training.snapshot import shards


@pytest.fixture
def reference(coloured: Reference, tmp_path: Path) -> str:
    return str(coloured.save(tmp_path / 'reference'))


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(['dataset', *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ''
    assert len(captured.err.strip().splitlines()) == 1
    return captured.err


def test_dataset_writes_what_it_says(
    reference: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('training.snapshot.occluders.DRAWN_IMAGES', 2)
    output = tmp_path / 'dataset'
    arguments = [
        '--reference',
        reference,
        '--output',
        str(output),
        '--count',
        '20',
        '--fine',
        '5',
        '--workers',
        '1',
    ]
    arguments += ['--size', '64x48', '--rotation', '5', '6', '30', '--depth', '0.4', '--preview', '--noise', '2']
    assert main(['dataset', *arguments]) == 0
    assert '25 images in' in capsys.readouterr().out
    index = shards.read_index(output)
    assert index['shape'] == [48, 64, 3]
    assert index['depth'] == 0.4
    assert index['parameters']['viewpoints']['rotation'][2] == pytest.approx(0.5236, abs=1e-4)
    assert shards.open_images(output, 0).shape == (25, 48, 64, 3)
    assert (output / 'preview.png').stat().st_size > 1000
    assert main(['dataset', *arguments]) == 0
    assert 'all 25 images are in' in capsys.readouterr().out


def test_dataset_refuses_what_it_cannot_do(
    reference: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = ('--output', str(tmp_path / 'out'))
    empty = tmp_path / 'empty'
    empty.mkdir()
    assert 'should hold image.png' in refusal(capsys, '--reference', str(empty), *output)
    given = ('--reference', reference, *output)
    assert 'but there are none' in refusal(capsys, *given, '--occluders', str(empty))
    assert 'expected a size' in refusal(capsys, *given, '--size', 'large')
    assert 'outside' in refusal(capsys, *given, '--outside', 'purple')
    assert 'worker' in refusal(capsys, *given, '--workers', '0')
    assert 'depth' in refusal(capsys, *given, '--depth', '-1')
    assert 'probability' in refusal(capsys, *given, '--occlusion', '2')
    (Path(reference) / 'reference.yaml').unlink()
    assert 'should hold reference.yaml' in refusal(capsys, *given)
    assert not (tmp_path / 'out').exists()
