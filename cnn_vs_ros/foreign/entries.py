"""Entries of a mapping that someone else wrote, by name and by what they should be."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from cnn_vs_ros.errors import VisualServoingError

_LONGEST = 60


class Entries:
    """A mapping read from a file; what is asked for is checked, and refused with `error` and the file's name."""

    def __init__(self, values: Any, source: str, error: type[VisualServoingError]) -> None:
        if not isinstance(values, Mapping):
            raise error(f'{source} should hold named entries but holds {shortened(values)}')
        self._values, self._source, self._error = values, source, error

    def __contains__(self, name: str) -> bool:
        return self._values.get(name) is not None

    def __getitem__(self, name: str) -> Any:
        if name not in self:
            raise self._error(f'{self._source} should have the entry {name!r} but lacks it')
        return self._values[name]

    def items(self) -> list[tuple[Any, Any]]:
        """All entries, unchecked."""
        return list(self._values.items())

    def number(self, name: str, least: float = -math.inf, most: float = math.inf) -> float:
        """Finite number within bounds."""
        return self._number(name, self[name], least, most)

    def whole(self, name: str, least: int, most: int) -> int:
        """Whole number within bounds."""
        value = self.number(name, least, most)
        if value != int(value):
            raise self._refusal(name, 'a whole number', self[name])
        return int(value)

    def numbers(self, name: str, most: int) -> list[float]:
        """Finite numbers, `most` at most, of a list or of a {rows, cols, data} matrix."""
        value = self[name]
        values = value.get('data') if isinstance(value, Mapping) else value
        if not isinstance(values, list) or len(values) > most:
            raise self._refusal(name, f'a list of at most {most} numbers', value)
        return [self._number(name, item, -math.inf, math.inf) for item in values]

    def text(self, name: str, default: str | None = None) -> str:
        """Text; `default` where there is no such entry."""
        value = default if default is not None and name not in self else self[name]
        if not isinstance(value, str):
            raise self._refusal(name, 'text', value)
        return value

    def _number(self, name: str, value: Any, least: float, most: float) -> float:
        number = math.nan
        if isinstance(value, int | float) and not isinstance(value, bool):
            try:
                number = float(value)
            except OverflowError:
                number = math.nan
        if not (math.isfinite(number) and least <= number <= most):
            limits = '' if math.isinf(least) and math.isinf(most) else f' from {least:g} to {most:g}'
            raise self._refusal(name, f'a number{limits}', value)
        return number

    def _refusal(self, name: str, expected: str, value: Any) -> VisualServoingError:
        return self._error(f'{self._source}: {name!r} should be {expected} but is {shortened(value)}')


def shortened(value: Any) -> str:
    """What a message says of a foreign value: its beginning."""
    try:
        text = repr(value)
    except ValueError:  # a whole number of too many digits
        return 'an immense number'
    return text if len(text) <= _LONGEST else f'{text[:_LONGEST]}...'
