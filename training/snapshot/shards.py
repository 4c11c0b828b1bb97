"""The dataset on disk: an index `dataset.json`, and shards of images (`.npy`) with their labels (`.json`).

    dataset.json          size, seed, camera of the images, the reference, all parameters
    occluders.npz         the clusters that were pasted
    images-00000.npy      (N, H, W, C) uint8
    labels-00000.json     the hash of that file, and for each of its images pose, visible share and perturbations

A shard is complete when its labels exist; they are written last. Every file appears whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from cnn_vs_ros.estimation import Reference
from training.errors import TrainingError
from training.identity import as_json, identity_of
from training.snapshot.generator import SnapshotGenerator, SnapshotSettings
from training.snapshot.perturbations import Perturbations
from training.snapshot.viewpoints import ViewpointDraw

INDEX_FILE = 'dataset.json'
OCCLUDER_FILE = 'occluders.npz'
FORMAT_VERSION = 3

_SHARD_IMAGES = 256
_SHARD_BYTES = 64 << 20


def describe(
    reference: Reference, generator: SnapshotGenerator, occluders: dict[str, str] | None
) -> dict[str, Any]:
    """Return the content of the index; `occluders` says where they come from and the hash of the clusters."""
    settings, camera = generator.settings, generator.drawn.camera
    image_bytes = int(np.prod(generator.shape))
    return {
        'format_version': FORMAT_VERSION,
        'images': settings.total,
        'shape': list(generator.shape),
        'shard_images': max(1, min(_SHARD_IMAGES, _SHARD_BYTES // image_bytes)),
        'pose': '[t; theta u] of c0_T_c, the camera in the frame of the reference camera, in metres and radians',
        **identity_of(reference),
        'camera': {name: value for name, value in asdict(camera).items() if not name.startswith('distortion')},
        'occluders': occluders,
        'parameters': as_json(asdict(settings)),
    }


def shard_paths(folder: Path, shard: int) -> tuple[Path, Path]:
    """Return the files of the images and of the labels of a shard."""
    return folder / f'images-{shard:05d}.npy', folder / f'labels-{shard:05d}.json'


def shard_count(index: dict[str, Any]) -> int:
    """Return the number of shards of a dataset."""
    return -(-index['images'] // index['shard_images'])


def shard_indices(index: dict[str, Any], shard: int) -> range:
    """Return the indices of the samples of a shard."""
    size = index['shard_images']
    return range(shard * size, min((shard + 1) * size, index['images']))


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file atomically."""
    temporary = path.with_suffix('.partial')
    temporary.write_text(json.dumps(content, indent=1) + '\n')
    os.replace(temporary, path)


def read_index(folder: Path) -> dict[str, Any]:
    """Read a dataset's index. Raises TrainingError when the folder holds none."""
    try:
        index = json.loads((folder / INDEX_FILE).read_text())
        if index['format_version'] != FORMAT_VERSION:
            raise ValueError(f'its format_version is {index["format_version"]}, not {FORMAT_VERSION}')
        shard_count(index)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(
            f"expected a dataset (written by 'python -m training dataset') in {folder}, but got: {error}"
        ) from error
    return index


def settings_of(index: dict[str, Any]) -> SnapshotSettings:
    """Return the settings that a dataset's index holds. Raises TrainingError when they are none."""
    try:
        values = dict(index['parameters'])
        viewpoints = ViewpointDraw(**_tuples(values.pop('viewpoints')))
        perturbations = Perturbations(**_tuples(values.pop('perturbations')))
        return SnapshotSettings(**values, viewpoints=viewpoints, perturbations=perturbations)
    except (KeyError, TypeError, AttributeError) as error:
        raise TrainingError(f'expected the parameters of a dataset in {INDEX_FILE}, but got: {error}') from error


def write_shard(folder: Path, index: dict[str, Any], shard: int, generator: SnapshotGenerator) -> int:
    """Draw and write one shard; return its number of images."""
    indices = shard_indices(index, shard)
    samples = [generator.sample(i) for i in indices]
    images_file, labels_file = shard_paths(folder, shard)
    temporary = images_file.with_suffix('.partial')
    with temporary.open('wb') as file:
        np.lib.format.write_array(file, np.stack([sample.image for sample in samples]), allow_pickle=False)
    digest = _sha256(temporary)
    os.replace(temporary, images_file)
    write_json(
        labels_file,
        {
            'first': indices.start,
            'images_sha256': digest,
            'pose': [sample.pose.tolist() for sample in samples],
            'fine': [sample.fine for sample in samples],
            'visible': [round(sample.visible, 4) for sample in samples],
            'global_light': [sample.global_light for sample in samples],
            'lights': [sample.lights for sample in samples],
            'occluded': [round(sample.occluded, 4) for sample in samples],
        },
    )
    return len(samples)


def read_labels(folder: Path, index: dict[str, Any], shard: int, *, verify: bool = False) -> dict[str, Any]:
    """Read the labels of a shard; with `verify`, compare the images with their hash as well.

    Raises TrainingError, naming the file, when it is missing or corrupt.
    """
    images_file, labels_file = shard_paths(folder, shard)
    count = len(shard_indices(index, shard))
    try:
        labels = json.loads(labels_file.read_text())
        poses = np.asarray(labels['pose'], np.float64)
        if poses.shape != (count, 6) or not np.isfinite(poses).all():
            raise ValueError(f'expected {count} poses of 6 numbers, but got shape {poses.shape}')
        images = np.load(images_file, mmap_mode='r', allow_pickle=False)
        if images.shape != (count, *index['shape']) or images.dtype != np.uint8:
            raise ValueError(f'expected {count} images {index["shape"]}, but got {images.dtype} {images.shape}')
        if verify and _sha256(images_file) != labels['images_sha256']:
            raise ValueError(f'{images_file.name} has not the content that was written')
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(
            f'shard {shard} of the dataset {folder} is missing or corrupt ({error}); '
            'the command that made it makes it again'
        ) from error
    return labels


def open_images(folder: Path, shard: int) -> np.ndarray:
    """Map the images (N, H, W, C) of a shard into memory."""
    return np.load(shard_paths(folder, shard)[0], mmap_mode='r', allow_pickle=False)


def _tuples(values: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


def _sha256(path: Path) -> str:
    with path.open('rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()
