"""A ROS domain that no other demo of this computer uses, nor the user's own robot."""

from __future__ import annotations

import fcntl
import os
import random
import tempfile
from pathlib import Path

from cnn_vs_ros.errors import ResourceError

_DOMAINS = range(1, 102)
"""Domain ids whose ports lie below Linux's ephemeral ones."""


def _opened(path: Path) -> int:
    """Descriptor of a file that is made if it is not there; to lock one, to read it is enough, whoever made it."""
    try:
        return os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return os.open(path, os.O_RDONLY | os.O_CREAT, 0o644)


_held: dict[int, int] = {}
"""Descriptors of the locks of this process's domains; they end with it at the latest."""


def private_domain(avoid: str = '') -> int:
    """Take a domain id, never 0 nor the one to `avoid`, the user's ROS_DOMAIN_ID.

    It is this process's until that ends, or releases it.

    Raises:
        ResourceError: every one is taken.
    """
    domains = [domain for domain in _DOMAINS if str(domain) != avoid.strip() and domain not in _held]
    random.SystemRandom().shuffle(domains)
    for domain in domains:
        try:
            file = _opened(Path(tempfile.gettempdir()) / f'cnn_vs_ros-domain-{domain}.lock')
        except OSError:  # a temporary folder that is another user's alone
            continue
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            continue
        _held[domain] = file
        return domain
    raise ResourceError('some ROS domain should be free on this computer but demos hold all of them')


def release_domain(domain: int) -> None:
    """Let others have a domain that this process took, and uses no more."""
    os.close(_held.pop(domain))
