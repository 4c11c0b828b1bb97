"""What a user would pick instead: matchers of features, one adapter a file, by name."""

from __future__ import annotations

from collections.abc import Callable

from training.benchmark.rivals import local_features
from training.benchmark.rivals.matching import Matcher

RIVALS: dict[str, Callable[[], Matcher]] = {
    'sift': local_features.sift,
    'orb': local_features.orb,
}
