"""The progress bar of whatever takes long."""

from __future__ import annotations

import sys
from typing import Any

from tqdm import tqdm

_TERMINAL, _LOG = 1.0, 30.0  # s between refreshes; in a log file each is a line


def progress_bar(*args: Any, **options: Any) -> tqdm:
    """Return tqdm's bar with these arguments, refreshed as often as the place that it is written to bears."""
    return tqdm(*args, mininterval=_TERMINAL if sys.stderr.isatty() else _LOG, **options)
