"""Parameters given to a node that it does not have: a slip of the pen would leave a limit as it was."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import yaml
from rclpy.node import Node

from cnn_vs_ros.errors import ParameterError, VisualServoingError
from cnn_vs_ros.foreign.yaml_text import read_yaml
from cnn_vs_ros.resources import config_path

_LAZY = 'qos_overrides.'
"""Declared where a topic is made, which may be later."""

_EVERYWHERE = ('*', '**')
_ALIKE = 0.75


def check_overrides(node: Node, args: Sequence[str] | None = None) -> None:
    """Compare what a node was given with what it declared, after it was made.

    A section for all nodes (``/**``) may hold parameters of others of this package, and a file sections of others'
    nodes, unless their names are nearly those of this package.

    Raises:
        ParameterError: with the nearest right name.
    """
    sections = _sections(sys.argv if args is None else args)
    ours = _parameters_by_node()
    for name in sections:
        last = name.rpartition('/')[2]
        alike = difflib.get_close_matches(last, [*ours, node.get_name()], 1, _ALIKE)
        if alike and last not in ours and last != node.get_name():
            raise ParameterError(f'section {name} of the params file should be of a node: {alike[0]}?')
    shared = {
        parameter
        for name, parameters in sections.items()
        if name.rpartition('/')[2] in _EVERYWHERE
        for parameter in parameters
    } & set().union(*ours.values())
    declared = list(node._parameters)
    for name in node._parameter_overrides:
        if not (node.has_parameter(name) or name.startswith(_LAZY) or name in shared):
            nearest = _nearest(name, declared)
            raise ParameterError(
                f'{node.get_name()} should be given parameters that it has but got {name}{nearest}'
            )


def _nearest(name: str, known: Iterable[str]) -> str:
    alike = difflib.get_close_matches(name, list(known), 1, 0.5)
    return f': {alike[0]}?' if alike else ''


def _parameters_by_node() -> dict[str, set[str]]:
    sections = yaml.safe_load(config_path('servo.yaml').read_text())
    return {name.rpartition('/')[2]: set(_flat(values['ros__parameters'])) for name, values in sections.items()}


def _sections(args: Sequence[str]) -> dict[str, set[str]]:
    """Names of parameters by section of the params files among a node's arguments."""
    files = [args[index + 1] for index, word in enumerate(args[:-1]) if word == '--params-file']
    found: dict[str, set[str]] = {}
    for file in files:
        try:
            entries = read_yaml(file, ParameterError)
        except VisualServoingError:
            continue  # rcl has read it: what it holds is none of ours
        for name, values in entries.items():
            if isinstance(values, dict) and isinstance(values.get('ros__parameters'), dict):
                found.setdefault(str(name), set()).update(_flat(values['ros__parameters']))
    return found


def _flat(values: dict[Any, Any], prefix: str = '') -> list[str]:
    names: list[str] = []
    for name, value in values.items():
        names += _flat(value, f'{prefix}{name}.') if isinstance(value, dict) else [f'{prefix}{name}']
    return names
