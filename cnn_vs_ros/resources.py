"""Where the package's data lies: a source checkout, a pip installation (editable or not) or a colcon workspace."""

from __future__ import annotations

import os
from pathlib import Path

from cnn_vs_ros.errors import ResourceError

PACKAGE = 'cnn_vs_ros'

SHIPPED_MODEL = 'scene_agnostic'
"""Name of the model where none is given, in resource/weights."""


def share_directory() -> Path:
    """Return the directory that holds package.xml, config/, launch/ and resource/.

    A source checkout comes first (an editable or symlinked installation then never reads stale copies), next
    `share/` of the prefix this package is installed under, last the ament index.

    Raises:
        ResourceError: the package's data is in none of these places.
    """
    package = Path(__file__).resolve().parent
    candidates = [package.parent]
    candidates += [prefix / 'share' / PACKAGE for prefix in package.parents]
    candidates += [folder / PACKAGE for folder in share_folders()]
    for candidate in candidates:
        if (candidate / 'package.xml').is_file() and (candidate / 'resource').is_dir():
            return candidate
    raise ResourceError(
        f"expected the data of {PACKAGE} in a source checkout, in an installation's share/{PACKAGE} or in the "
        f'ament index, but found it in none of them (the code runs from {package}); install the package again'
    )


def share_folders() -> list[Path]:
    """Return the folders in which ament has those of packages, of AMENT_PREFIX_PATH."""
    prefixes = os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep)
    return [Path(prefix) / 'share' for prefix in prefixes if prefix]


def resource_path(relative: str) -> Path:
    """Return the path of a shipped resource, for example `weights/scene_agnostic.onnx`.

    Raises:
        ResourceError: there is no such file or folder.
    """
    return _existing('resource', relative)


def config_path(relative: str) -> Path:
    """Return the path of a shipped configuration file, for example `servo.yaml`.

    Raises:
        ResourceError: there is no such file.
    """
    return _existing('config', relative)


def _existing(folder: str, relative: str) -> Path:
    path = share_directory() / folder / relative
    if not path.exists():
        siblings = sorted(p.name for p in path.parent.iterdir()) if path.parent.is_dir() else []
        there = f'the folder has {", ".join(siblings)}' if siblings else 'the folder is missing or empty'
        raise ResourceError(f'expected {folder}/{relative} among the data of {PACKAGE}, found none; {there}')
    return path
