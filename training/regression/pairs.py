"""Training of a regressor on pairs of images of scenes of all kinds (paper, section IV, eq. 10)."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from cnn_vs_ros.geometry import se3
from training.errors import TrainingError
from training.identity import as_json
from training.images import views
from training.images.corpus import TRAIN, VALIDATION, Corpus
from training.images.sources import TextureSource
from training.images.views import ViewSampling
from training.loop.team import Team
from training.loop.training import VALIDATION_SEED
from training.networks.architectures import architecture
from training.networks.building import make_regressor
from training.networks.site import Site
from training.regression.batches import Batches
from training.regression.loss import PoseLoss
from training.regression.options import RegressionOptions
from training.regression.training import Regression
from training.regression.validation import Validation

Array = NDArray[np.float64]

FOCAL = 1.25  # focal length of the network's camera in its widths: that of the middle of a 640x480 image at 600 px
_DEVIATION_DRAWS = 4000


def sampling(size: int = 224) -> ViewSampling:
    """Return how pairs are drawn, `size` px wide and high."""
    return ViewSampling(width=size, height=size, views=2, framed=0.0, focal=FOCAL)


def facing_sampling() -> ViewSampling:
    """Return how pairs are drawn for a network with geometry inside: the desired camera faces the plane."""
    return ViewSampling(
        width=320,
        height=240,
        views=2,
        framed=0.0,
        focal=0.9375,  # a 640x480 image at 600 px, halved
        reference_share=0.0,
        oblique=0.0,
        roll=float(np.deg2rad(45.0)),
    )


class ImagePairs(Dataset):
    """Pairs of views of one texture: images (2, H, W) uint8, current and desired, and pose (6,) float32.

    The pose is [t; theta u] of ``desired_T_current``, the translation in depths of the scene: two images alone do
    not tell how large they are. Pair `index` depends on nothing but the seed and `index`.
    """

    def __init__(self, corpus: Path, split: str, drawn: ViewSampling, *, seed: int, length: int) -> None:
        self._source = TextureSource(corpus, split)
        self._sampling, self._seed, self._length = drawn, seed, length

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Draw pair `index`."""
        if not 0 <= index < self._length:
            raise IndexError(index)
        cv2.setNumThreads(0)
        rng = np.random.default_rng([self._seed, index])
        texture = self._source.texture(rng)
        group = views.sample_group(texture, self._sampling, rng, lambda: self._source.tile(rng))
        desired, current = group.poses
        pose = se3.pose_vector(desired @ se3.inverse(current))
        return torch.from_numpy(group.images[::-1].copy()), torch.from_numpy(pose.astype(np.float32))


def deviations(drawn: ViewSampling) -> Array:
    """Return the deviations (6,) of the poses that are drawn: depths of the scene and radians."""
    rng = np.random.default_rng(0)
    vectors = []
    for _ in range(_DEVIATION_DRAWS):
        desired = views.sample_pose(drawn, rng, is_reference=True)
        current = views.sample_pose(drawn, rng, is_reference=False)
        vectors.append(se3.pose_vector(desired @ se3.inverse(current)))
    return np.asarray(np.std(vectors, axis=0))


class PairRegression(Regression):
    """A run on `pairs` new pairs an epoch; checkpoints, log and resumption as of `Regression`.

    The loss is eq. 10: eq. 7 with the translation in depths of the scene. Raises TrainingError for options that do
    not go together, or a corpus without tiles.
    """

    def __init__(
        self, corpus: Path, options: RegressionOptions, *, pairs: int, weights: str, team: Team | None = None
    ) -> None:
        self.team = team or Team()
        if pairs < options.batch or options.batch % self.team.size:
            raise TrainingError(
                f'expected pairs for one batch at least, which {self.team.size} processes share, '
                f'but got {pairs} pairs and a batch of {options.batch}'
            )
        self.options, self.corpus, self.pairs = options, corpus, pairs
        loaded = Corpus.load(corpus)
        loaded.require(TRAIN, VALIDATION)
        self.summary, self.corpus_sha256 = loaded.summary(), loaded.sha256
        self.drawn = facing_sampling() if architecture(options.architecture).is_geometric else sampling()
        torch.manual_seed(options.seed)
        self.scale = deviations(self.drawn)
        self.loss = PoseLoss.named(options.loss, self.scale.tolist(), options.beta)
        self.model, self.weights_used = make_regressor(options.architecture, self._site(), weights)
        length = pairs * options.epochs
        data = ImagePairs(corpus, TRAIN, self.drawn, seed=options.seed, length=length)
        self._set_up(Batches(data, pairs, options.batch, options.seed, renewed=True))

    def _site(self) -> Site:
        width, height = self.drawn.width, self.drawn.height
        focal = self.drawn.focal * width
        return Site(
            width=width,
            height=height,
            scale=tuple(self.scale.tolist()),
            intrinsics=(focal, focal, (width - 1) / 2, (height - 1) / 2),
        )

    @property
    def channels(self) -> int:
        """Two grey images."""
        return 2

    def _validation(self) -> Validation:
        count = self.options.validation_images
        pairs = ImagePairs(self.corpus, VALIDATION, self.drawn, seed=VALIDATION_SEED, length=count)
        return Validation(pairs, count, self._judged_at_once)

    def identity(self) -> dict[str, Any]:
        """Return all but the number of epochs."""
        return as_json(
            {
                **self._common_identity(),
                'pairs': self.pairs,
                'views': asdict(self.drawn),
                'corpus': self.corpus_sha256,
            }
        )
