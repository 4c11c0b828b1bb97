"""YAML as far as calibrations need it: maps, lists, numbers and text, of a bounded size and depth."""

from __future__ import annotations

import os
from typing import Any, ClassVar

import yaml

from cnn_vs_ros.errors import VisualServoingError
from cnn_vs_ros.foreign.entries import Entries
from cnn_vs_ros.foreign.files import read_bytes

MAX_BYTES = 1 << 16
MAX_DEPTH = 12
MAX_NODES = 5000
_LONGEST_NUMBER = 64
_MAP = 'tag:yaml.org,2002:map'
_OPENCV_MATRIX = 'tag:yaml.org,2002:opencv-matrix'
"""A mapping of rows, cols, dt and data."""
_TAGS = {f'tag:yaml.org,2002:{name}' for name in ('map', 'seq', 'str', 'int', 'float', 'bool', 'null')}


def parse_yaml(data: bytes | str, source: str, error: type[VisualServoingError]) -> Entries:
    """Entries of a YAML text, also as OpenCV's FileStorage writes it; dates are text.

    Raises:
        error: it is too large or too deep, no YAML, no mapping, or has aliases or tags.
    """
    if len(data) > MAX_BYTES:
        raise error(f'{source} should be short YAML but has {len(data)} bytes')
    loader = None
    try:
        loader = _Loader(_without_directive(data))
        values = loader.get_single_data()
    except (yaml.YAMLError, ValueError, LookupError, OverflowError, RecursionError) as problem:
        reason = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
        raise error(f'{source} should be plain YAML but cannot be parsed: {reason[:200]}') from problem
    finally:
        if loader is not None:
            loader.dispose()
    return Entries(values, source, error)


def _without_directive(data: bytes | str) -> bytes | str:
    """The text without the first line of OpenCV, which is YAML of no version."""
    first = b'%YAML:1.0' if isinstance(data, bytes) else '%YAML:1.0'
    return data[len(first) :] if data.startswith(first) else data  # type: ignore[arg-type]


def read_yaml(path: str | os.PathLike[str], error: type[VisualServoingError]) -> Entries:
    """Entries of a YAML file. Raises `error` as `parse_yaml` and `read_bytes` do."""
    return parse_yaml(read_bytes(path, MAX_BYTES, error), str(path), error)


class _Loader(yaml.SafeLoader):
    """SafeLoader without what makes a short text long, deep or something else than data."""

    yaml_implicit_resolvers: ClassVar[dict] = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag in _TAGS]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def __init__(self, stream: bytes | str) -> None:
        super().__init__(stream)
        self._depth = self._count = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Compose within the bounds; the parser reads no further than it is asked to."""
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError('it should have no aliases but has one')
        self._depth, self._count = self._depth + 1, self._count + 1
        if self._depth > MAX_DEPTH or self._count > MAX_NODES:
            raise yaml.YAMLError(f'it should have at most {MAX_DEPTH} levels and {MAX_NODES} entries but has more')
        node = super().compose_node(parent, index)
        self._depth -= 1
        if node.tag == _OPENCV_MATRIX and isinstance(node, yaml.MappingNode):
            node.tag = _MAP
        if node.tag not in _TAGS:
            raise yaml.YAMLError(f'it should be without tags but has {node.tag[:80]}')
        if node.tag.endswith((':int', ':float')) and len(node.value) > _LONGEST_NUMBER:
            raise yaml.YAMLError(f'it should have numbers of at most {_LONGEST_NUMBER} characters but has longer')
        return node
