"""What unfinished work is of: it is gone on with where that is still the same."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import Any

from cnn_vs_ros.estimation import Reference


def identity_of(reference: Reference) -> dict[str, Any]:
    """Return what views of a reference depend on: its pixels, its mask, its plane and its camera."""
    mask = reference.mask
    return as_json(
        {
            'reference_sha256': reference.sha256,
            'mask_sha256': None if mask is None else hashlib.sha256((mask > 0).tobytes()).hexdigest(),
            'depth': float(reference.depth),
            'normal': reference.plane.normal.tolist(),
            'reference_camera': asdict(reference.camera),
        }
    )


def as_json(content: dict[str, Any]) -> dict[str, Any]:
    """Return `content` as JSON gives it back: tuples are lists then."""
    return json.loads(json.dumps(content))
