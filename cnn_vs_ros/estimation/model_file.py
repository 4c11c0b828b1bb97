"""Model files: one ``.onnx`` with its metadata inside. They are data; nothing in them is executed as code."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from cnn_vs_ros.environment import user_path
from cnn_vs_ros.errors import ModelError
from cnn_vs_ros.foreign.json_text import parse_json
from cnn_vs_ros.resources import resource_path

FORMAT_VERSION = 1

_MAX_BYTES = 1 << 30
MAX_PIXELS = 8192
"""Greatest width or height of the images that a model may ask for."""


@dataclass(frozen=True)
class ModelFile:
    """A loaded model: its `name`, `path`, onnxruntime `session` and `metadata` (text by key)."""

    name: str
    path: Path
    session: onnxruntime.InferenceSession
    metadata: dict[str, str] = field(repr=False)

    @property
    def kind(self) -> str:
        """What the model is, e.g. ``scene_agnostic_matcher``."""
        return self.metadata['kind']

    def number(self, key: str) -> float:
        """Metadata entry `key` as a finite number. Raises ModelError when it is missing or not one."""
        try:
            value = float(self.metadata[key])
        except KeyError as error:
            raise ModelError(f'model {self.path} should state {key!r} in its metadata but does not') from error
        except ValueError as error:
            raise ModelError(
                f'model {self.path}: metadata {key!r} should be a number but is {self.metadata[key]!r}'
            ) from error
        if not math.isfinite(value):
            raise ModelError(f'model {self.path}: metadata {key!r} should be finite but is {value}')
        return value

    def whole(self, key: str, most: int = MAX_PIXELS) -> int:
        """Metadata entry `key` as a whole number from 1 to `most`. Raises ModelError when it is not one."""
        value = self.number(key)
        if not (1 <= value <= most and value == int(value)):
            raise ModelError(
                f'model {self.path}: metadata {key!r} should be a whole number from 1 to {most} but is {value:g}'
            )
        return int(value)

    def run(self, outputs: dict[str, int], image: np.ndarray) -> list[np.ndarray]:
        """Run the model on its input ``image``; `outputs` are the names of the outputs and their dimensions.

        Raises ModelError when the model does not take such an image or gives something else.
        """
        try:
            results = self.session.run(list(outputs), {'image': image})
        except Exception as error:  # onnxruntime's exceptions share no public base class
            raise ModelError(f'model {self.path} should take an image {image.shape} but fails: {error}') from error
        for (name, dimensions), result in zip(outputs.items(), results, strict=True):
            if result.ndim != dimensions:
                raise ModelError(
                    f'model {self.path}: {name} should have {dimensions} dimensions but is {result.shape}'
                )
        return results

    def structure(self, key: str) -> Any:
        """Metadata entry `key` parsed as JSON; empty when it is missing or malformed."""
        try:
            return parse_json(self.metadata.get(key, '{}'))
        except ValueError:
            return {}


def shipped_models() -> list[str]:
    """Names of the models that come with the package."""
    return sorted(path.stem for path in resource_path('weights').glob('*.onnx'))


def load_model(name_or_path: str | os.PathLike[str], threads: int = 1) -> ModelFile:
    """Load a shipped model by name or a model file by path.

    `threads` is the number of cores that inference may use. Raises ModelError, in one sentence, when the file is
    missing, is not an ONNX model or carries no metadata of this package.
    """
    path = _find(name_or_path)
    if path.stat().st_size > _MAX_BYTES:
        raise ModelError(f'model {path} should be smaller than 1 GiB but has {path.stat().st_size} bytes')
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    # No slower, and what the largest batch once took is given back.
    options.enable_cpu_mem_arena = False
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=['CPUExecutionProvider'])
    except Exception as error:  # onnxruntime's exceptions share no public base class
        raise ModelError(f'model {path} should be an ONNX file but cannot be read; is it corrupt?') from error
    metadata = dict(session.get_modelmeta().custom_metadata_map)
    if metadata.get('format_version') != str(FORMAT_VERSION) or 'kind' not in metadata:
        raise ModelError(
            f"model {path} should carry this package's metadata (kind, format_version {FORMAT_VERSION}) "
            f'but carries {sorted(metadata) or "none"}'
        )
    return ModelFile(path.stem, path, session, metadata)


def _find(name_or_path: str | os.PathLike[str]) -> Path:
    path = user_path(name_or_path)
    if path.suffix == '.onnx' or path.parent != Path('.'):
        if path.is_file():
            return path
        raise ModelError(f'model file {path} does not exist')
    shipped = resource_path('weights') / f'{path.name}.onnx'
    if shipped.is_file():
        return shipped
    raise ModelError(
        f'model should be one of {", ".join(shipped_models()) or "(none shipped)"} '
        f'or a path to an .onnx file but is {str(name_or_path)!r}'
    )
