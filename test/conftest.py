"""Marks what runs processes in real time: a busy computer disturbs it, so `make test` runs it by itself.

What simulates in lockstep waits for whoever is slow, and is not among it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

REAL_TIME = 'graph', 'nodes', 'soak'


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.relative_to(Path(__file__).parent).parts[0] in REAL_TIME:
            item.add_marker(pytest.mark.real_time)
