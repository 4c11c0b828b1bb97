"""Types of command-line arguments that say what is wrong with a value."""

from __future__ import annotations

import argparse
from typing import Any

from cnn_vs_ros.graph.table import ARGUMENTS


class whole_number:  # noqa: N801
    """Type of an argument: an integer in a range, which argparse names in its message."""

    def __init__(self, least: int, most: int = 2**31 - 1) -> None:
        self._least, self._most = least, most

    def __call__(self, text: str) -> int:
        """Parse it."""
        value = int(text)
        if not self._least <= value <= self._most:
            raise argparse.ArgumentTypeError(f'should be {self._least} to {self._most} but is {value}')
        return value

    def __repr__(self) -> str:
        return 'whole number'


def positive(text: str) -> float:
    """Parse a positive number."""
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f'should be positive but is {text}')
    return value


def not_negative(text: str) -> float:
    """Parse a number of zero or more."""
    value = float(text)
    if not value >= 0:
        raise argparse.ArgumentTypeError(f'should be zero or more but is {text}')
    return value


def add_shared(
    group: argparse._ActionsContainer, name: str, option: str = '', default_text: str = '', **more: Any
) -> None:
    """Declare an option that means what the argument `name` of the launch file means; not given, it is None.

    `default_text` is what the help says of that.
    """
    text = ARGUMENTS[name].text + (f' (default: {default_text})' if default_text else '')
    group.add_argument(f'--{option or name.replace("_", "-")}', dest=name, help=text, **more)


def words(name: str) -> tuple[str, ...]:
    """Return the words that the argument `name` may be."""
    return tuple(filter(None, ARGUMENTS[name].choices))
