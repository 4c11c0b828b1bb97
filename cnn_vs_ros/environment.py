"""What the environment of a process must be for nodes to run, checked before any starts; paths that it gives."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping, MutableMapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from cnn_vs_ros.errors import EnvironmentVariableError

RANGE = 'ROS_AUTOMATIC_DISCOVERY_RANGE'
MIDDLEWARE = 'RMW_IMPLEMENTATION'
SERVER = 'ROS_DISCOVERY_SERVER'
_PROFILE, _PROFILE_TO_JAZZY = 'FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE'
_BLAS_THREADS = 'OPENBLAS_NUM_THREADS'
_KILTED = 9
"""Major version of rclpy from which on Fast DDS has its new name, and warns of the old one."""


def keep_blas_to_one_core(variables: MutableMapping[str, str] | None = None) -> None:
    """Let NumPy's OpenBLAS multiply on one core, where the user has set nothing else. Before NumPy is imported.

    It takes all of them for the products of descriptors otherwise, and where one is busy the others wait for it,
    turning: beside other work an image then takes twice the processor's time.
    """
    (os.environ if variables is None else variables).setdefault(_BLAS_THREADS, '1')


def check_environment(variables: Mapping[str, str] | None = None) -> None:
    """Check what a node needs that ROS itself refuses late, at length or not at all.

    Raises:
        EnvironmentVariableError: by the name of the variable.
    """
    variables = os.environ if variables is None else variables
    check_middleware(variables)
    if variables.get(RANGE) == 'OFF':
        raise EnvironmentVariableError(
            f'{RANGE} should let nodes find one another but is OFF: LOCALHOST for those of this computer'
        )
    name, folder = _log_folder(variables)
    if not _is_writable(folder):
        raise EnvironmentVariableError(
            f'{name} should lead to a folder of logs that can be written but leads to {folder}: '
            'set ROS_LOG_DIR or ROS_HOME to another'
        )


def check_middleware(variables: Mapping[str, str] | None = None) -> None:
    """Check that the middleware chosen is there. Raises EnvironmentVariableError."""
    name = (os.environ if variables is None else variables).get(MIDDLEWARE, '')
    if name and not _is_library(f'lib{name}.so'):
        raise EnvironmentVariableError(
            f'{MIDDLEWARE} should name a middleware that is installed but is {name}: unset it, or install it'
        )


def remark(variables: Mapping[str, str] | None = None) -> str:
    """What to say of an environment in which a node runs but may meet nobody; empty where there is nothing."""
    server = (os.environ if variables is None else variables).get(SERVER, '')
    if not server:
        return ''
    return f'{SERVER} is {server}: only nodes with the same server are found, and none while it does not run'


def profile_variable(variables: Mapping[str, str] | None = None) -> str:
    """Name of the variable from which Fast DDS reads its profile: of those that it knows, the one that is set."""
    variables = os.environ if variables is None else variables
    try:
        kilted = int(version('rclpy').partition('.')[0]) >= _KILTED
    except PackageNotFoundError:
        kilted = False
    names = (_PROFILE, _PROFILE_TO_JAZZY) if kilted else (_PROFILE_TO_JAZZY,)
    return next((name for name in names if variables.get(name)), names[0])


def user_path(text: str | os.PathLike[str]) -> Path:
    """Path that a user has given; a ``~`` that no shell has replaced is the home folder.

    Raises:
        EnvironmentVariableError: there is no home folder.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise EnvironmentVariableError(f'HOME should be set for the path {os.fspath(text)} but is not') from error


def ros_home() -> Path:
    """Folder in which ROS keeps what is the user's: $ROS_HOME, or ~/.ros. Raises EnvironmentVariableError."""
    return user_path(os.environ.get('ROS_HOME') or '~/.ros')


def _log_folder(variables: Mapping[str, str]) -> tuple[str, Path]:
    """Variable that says where rcl writes logs, and that folder."""
    for name, below in (('ROS_LOG_DIR', '.'), ('ROS_HOME', 'log'), ('HOME', '.ros/log')):
        if variables.get(name):
            return name, user_path(variables[name]) / below
    raise EnvironmentVariableError('HOME should be set, or ROS_HOME, for the logs of nodes but neither is')


def _is_writable(folder: Path) -> bool:
    """Whether a folder can be written to; it is made, as rcl would make it: in some nobody may, not even root."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)


def _is_library(name: str) -> bool:
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True
