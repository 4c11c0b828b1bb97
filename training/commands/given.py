"""What was given on the command line, where the default hangs on the architecture: None stands for not given."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from training.errors import TrainingError


def fields_given(arguments: argparse.Namespace, options: type, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments that are fields of `options`, with `defaults` for those that were not given."""
    names = {field.name for field in fields(options)}
    given = {name: value for name, value in vars(arguments).items() if name in names and value is not None}
    return {**defaults, **given}


def refuse_unused(arguments: argparse.Namespace, unused: Iterable[str], user: str = '') -> None:
    """Raise TrainingError when one of the arguments `unused`, which `user` does not use, was given.

    The user is the architecture, by default.
    """
    for name in unused:
        if getattr(arguments, name) is not None:
            raise TrainingError(
                f'expected options that {user or f"architecture {arguments.architecture}"} uses, '
                f'but got --{name.replace("_", "-")}'
            )


def refuse_team(architecture: str) -> None:
    """Raise TrainingError when torchrun started several processes, for an `architecture` that trains in one."""
    from training.loop.team import processes

    if processes() > 1:
        raise TrainingError(
            f'expected one process for architecture {architecture}, but torchrun started {processes()}'
        )
