"""The transport of the nodes that must stop the arm: no shared memory.

A process that is frozen while it holds a lock of the shared memory of Fast DDS holds up all that share it, for as
long as it is frozen: a controller that hangs would keep the kinematics beside it from sending zeros.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from pathlib import Path

from cnn_vs_ros.environment import RANGE, profile_variable
from cnn_vs_ros.resources import config_path

PROFILES = {'fastdds.xml': 'fastdds_control.xml', 'fastdds_network.xml': 'fastdds_network_control.xml'}
"""Our profiles with shared memory, and beside each the same without."""

ONE_COMPUTER = 'fastdds_control.xml'

_TRANSPORTS = 'FASTDDS_BUILTIN_TRANSPORTS'


def leave_shared_memory(variables: MutableMapping[str, str] = os.environ) -> None:
    """Have this process's next participant do without shared memory, unless the user has a profile of his own."""
    local, name = variables.get(RANGE, '').upper() == 'LOCALHOST', profile_variable(variables)
    profile = Path(variables.get(name, ''))
    ours = {*PROFILES, *PROFILES.values()}
    if local and profile.name in ours and profile.with_name(ONE_COMPUTER).is_file():
        variables[name] = str(profile.with_name(ONE_COMPUTER))
    elif profile.name in PROFILES and profile.with_name(PROFILES[profile.name]).is_file():
        variables[name] = str(profile.with_name(PROFILES[profile.name]))
    elif not variables.get(name) and local:
        variables[name] = str(config_path(ONE_COMPUTER))
    elif not variables.get(name):
        variables.setdefault(_TRANSPORTS, 'UDPv4')
    if local and Path(variables.get(name, '')).name == ONE_COMPUTER:
        del variables[RANGE]  # which would add shared memory; the profile itself keeps to this computer
