from __future__ import annotations

import json
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('tqdm')
pytest.importorskip('skimage')

import cv2

from cnn_vs_ros.estimation import Reference
from training.errors import TrainingError
from training.snapshot import building, preview, shards
from training.snapshot.generator import SnapshotGenerator, SnapshotSettings
from training.snapshot.occluders import ClusterBank

SETTINGS = SnapshotSettings(width=32, height=24, count=700, fine=100)  # four shards


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture(scope='module')
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('images')
    for k in range(2):
        noise = np.random.default_rng(k).integers(0, 256, (6, 8, 3)).astype(np.uint8)
        cv2.imwrite(str(folder / f'{k}.png'), cv2.resize(noise, (256, 192), interpolation=cv2.INTER_CUBIC))
    return folder


@pytest.fixture(scope='module')
def written(coloured: Reference, images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp('dataset') / 'whole'
    generator, index = building.prepare(coloured, SETTINGS, output, images)
    report = building.build(coloured, generator, index, output)
    assert report.images == 800
    assert 0 < report.warp_seconds < report.seconds
    return output


def test_the_bytes_are_the_same_with_two_workers(
    written: Path, coloured: Reference, images: Path, tmp_path: Path
) -> None:
    output = tmp_path / 'parallel'
    generator, index = building.prepare(coloured, SETTINGS, output, images)
    building.build(coloured, generator, index, output, workers=2)
    assert files(output) == files(written)


@pytest.mark.parametrize(('signal_number', 'signals', 'kept'), [(signal.SIGINT, 1, 768), (signal.SIGTERM, 2, 512)])
def test_an_interrupted_dataset_goes_on_to_the_same_bytes(
    written: Path,
    coloured: Reference,
    images: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    signal_number: int,
    signals: int,
    kept: int,
) -> None:
    """One signal waits for the shard in hand, a second one does not."""
    output = tmp_path / 'interrupted'
    original = np.lib.format.write_array
    calls = []

    def interrupted(file, array, **options) -> None:
        calls.append(1)
        if len(calls) == 3:
            if signals > 1:
                file.write(b'half of an array')
            for _ in range(signals):
                os.kill(os.getpid(), signal_number)
        original(file, array, **options)

    generator, index = building.prepare(coloured, SETTINGS, output, images)
    with monkeypatch.context() as patch:
        patch.setattr(np.lib.format, 'write_array', interrupted)
        with pytest.raises(KeyboardInterrupt):
            building.build(coloured, generator, index, output)
    assert f'interrupted with {kept} of 800 images: the same command goes on' in capsys.readouterr().err
    assert (output / 'labels-00002.json').exists() == (kept > 512)

    generator, index = building.prepare(coloured, SETTINGS, output, images)
    assert building.build(coloured, generator, index, output).images == 800 - kept
    assert files(output) == files(written)
    assert building.build(coloured, generator, index, output).images == 0


def test_a_corrupt_shard_is_named_and_made_again(
    written: Path, coloured: Reference, images: Path, tmp_path: Path
) -> None:
    output = tmp_path / 'corrupt'
    shutil.copytree(written, output)
    image_file = output / 'images-00001.npy'
    content = bytearray(image_file.read_bytes())
    content[-1] ^= 1
    image_file.write_bytes(content)
    (output / 'images-00003.npy').write_bytes((output / 'images-00003.npy').read_bytes()[:-5])
    index = shards.read_index(output)
    shards.read_labels(output, index, 1)
    for shard, verify in ((1, True), (3, False)):
        with pytest.raises(TrainingError, match=f'shard {shard} of the dataset .* is missing or corrupt'):
            shards.read_labels(output, index, shard, verify=verify)
    generator, index = building.prepare(coloured, SETTINGS, output, images)
    assert building.build(coloured, generator, index, output).images == 256 + 32
    assert files(output) == files(written)


def test_the_index_says_how_the_dataset_was_made(written: Path, coloured: Reference) -> None:
    index = shards.read_index(written)
    assert index['reference_sha256'] == coloured.sha256
    assert index['depth'] == coloured.depth
    assert index['camera'] == {'width': 32, 'height': 24, 'fx': 30.0, 'fy': 30.0, 'cx': 15.5, 'cy': 11.5}
    assert index['parameters']['viewpoints']['translation'] == [0.01, 0.01, 0.01]
    assert index['parameters']['seed'] == 0
    assert shards.shard_count(index) == 4
    labels = json.loads((written / 'labels-00003.json').read_text())
    assert labels['first'] == 768
    assert labels['fine'] == [True] * 32


def test_a_dataset_of_other_arguments_is_not_continued(written: Path, coloured: Reference, images: Path) -> None:
    before = files(written)
    for settings, reference, folder in (
        (replace(SETTINGS, seed=1), coloured, images),
        (SETTINGS, replace(coloured, depth=0.5), images),
        (SETTINGS, coloured, None),
    ):
        with pytest.raises(TrainingError, match='same arguments, but its'):
            building.prepare(reference, settings, written, folder)
    assert files(written) == before


def test_folders_that_cannot_take_a_dataset_are_refused(
    coloured: Reference, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(TrainingError, match='holds other files'):
        building.prepare(coloured, SETTINGS, images, images)
    (tmp_path / 'file').write_text('')
    with pytest.raises(TrainingError, match='is a file'):
        building.prepare(coloured, SETTINGS, tmp_path / 'file', images)
    huge = replace(SETTINGS, width=4096, height=4096, count=10**8)
    with pytest.raises(TrainingError, match='GB of free disk space'):
        building.prepare(coloured, huge, tmp_path / 'huge', images)
    with pytest.raises(TrainingError, match='expected a dataset'):
        shards.read_index(tmp_path)
    generator, index = building.prepare(coloured, SETTINGS, tmp_path / 'full', images)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(np.lib.format, 'write_array', full)
    with pytest.raises(TrainingError, match='no space is left'):
        building.build(coloured, generator, index, tmp_path / 'full')


def test_torch_reads_what_it_would_draw(written: Path, coloured: Reference) -> None:
    torch = pytest.importorskip('torch')
    from training.snapshot.torch_datasets import DrawnSnapshots, StoredSnapshots

    bank = ClusterBank.load(written / 'occluders.npz')
    drawn = DrawnSnapshots(coloured, SETTINGS, bank, epochs=2)
    stored = StoredSnapshots(written, verify=True)
    assert (len(drawn), len(stored)) == (1600, 800)
    for index in (0, 300, 799):
        for a, b in zip(drawn[index], stored[index], strict=True):
            assert torch.equal(a, b)
    assert not torch.equal(drawn[800][1], drawn[0][1])
    loader = torch.utils.data.DataLoader(stored, batch_size=50, num_workers=0)
    images, poses = next(iter(loader))
    assert images.shape == (50, 3, 24, 32)
    assert images.dtype == torch.uint8
    assert poses.shape == (50, 6)
    with pytest.raises(IndexError):
        stored[800]


def test_the_contact_sheet_shows_the_samples(written: Path, coloured: Reference, tmp_path: Path) -> None:
    settings = replace(SETTINGS, width=160, height=120)
    generator = SnapshotGenerator(coloured, settings, ClusterBank.load(written / 'occluders.npz'))
    sheet = preview.contact_sheet(generator, columns=4)
    rows, height = 5, 22 + 120 + 6
    assert sheet.shape == (rows * height, 4 * 166 + 6, 3)
    last = sheet[4 * height + 22 :, 6 : 6 + 160][:120]
    np.testing.assert_array_equal(last, generator.sample(0).image)
    preview.write(tmp_path / 'sheet.png', sheet)
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / 'sheet.png')), sheet)
    with pytest.raises(TrainingError, match='cannot write the preview'):
        preview.write(tmp_path / 'missing' / 'sheet.png', sheet)
