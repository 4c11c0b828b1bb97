"""Kinds of real sets, one a file: how an entry of `truth.json` is known, and read.

Each module has ``fits(entry, folder, name)`` and ``read(entry, folder, name, choice)``; the first that fits reads.
"""

from __future__ import annotations

from training.benchmark.real.kinds import boards, homographies, poses, videos

KINDS = (homographies, poses, boards, videos)
