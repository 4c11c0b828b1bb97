from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from training.images import textures


@pytest.fixture(scope='session')
def drawn_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus of six drawn tiles, in both splits."""
    folder = tmp_path_factory.mktemp('corpus')
    tiles = np.stack([textures.draw(np.random.default_rng(seed), 448) for seed in range(6)])
    np.save(folder / 'tiles.npy', tiles)
    records = [
        {
            'source': 'drawn',
            'image': f'{index}.png',
            'licence': 'CC0-1.0',
            'split': 'train' if index < 4 else 'validation',
            'scale': 1.0,
        }
        for index in range(6)
    ]
    (folder / 'corpus.json').write_text(json.dumps({'tile_size': 448, 'tiles': records}))
    return folder
