from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip('skimage')

from training.errors import TrainingError
from training.snapshot import occluders
from training.snapshot.occluders import ClusterBank


def quarters() -> np.ndarray:
    image = np.zeros((128, 192, 3), np.uint8)
    image[:64, :96], image[64:, :96], image[:64, 96:], image[64:, 96:] = (255, 0, 0), (0, 255, 0), (0, 0, 255), 200
    return image


def test_clusters_are_the_coherent_parts_of_an_image() -> None:
    image = quarters()
    clusters = occluders.cut_clusters(image, 4)
    assert len(clusters) >= 4
    shares = []
    for cluster in clusters:
        inside = cluster[cluster[..., 3] == 1][:, :3]
        assert set(np.unique(cluster[..., 3])) <= {0, 1}
        shares.append(np.unique(inside, axis=0, return_counts=True)[1].max() / len(inside))
        assert cv2.connectedComponents(cluster[..., 3].copy(), connectivity=8)[0] == 2  # background and one part
    assert np.mean(shares) > 0.9
    assert sum(int(cluster[..., 3].sum()) for cluster in clusters) > 0.9 * 128 * 192


def test_a_bank_of_images_is_a_function_of_the_seed_and_survives_the_disk(tmp_path: Path) -> None:
    folder = tmp_path / 'images'
    folder.mkdir()
    cv2.imwrite(str(folder / 'quarters.png'), quarters())
    (folder / 'broken.png').write_bytes(b'no image')
    bank = occluders.build_bank(folder, 1)
    assert bank.sha256 == occluders.build_bank(folder, 1).sha256
    bank.save(tmp_path / 'bank.npz')
    loaded = ClusterBank.load(tmp_path / 'bank.npz')
    assert loaded.sha256 == bank.sha256
    assert len(loaded) == len(bank)
    np.testing.assert_array_equal(loaded.cluster(len(bank) - 1), bank.cluster(len(bank) - 1))
    assert bank.grey().cluster(0).shape == (*bank.cluster(0).shape[:2], 2)
    (tmp_path / 'bank.npz').write_bytes((tmp_path / 'bank.npz').read_bytes()[:200])
    with pytest.raises(TrainingError, match='cannot be read'):
        ClusterBank.load(tmp_path / 'bank.npz')


def test_folders_without_images_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match='expected a folder of images'):
        occluders.fingerprint(tmp_path / 'missing')
    with pytest.raises(TrainingError, match='but there are none'):
        occluders.fingerprint(tmp_path)
    (tmp_path / 'broken.png').write_bytes(b'no image')
    with pytest.raises(TrainingError, match='none can be read'):
        occluders.build_bank(tmp_path, 0)


def test_pasting_changes_only_what_it_reports(bank: ClusterBank) -> None:
    for centre in ([40.0, 30.0], [0.0, 0.0], [79.0, 59.0], [500.0, 500.0]):
        image = np.full((60, 80, 3), 128, np.uint8)
        covered = np.zeros((60, 80), bool)
        occluders.paste(image, bank.cluster(0), np.array(centre), 0.5, covered)
        assert (image[~covered] == 128).all()
        assert (image[covered] != 128).all()
    # In the middle: a disc of radius 14.
    image, covered = np.full((60, 80, 3), 128, np.uint8), np.zeros((60, 80), bool)
    occluders.paste(image, bank.cluster(0), np.array([40.0, 30.0]), 0.5, covered)
    assert covered.sum() == pytest.approx(np.pi * 14**2, rel=0.06)
    np.testing.assert_allclose(np.argwhere(covered).mean(axis=0), [29.5, 39.5], atol=1)
    np.testing.assert_array_equal(image[30, 40], [10, 200, 30])
