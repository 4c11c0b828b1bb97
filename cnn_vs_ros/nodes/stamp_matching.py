"""Pairing two streams of messages by equal stamps, whichever comes first."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

First = TypeVar('First')
Second = TypeVar('Second')
Stamp = int
"""Nanoseconds."""


class StampMatcher(Generic[First, Second]):
    """Remembers the last `depth` unpaired items of two streams."""

    def __init__(self, depth: int = 10) -> None:
        self._depth = depth
        self._first: OrderedDict[Stamp, First] = OrderedDict()
        self._second: OrderedDict[Stamp, Second] = OrderedDict()

    def clear(self) -> None:
        """Forget what waits for its partner."""
        self._first.clear()
        self._second.clear()

    def add_first(self, stamp: Stamp, item: First) -> tuple[First, Second] | None:
        """Add an item of the first stream; return the pair if its partner has come."""
        if stamp in self._second:
            return item, self._second.pop(stamp)
        self._remember(self._first, stamp, item)
        return None

    def add_second(self, stamp: Stamp, item: Second) -> tuple[First, Second] | None:
        """Add an item of the second stream; return the pair if its partner has come."""
        if stamp in self._first:
            return self._first.pop(stamp), item
        self._remember(self._second, stamp, item)
        return None

    def _remember(self, waiting: OrderedDict, stamp: Stamp, item: object) -> None:
        waiting[stamp] = item
        if len(waiting) > self._depth:
            waiting.popitem(last=False)
