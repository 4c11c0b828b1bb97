"""The processes of the soak: the nodes of the demo and the relay, restarted when they are dead."""

from __future__ import annotations

import os
import resource
import signal
import time
from pathlib import Path

from cnn_vs_ros.estimation.reference_library import DEFAULT_NAME
from cnn_vs_ros.graph.parameters import parameters_of
from cnn_vs_ros.graph.processes import ProcessGroup
from cnn_vs_ros.graph.starting import node_command, write_parameters
from cnn_vs_ros.graph.table import DEMO

RELAY = 'fault_relay'
NODES = *(name for name in DEMO if name != 'experiment'), RELAY
_PAGE_MIB = os.sysconf('SC_PAGE_SIZE') / 2**20
_TICKS = os.sysconf('SC_CLK_TCK')

_ESTIMATOR_PATIENCE = 30.0
"""Seconds in which a pose_estimator that cannot begin must end."""
_HELD = 3
"""Samples in a row, one a fault, in which a node has no more than it keeps."""


class SoakGraph:
    """The processes of the nodes, to be killed, frozen and restarted, and their use of memory."""

    def __init__(self, folder: Path, environment: dict[str, str], seed: int) -> None:
        self.folder, self.reference = folder, folder / 'data' / DEFAULT_NAME
        self.reference.parent.mkdir(parents=True)
        self.processes = ProcessGroup(folder, environment)
        given = {'library': self.reference.parent}
        parameters = parameters_of(set(NODES) - {RELAY}, given, {}, sim_time=True)
        self._overrides = write_parameters(folder / 'parameters.yaml', {**parameters, RELAY: {'seed': seed}})
        self._begun: dict[str, float] = {}
        self.memory: dict[str, list[tuple[int, float, float]]] = {name: [] for name in NODES}
        self.cpu_percent: dict[str, float] = {}

    def start(self, name: str) -> None:
        """Start a node."""
        command = node_command(name, self._overrides, 'test.soak.relay' if name == RELAY else '')
        if name == 'simulator':
            command += ['-r', 'image_raw:=camera/image_raw', '-r', 'camera_info:=camera/camera_info']
        self.processes.start(name, command)
        self._begun[name] = time.monotonic()

    def run_estimator(self, parameters: dict[str, object], name: str) -> int | None:
        """Exit status of a further pose_estimator, in a namespace of its own; None if it goes on."""
        overrides = write_parameters(self.folder / f'{name}.yaml', {'pose_estimator': parameters})
        self.processes.start(name, node_command('pose_estimator', overrides, namespace='other'))
        status = self.processes.wait(name, _ESTIMATOR_PATIENCE)
        self.processes.signal(name, signal.SIGKILL)
        return status

    def dead(self) -> list[str]:
        """Names of the nodes that are not running."""
        return [name for name in NODES if not self.processes.is_running(name)]

    def restart_dead(self) -> list[str]:
        """Start every node that is not running, and return which."""
        dead = self.dead()
        for name in dead:
            self.start(name)
        return dead

    def limit_file_size(self, name: str, size: int | None) -> None:
        """Let a node write no file beyond `size` bytes, as on a full disk; None: any."""
        pid = self.processes.pid(name)
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard if size is None else size, hard))

    def sample_memory(self) -> None:
        """Note the memory (MiB, without shared memory) and the processor time of every node."""
        for name in self._begun:
            pid = self.processes.pid(name)
            try:
                resident, shared = Path(f'/proc/{pid}/statm').read_text().split()[1:3]
                fields = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
            except (OSError, IndexError):
                continue
            cpu = (int(fields[11]) + int(fields[12])) / _TICKS
            age = time.monotonic() - self._begun[name]
            if int(resident):
                own = (int(resident) - int(shared)) * _PAGE_MIB
                self.memory[name].append((pid, age, own))
                self.cpu_percent[name] = 100.0 * cpu / age if age > 5.0 else self.cpu_percent.get(name, 0.0)

    def growth(self, settled: float = 120.0) -> dict[str, float]:
        """Largest growth of memory (MiB) of one process of each node.

        That is over the most that it had in the first half of its life after `settled` seconds: what a node needs
        for the first time, to look for a lost target for instance, it needs no more of later; and what it needs
        for a moment it has given back by one of the last `_HELD` samples. A life that is shorter than that once
        more tells nothing.
        """
        result = {}
        for name, samples in self.memory.items():
            growth = 0.0
            for pid in {sample[0] for sample in samples}:
                life = [(age, mebibytes) for other, age, mebibytes in samples if other == pid and age > settled]
                if life and life[-1][0] - life[0][0] > settled:
                    first = [mebibytes for _, mebibytes in life[: len(life) // 2]]
                    held = min(mebibytes for _, mebibytes in life[-_HELD:])
                    growth = max(growth, held - max(first))
            result[name] = growth
        return result

    def tracebacks(self) -> list[str]:
        """Names of the logs that hold a traceback."""
        logs = sorted(self.folder.glob('*.log'))
        return [log.stem for log in logs if 'Traceback' in log.read_text(errors='replace')]
