"""Images as cameras about the reference pose would take them, each with its pose (paper, section III)."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.estimation import Reference
from cnn_vs_ros.geometry import se3
from training.errors import TrainingError
from training.images import textures
from training.snapshot import perturbations
from training.snapshot.drawn_reference import DrawnReference
from training.snapshot.occluders import ClusterBank
from training.snapshot.perturbations import Perturbations
from training.snapshot.viewpoints import ViewpointDraw

Array = NDArray[np.float64]

OUTSIDE = ('random', 'mean', 'black', 'textured')
_SMALLEST, _LARGEST = 16, 4096
_TEXTURES = 16  # that surroundings are taken from


@dataclass(frozen=True)
class SnapshotSettings:
    """What is drawn: `count` images of the wide draw, then `fine` of the fine one, `width` x `height` px.

    `outside` is what a view shows beyond the edge of the snapshot: a random grey level, the snapshot's mean,
    black, or a drawn texture. `grey` asks for one channel where the snapshot has colours.
    """

    width: int = 224
    height: int = 224
    count: int = 10_000
    fine: int = 1_000
    seed: int = 0
    outside: str = 'random'
    grey: bool = False
    viewpoints: ViewpointDraw = field(default_factory=ViewpointDraw)
    perturbations: Perturbations = field(default_factory=Perturbations)

    def __post_init__(self) -> None:
        if not all(_SMALLEST <= side <= _LARGEST for side in (self.width, self.height)):
            raise TrainingError(
                f'expected images of {_SMALLEST} to {_LARGEST} px a side, but got {self.width}x{self.height}'
            )
        if self.count < 0 or self.fine < 0 or self.total == 0:
            raise TrainingError(f'expected a positive number of images, but got {self.count} and {self.fine} fine')
        if self.seed < 0:
            raise TrainingError(f'expected a seed of 0 or more, but got {self.seed}')
        if self.outside not in OUTSIDE:
            raise TrainingError(f'expected outside to be one of {", ".join(OUTSIDE)}, but got {self.outside!r}')

    @property
    def total(self) -> int:
        """Number of images."""
        return self.count + self.fine


@dataclass(frozen=True)
class SnapshotSample:
    """One image (H, W, C) uint8 with its label.

    `pose` (6,) is [t; theta u] of ``c0_T_c`` in metres and radians: the camera in the frame of the reference
    camera (paper, eq. 4). `visible` is the share of the image that shows the snapshot, occluders apart, and
    `occluded` the share that occluders cover.
    """

    image: np.ndarray
    pose: Array
    fine: bool
    visible: float
    global_light: bool
    lights: int
    occluded: float


class SnapshotGenerator:
    """Draws samples from a reference; sample `index` depends on nothing but the settings, the bank and `index`."""

    def __init__(self, reference: Reference, settings: SnapshotSettings, bank: ClusterBank | None) -> None:
        self.settings = settings
        self.drawn = DrawnReference(reference, (settings.width, settings.height), partial(_channels, settings))
        source = self.drawn.source
        self.channels = source.shape[2] if source.ndim == 3 else 1
        self._bank = bank.grey() if bank is not None and self.channels == 1 else bank
        side = max(self.drawn.source_camera.size)
        count = _TEXTURES if settings.outside == 'textured' else 0
        self._textures = [textures.draw(np.random.default_rng([settings.seed, k, 4]), side) for k in range(count)]
        self.warp_seconds = 0.0

    @property
    def shape(self) -> tuple[int, int, int]:
        """(H, W, C) of the images."""
        return self.settings.height, self.settings.width, self.channels

    def sample(self, index: int, changes: Perturbations | None = None) -> SnapshotSample:
        """Draw sample `index`; those from the settings' `count` on are of the fine draw, and so on in turn.

        `changes` replaces the settings' perturbations. Viewpoint, light, occlusion and noise are drawn from
        streams of their own, so changing one leaves the others.
        """
        seed = self.settings.seed
        fine = index % self.settings.total >= self.settings.count
        viewpoint_rng = np.random.default_rng([seed, index, 0])
        pose = self.settings.viewpoints.sample(viewpoint_rng, self.drawn.depth, fine=fine)
        image, visible = self._warp(pose, viewpoint_rng)
        changes = changes or self.settings.perturbations
        image, global_light, lights = perturbations.relight(
            image, changes, np.random.default_rng([seed, index, 1])
        )
        occluded = perturbations.occlude(image, changes, self._bank, np.random.default_rng([seed, index, 2]))
        image = perturbations.add_noise(image, changes, np.random.default_rng([seed, index, 3]))
        return SnapshotSample(image, se3.pose_vector(pose), fine, visible, global_light, lights, occluded)

    def _warp(self, pose: Array, rng: np.random.Generator) -> tuple[np.ndarray, float]:
        begun = time.perf_counter()
        fill = {'random': float(rng.integers(256)), 'mean': float(self.drawn.source.mean())}
        image, shown = self.drawn.view(
            se3.inverse(pose),
            fill.get(self.settings.outside, 0.0),
            partial(self._surroundings, rng) if self.settings.outside == 'textured' else None,
        )
        self.warp_seconds += time.perf_counter() - begun
        return image.reshape(self.shape), float(shown.mean())

    def _surroundings(self, rng: np.random.Generator, homography: Array) -> np.ndarray:
        """Return a texture (H, W), drawn on the same plane."""
        texture = self._textures[int(rng.integers(_TEXTURES))]
        return cv2.warpPerspective(texture, homography, self.drawn.camera.size, borderMode=cv2.BORDER_REFLECT)


def _channels(settings: SnapshotSettings, image: np.ndarray) -> np.ndarray:
    """Return an image (H, W) grey, or (H, W, 3) BGR if it has colours and they are wanted."""
    if image.ndim == 3 and image.shape[2] == 1:
        return image[..., 0]
    return cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) if settings.grey and image.ndim == 3 else image
