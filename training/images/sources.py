"""Where the textures come from that views are drawn of: tiles of a corpus, and drawn ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from training.images import textures
from training.images.corpus import Corpus

DRAWN_SHARE = 0.45
"""Share of textures that are drawn, where nothing else is said."""


class TextureSource:
    """Grey textures (S, S) uint8 for the split `split` of a corpus; the drawn ones of `kind`, if one is given.

    Raises TrainingError for a folder without a corpus, or without tiles of the split.
    """

    def __init__(
        self, corpus: Path, split: str, *, drawn_share: float = DRAWN_SHARE, kind: str | None = None
    ) -> None:
        loaded = Corpus.load(corpus)
        loaded.require(split)
        self._tiles, self._indices = loaded.tiles, loaded.indices(split)
        self._drawn_share, self._kind = drawn_share, kind

    def texture(self, rng: np.random.Generator) -> np.ndarray:
        """Draw a texture."""
        if rng.random() < self._drawn_share:
            return textures.draw(rng, self._tiles.shape[1], lambda: self.tile(rng), self._kind)
        return self.tile(rng)

    def tile(self, rng: np.random.Generator) -> np.ndarray:
        """Choose a tile."""
        return np.asarray(self._tiles[rng.choice(self._indices)])
