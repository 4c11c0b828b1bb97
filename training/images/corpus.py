"""A corpus of grey image tiles on disk: `tiles.npy` (N, S, S) uint8 and `corpus.json`, one entry a tile."""

from __future__ import annotations

import hashlib
import json
import os
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from training.errors import TrainingError
from training.images import filters, licences
from training.progress import progress_bar

TILE_SIZE = 448
MINIMUM_SIZE = 256
VALIDATION_MODULUS = 8
IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.webp', '.bmp', '.tif', '.tiff')
# Maps that are not colour, interface art, and the scaled or screenshot copies that packages carry.
SKIPPED_NAMES = ('normal', 'gloss', '_nm.', 'screenshot', '_spec', 'specular', 'icon', 'splatt', 'alpha')
TRAIN, VALIDATION = 'train', 'validation'


@dataclass(frozen=True)
class TileRecord:
    """Origin of one tile: source folder's name, image path below it, licence, split, scale it was cut at."""

    source: str
    image: str
    licence: str
    split: str
    scale: float


@dataclass(frozen=True)
class Corpus:
    """Tiles (N, S, S) uint8, memory-mapped, with their records and the folder that they are in."""

    tiles: np.ndarray
    records: tuple[TileRecord, ...]
    folder: Path

    @classmethod
    def load(cls, folder: Path) -> Corpus:
        """Open a folder that `build` wrote.

        Raises:
            TrainingError: the folder holds no corpus, or its two files disagree.
        """
        try:
            content = json.loads((folder / 'corpus.json').read_text())
            tiles = np.load(folder / 'tiles.npy', mmap_mode='r', allow_pickle=False)
            records = tuple(TileRecord(**record) for record in content['tiles'])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise TrainingError(
                f"expected a corpus (tiles.npy and corpus.json, written by 'python -m training corpus') in "
                f'{folder}, but got: {error}'
            ) from error
        if tiles.ndim != 3 or tiles.dtype != np.uint8 or len(tiles) != len(records):
            raise TrainingError(
                f'expected uint8 tiles (N, S, S) and N records in {folder}, but got {tiles.dtype} '
                f'{tiles.shape} and {len(records)} records'
            )
        return cls(tiles, records, folder)

    def indices(self, split: str) -> np.ndarray:
        """Return the indices (M,) of the tiles of `split` ('train' or 'validation')."""
        return np.array([i for i, record in enumerate(self.records) if record.split == split], np.int64)

    def require(self, *splits: str) -> None:
        """Raise TrainingError when one of `splits` has no tile."""
        for split in splits:
            if not len(self.indices(split)):
                raise TrainingError(f'expected tiles of the {split} split in {self.folder}, but it has none')

    @cached_property
    def sha256(self) -> str:
        """Hash of tiles and records, by which an interrupted run knows its corpus."""
        digest = hashlib.sha256(repr(self.records).encode())
        for tile in self.tiles:
            digest.update(tile.tobytes())
        return digest.hexdigest()

    def summary(self) -> dict[str, dict[str, int]]:
        """Return the number of tiles and images per source and split, for a model's metadata."""
        result: dict[str, dict[str, int]] = {}
        for record in self.records:
            counts = result.setdefault(record.source, {})
            counts[record.split] = counts.get(record.split, 0) + 1
        return result


def build(
    sources: Sequence[Path],
    output: Path,
    *,
    held_out: Sequence[Path] = (),
    exclude: Sequence[str] = (),
    seed: int = 0,
    progress: bool = True,
) -> Corpus:
    """Cut the images below `sources` into tiles, filter them, and write the corpus to `output`.

    Args:
        sources: image folders; an unpacked Debian package is recognised by its copyright file, and only its
            images under accepted licences (`licences.is_accepted`) are read.
        output: folder to write `tiles.npy` and `corpus.json` to.
        held_out: folders of images that must never be trained on; near-duplicates of theirs are dropped.
        exclude: substrings of paths to leave out.
        seed: of the tile positions.
        progress: show a progress bar.

    Raises:
        TrainingError: a folder does not exist, or no tile passes.
    """
    for folder in (*sources, *held_out):
        if not folder.is_dir():
            raise TrainingError(f'expected a folder of images, but got {folder}')
    seen = [h for folder in held_out for h in _hashes(folder)]
    tiles: list[np.ndarray] = []
    records: list[TileRecord] = []
    rejected = {'licence': 0, 'size': 0, 'duplicate': 0, 'flat or periodic': 0}
    for source in sources:
        finder = licences.LicenceFinder(source)
        for path in progress_bar(list(_image_paths(source, exclude)), desc=source.name, disable=not progress):
            licence = finder.licence_of(path)
            image, refusal = _admit(path, licence, finder, seen)
            if image is None:
                rejected[refusal] += 1
                continue
            name = path.relative_to(source).as_posix()
            split = split_of(name)
            rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
            kept = [(tile, scale) for tile, scale in cut_tiles(image, rng) if _is_useful(tile)]
            rejected['flat or periodic'] += not kept
            tiles.extend(tile for tile, _ in kept)
            records.extend(TileRecord(source.name, name, licence, split, scale) for _, scale in kept)
    if not tiles:
        raise TrainingError(
            f'expected images of at least {MINIMUM_SIZE} px with texture in '
            f'{", ".join(map(str, sources)) or "no folder"}, but none passed ({rejected})'
        )
    _write(output, np.stack(tiles), records, rejected)
    return Corpus.load(output)


def _admit(
    path: Path, licence: str, finder: licences.LicenceFinder, seen: list[int]
) -> tuple[np.ndarray | None, str]:
    """Return an image that may be cut, adding its hash to `seen`, or None and why not."""
    if finder.is_package and not licences.is_accepted(licence):
        return None, 'licence'
    image = read_grey(path)
    if image is None or min(image.shape) < MINIMUM_SIZE:
        return None, 'size'
    image_hash = filters.difference_hash(image)
    if filters.is_duplicate(image_hash, seen):
        return None, 'duplicate'
    seen.append(image_hash)
    return image, ''


def split_of(name: str) -> str:
    """Return the split of an image from its name alone, so that copies at other sizes fall in the same one."""
    group = re.sub(r'@\dx', '', name.split('/contents/')[0].rsplit('/', 1)[-1]).rsplit('.', 1)[0]
    return VALIDATION if zlib.crc32(group.lower().encode()) % VALIDATION_MODULUS == 0 else TRAIN


def cut_tiles(image: np.ndarray, rng: np.random.Generator) -> Iterator[tuple[np.ndarray, float]]:
    """Cut a grey image (H, W) into tiles (S, S) at several scales, and yield each with its scale."""
    smallest = min(image.shape)
    scales: list[tuple[float, int]]
    if smallest >= 2 * TILE_SIZE:
        scales = [(1.0, 3), (0.5, 5), (max(0.25, TILE_SIZE / smallest), 4)]
    elif smallest > 1.25 * TILE_SIZE:
        scales = [(1.0, 3), (TILE_SIZE / smallest, 2)]
    else:
        scales = [(TILE_SIZE / smallest, 2 if max(image.shape) > 1.5 * smallest else 1)]
    for scale, count in scales:
        size = [max(TILE_SIZE, round(length * scale)) for length in image.shape]
        interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        resized = image if scale == 1 else cv2.resize(image, (size[1], size[0]), interpolation=interpolation)
        for _ in range(count):
            y = int(rng.integers(resized.shape[0] - TILE_SIZE + 1))
            x = int(rng.integers(resized.shape[1] - TILE_SIZE + 1))
            yield np.ascontiguousarray(resized[y : y + TILE_SIZE, x : x + TILE_SIZE]), round(scale, 4)


def read_grey(path: Path) -> np.ndarray | None:
    """Read an image file as grey uint8 (H, W); None if it is unreadable."""
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
        return cv2.imdecode(data, cv2.IMREAD_GRAYSCALE) if data.size else None
    except (OSError, cv2.error):
        return None


def _is_useful(tile: np.ndarray) -> bool:
    return filters.is_textured(tile) and filters.periodicity(tile) < filters.MAXIMUM_PERIODICITY


def _image_paths(folder: Path, exclude: Sequence[str]) -> Iterator[Path]:
    """Yield the image files below `folder`; of one KDE wallpaper only the largest file."""
    largest: dict[str, Path] = {}
    for path in sorted(folder.rglob('*')):
        name = path.relative_to(folder).as_posix().lower()
        skipped = any(word in name for word in (*SKIPPED_NAMES, *map(str.lower, exclude)))
        if path.suffix.lower() not in IMAGE_SUFFIXES or skipped or path.is_symlink():
            continue
        key = name.split('/contents/')[0]
        if key not in largest or path.stat().st_size > largest[key].stat().st_size:
            largest[key] = path
    yield from largest.values()


def _hashes(folder: Path) -> Iterator[int]:
    """Yield the hashes of all images below `folder`, whatever their names."""
    for path in sorted(folder.rglob('*')):
        image = read_grey(path) if path.suffix.lower() in IMAGE_SUFFIXES else None
        if image is not None:
            yield filters.difference_hash(image)


def _write(output: Path, tiles: np.ndarray, records: list[TileRecord], rejected: dict[str, int]) -> None:
    output.mkdir(parents=True, exist_ok=True)
    content = {
        'tile_size': TILE_SIZE,
        'rejected_images': rejected,
        'tiles': [asdict(record) for record in records],
    }
    new_tiles, new_index = output / 'tiles.partial.npy', output / 'corpus.partial.json'
    np.save(new_tiles, tiles, allow_pickle=False)
    new_index.write_text(json.dumps(content, indent=1) + '\n')
    # Without an index there is no corpus; the old one must not be taken for that of the new tiles.
    (output / 'corpus.json').unlink(missing_ok=True)
    os.replace(new_tiles, output / 'tiles.npy')
    os.replace(new_index, output / 'corpus.json')
