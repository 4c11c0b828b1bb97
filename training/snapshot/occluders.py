"""Occluders: coherent clusters of pixels of other images, cut out by SLIC (paper, section III-B.2)."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from zipfile import BadZipFile

import cv2
import numpy as np

from training.errors import TrainingError
from training.images import textures
from training.images.corpus import IMAGE_SUFFIXES

IMAGE_SIZE = 256  # longer side at which images are segmented, px
DRAWN_IMAGES = 40
LARGEST_FOLDER = 200  # images read of a folder
DRAWN = 'drawn textures'

_SEGMENTS = (8, 40)  # superpixels an image
_SMALLEST = 100  # px


@dataclass(frozen=True)
class ClusterBank:
    """Clusters of pixels, one after the other.

    Attributes:
        pixels: (T, C + 1) uint8, the bounding boxes of all clusters, row by row; the last channel is 1 in the
            cluster and 0 elsewhere.
        sizes: (M, 2) int64, height and width of each bounding box.
        image_size: longer side in pixels of the images that they were cut from.
    """

    pixels: np.ndarray
    sizes: np.ndarray
    image_size: int = IMAGE_SIZE

    @cached_property
    def _ends(self) -> np.ndarray:
        return np.cumsum(self.sizes.prod(axis=1))

    def __len__(self) -> int:
        return len(self.sizes)

    def cluster(self, index: int) -> np.ndarray:
        """Return the bounding box (h, w, C + 1) uint8 of a cluster."""
        height, width = (int(side) for side in self.sizes[index])
        end = int(self._ends[index])
        return self.pixels[end - height * width : end].reshape(height, width, -1)

    @property
    def sha256(self) -> str:
        """Hash of the clusters."""
        digest = hashlib.sha256(np.ascontiguousarray(self.sizes, np.int64).tobytes())
        digest.update(np.ascontiguousarray(self.pixels).tobytes())
        return digest.hexdigest()

    def grey(self) -> ClusterBank:
        """Return the bank with one grey channel (C = 1)."""
        grey = cv2.cvtColor(self.pixels[None, :, :3], cv2.COLOR_BGR2GRAY)[0]
        return ClusterBank(np.stack([grey, self.pixels[:, 3]], axis=1), self.sizes, self.image_size)

    def save(self, path: Path) -> None:
        """Write the bank to `path` (.npz), atomically."""
        temporary = path.with_suffix('.partial.npz')
        np.savez(temporary, pixels=self.pixels, sizes=self.sizes)
        os.replace(temporary, path)

    @classmethod
    def load(cls, path: Path) -> ClusterBank:
        """Read a bank that `save` wrote. Raises TrainingError when it cannot be read."""
        try:
            with np.load(path, allow_pickle=False) as content:
                return cls(content['pixels'], content['sizes'])
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            raise TrainingError(f'expected occluders at {path}, but they cannot be read: {error}') from error


def fingerprint(folder: Path | None) -> str:
    """Return what identifies the images that a bank is cut from: their names and sizes, not their place.

    Raises TrainingError when `folder` is not a folder or holds no images.
    """
    if folder is None:
        return DRAWN
    digest = hashlib.sha256()
    for path in _image_files(folder):
        digest.update(f'{path.relative_to(folder).as_posix()} {path.stat().st_size}\n'.encode())
    return digest.hexdigest()


def build_bank(folder: Path | None, seed: int) -> ClusterBank:
    """Cut the images below `folder`, at most 200 of them, or without one 40 drawn textures, into clusters.

    Raises TrainingError when no image can be read.
    """
    rng = np.random.default_rng([seed, 0x51C])
    if folder is None:
        images = [_drawn_image(np.random.default_rng([seed, 0x51C, k])) for k in range(DRAWN_IMAGES)]
    else:
        files = _image_files(folder)
        chosen = np.sort(rng.permutation(len(files))[:LARGEST_FOLDER])
        read = (_read(files[int(k)]) for k in chosen)
        images = [image for image in read if image is not None]
    clusters = [cluster for image in images for cluster in cut_clusters(image, int(rng.integers(*_SEGMENTS)))]
    if not clusters:
        raise TrainingError(f'expected images that can be cut into clusters in {folder}, but none can be read')
    sizes = np.array([cluster.shape[:2] for cluster in clusters], np.int64)
    return ClusterBank(np.concatenate([cluster.reshape(-1, 4) for cluster in clusters]), sizes)


def cut_clusters(image: np.ndarray, segments: int) -> list[np.ndarray]:
    """Cut an image (H, W, 3) uint8 BGR into about `segments` SLIC superpixels: bounding boxes (h, w, 4)."""
    from skimage.segmentation import slic

    rgb = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    labels = slic(rgb, n_segments=segments, compactness=10, sigma=1, start_label=0)
    clusters = []
    for label in range(int(labels.max()) + 1):
        mask = (labels == label).astype(np.uint8)
        if np.count_nonzero(mask) < _SMALLEST:
            continue
        x, y, width, height = cv2.boundingRect(mask)
        box = np.s_[y : y + height, x : x + width]
        clusters.append(np.dstack([image[box], mask[box]]))
    return clusters


def paste(image: np.ndarray, cluster: np.ndarray, centre: np.ndarray, scale: float, covered: np.ndarray) -> None:
    """Paste a cluster (h, w, C + 1), resized by `scale`, over an image (H, W, C), both uint8, in place.

    `centre` (2,) is the pixel (x, y) of its middle, which may lie at the image's edge; pixels that it covers are
    set in `covered` (H, W) bool.
    """
    height, width = (max(1, round(scale * side)) for side in cluster.shape[:2])
    resized = cv2.resize(cluster, (width, height), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    mask = cv2.resize(cluster[..., -1], (width, height), interpolation=cv2.INTER_NEAREST).astype(bool)
    left, top = round(float(centre[0]) - width / 2), round(float(centre[1]) - height / 2)
    rows = slice(max(0, top), min(image.shape[0], top + height))
    columns = slice(max(0, left), min(image.shape[1], left + width))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return
    inner = np.s_[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    np.copyto(image[rows, columns], resized[inner][..., :-1], where=mask[inner][..., None])
    covered[rows, columns] |= mask[inner]


def _image_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise TrainingError(f'expected a folder of images for the occluders, but got {folder}')
    files = sorted(path for path in folder.rglob('*') if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())
    if not files:
        raise TrainingError(f'expected images ({", ".join(IMAGE_SUFFIXES)}) below {folder}, but there are none')
    return files


def _read(path: Path) -> np.ndarray | None:
    """Read an image as BGR uint8, its longer side IMAGE_SIZE; None if it is unreadable or tiny."""
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
        image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    except (OSError, cv2.error):
        return None
    if image is None or min(image.shape[:2]) < 32:
        return None
    scale = IMAGE_SIZE / max(image.shape[:2])
    size = [max(1, round(scale * side)) for side in image.shape[1::-1]]
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)


def _drawn_image(rng: np.random.Generator) -> np.ndarray:
    """Draw a texture (S, S, 3) between two random colours."""
    drawn = cv2.resize(textures.draw(rng, 320), (IMAGE_SIZE, IMAGE_SIZE), interpolation=cv2.INTER_AREA)
    dark, bright = rng.uniform(0, 120, 3), rng.uniform(110, 255, 3)
    share = drawn[..., None].astype(np.float64) / 255
    return np.rint(dark + share * (bright - dark)).astype(np.uint8)
