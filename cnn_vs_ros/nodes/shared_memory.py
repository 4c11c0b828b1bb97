"""Noticing that Fast DDS lost the shared memory on which this process listens.

A process that is killed may leave the lock of a port behind. The next one on that port and its senders then break
the lock after two seconds, each for itself, and may remove the memory that another has just made: that node hears
nobody from then on, and says nothing of it (eProsima/Fast-DDS, issue 6117).
"""

from __future__ import annotations

import os
import re
from pathlib import Path

_PORT = re.compile(r'/dev/shm/(fast\w+_port\d+)')


def lost_ports(process: Path = Path('/proc/self')) -> list[str]:
    """Names of the ports that this process listens on though their memory was removed; none where no /proc is."""
    try:
        maps = (process / 'maps').read_text()
        removed = [line for line in maps.splitlines() if line.endswith('(deleted)')]
        mapped = {found[1] for line in removed if (found := _PORT.search(line))}
        return sorted(mapped & _listened(process)) if mapped else []
    except OSError:
        return []


def _listened(process: Path) -> set[str]:
    """Ports whose lock this process holds: only a listener does."""
    ports = set()
    for descriptor in (process / 'fd').iterdir():
        try:
            target = os.readlink(descriptor)
        except OSError:  # closed meanwhile
            continue
        found = re.fullmatch(_PORT.pattern + '_el', target)
        if found:
            ports.add(found[1])
    return ports
