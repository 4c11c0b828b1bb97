"""JSON that someone else wrote, of a bounded size."""

from __future__ import annotations

import json
from typing import Any

MAX_CHARACTERS = 1 << 20


def parse_json(text: str) -> Any:
    """What a JSON text says. Raises ValueError for a text that is none, too long or too deep."""
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f'it should have at most {MAX_CHARACTERS} characters but has {len(text)}')
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError('it should have fewer levels') from error
