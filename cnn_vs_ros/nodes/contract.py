"""What a node takes, gives and promises: its section of the documentation, for ``--help``."""

from __future__ import annotations

import re

from cnn_vs_ros.resources import share_directory

_PAGES = 'nodes.md', 'tools.md', 'moveit.md'


def contract_of(name: str) -> str:
    """Section of the documentation that has a node's name as its heading; empty where there is none."""
    for page in _PAGES:
        path = share_directory() / 'docs' / page
        text = path.read_text(encoding='utf-8') if path.is_file() else ''
        found = re.search(rf'^## {re.escape(name)}\b.*?(?=^## |\Z)', text, re.M | re.S)
        if found:
            return found.group().strip()
    return ''
