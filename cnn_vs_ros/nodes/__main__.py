"""The executables of the nodes: ``python -m cnn_vs_ros.nodes pose_estimator --ros-args ...``.

Importing a node takes its time. A signal to stop meanwhile ends the process as one that comes later does,
instead of with a traceback: so this comes before any import of the node.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module

from cnn_vs_ros.environment import check_environment
from cnn_vs_ros.errors import EnvironmentVariableError
from cnn_vs_ros.nodes.contract import contract_of
from cnn_vs_ros.nodes.signals import STOP_SIGNALS, is_heeded

for _number in filter(is_heeded, STOP_SIGNALS):
    signal.signal(_number, lambda *_: os._exit(0))  # nothing has been started that would have to be ended


def run(name: str) -> int:
    """Run a node by name until its end, with the arguments of this process, and return the exit status.

    With ``--help`` alone it says what the documentation says of the node; `move_arm` has a help of its own.
    """
    if sys.argv[1:] == ['--help'] and name != 'move_arm':
        print(contract_of(name) or f'{name} is described in the documentation only')
        return 0
    try:
        check_environment()
    except EnvironmentVariableError as error:
        print(f'{name}: {error}', file=sys.stderr)
        return 1
    status = int(import_module(f'cnn_vs_ros.nodes.{name}').main())
    for number in STOP_SIGNALS:  # said again while the interpreter ends, they would change the status
        signal.signal(number, signal.SIG_IGN)
    return status


def __getattr__(name: str) -> Callable[[], int]:
    # The installed scripts import the function of the node's name.
    if name.startswith('_'):
        raise AttributeError(name)
    return partial(run, name)


if __name__ == '__main__':
    if len(sys.argv) < 2 or sys.argv[1].startswith('-'):
        sys.exit('usage: python -m cnn_vs_ros.nodes NODE [--ros-args ...], NODE as in docs/nodes.md or tools.md')
    sys.exit(run(sys.argv.pop(1)))
