"""`launch` and `launch_ros` as far as the launch files need them, to see what these describe; nothing starts."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

MODULES = (
    'launch',
    'launch.actions',
    'launch.event_handlers',
    'launch.events.process',
    'launch.launch_description_sources',
    'launch.substitutions',
    'launch_ros',
    'launch_ros.actions',
    'launch_ros.parameter_descriptions',
    'launch_ros.substitutions',
)


class Entity:
    """Whatever a launch file makes: the words that it was given."""

    def __init__(self, *words: Any, **named: Any) -> None:
        self.words, self.named = words, named

    @property
    def name(self) -> str:
        """Of an argument."""
        return self.words[0]

    def perform(self, context: dict[str, str]) -> str:
        """Value of a launch argument."""
        return context[self.words[0]]


class _Module(ModuleType):
    def __getattr__(self, name: str) -> type[Entity]:
        if name.startswith('_'):
            raise AttributeError(name)
        made = type(name, (Entity,), {})
        setattr(self, name, made)
        return made


def described(file: Path, **given: str) -> list[Entity]:
    """All that a launch file describes for the arguments given, those within others too."""
    before = {name: sys.modules.get(name) for name in MODULES}
    sys.modules.update({name: _Module(name) for name in MODULES})
    try:
        description = runpy.run_path(str(file))['generate_launch_description']()
        *declared, function = description.words[0]
        defaults = {argument.name: argument.named['default_value'] for argument in declared}
        assert set(given) <= set(defaults)
        for argument in declared:
            name, choices = argument.name, argument.named.get('choices')
            assert choices is None or {**defaults, **given}[name] in choices, name
        return _flat([*declared, *function.named['function']({**defaults, **given})])
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


def _flat(value: Any) -> list[Entity]:
    if isinstance(value, Entity):
        return [value, *_flat(list(value.words)), *_flat(list(value.named.values()))]
    if isinstance(value, list | tuple):
        return [entity for item in value for entity in _flat(item)]
    return []


def executables(entities: list[Entity]) -> dict[str, Entity]:
    """The nodes among them, by their executables."""
    return {entity.named['executable']: entity for entity in entities if 'executable' in entity.named}
