"""The processes of the soak: the nodes of the demo and the relay, restarted when they are dead."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import time
from pathlib import Path

from cnn_vs_ros.demo.graph import node_command, write_parameters
from cnn_vs_ros.demo.processes import die_with_parent

RELAY = 'fault_relay'
NODES = ('simulator', 'pose_estimator', 'pbvs_controller', 'differential_ik', RELAY)
_PAGE_MIB = os.sysconf('SC_PAGE_SIZE') / 2**20
_TICKS = os.sysconf('SC_CLK_TCK')


class SoakGraph:
    """Starts, kills, freezes and restarts the nodes, and keeps their logs and their use of memory."""

    def __init__(self, folder: Path, environment: dict[str, str], seed: int) -> None:
        self.folder, self.reference = folder, folder / 'data' / 'reference'
        self.reference.parent.mkdir(parents=True)
        self._environment = environment
        clock = {'use_sim_time': True}
        estimator = {**clock, 'reference_folder': str(self.reference)}
        self._overrides = write_parameters(
            folder / 'parameters.yaml',
            {
                'simulator': {},
                'pose_estimator': estimator,
                'pbvs_controller': clock,
                'differential_ik': clock,
                RELAY: {'seed': seed},
            },
        )
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._begun: dict[str, float] = {}
        self.memory: dict[str, list[tuple[int, float, float]]] = {name: [] for name in NODES}
        self.cpu_percent: dict[str, float] = {}
        self.starts = dict.fromkeys(NODES, 0)

    def start(self, name: str) -> None:
        """Start a node; its output goes to the end of its log."""
        command = node_command(name, self._overrides)
        if name == RELAY:
            command[2:4] = ['cnn_vs_ros.soak.relay']
        if name == 'simulator':
            command += ['-r', 'image_raw:=camera/image_raw', '-r', 'camera_info:=camera/camera_info']
        self.processes[name] = self.run(command, name)
        self._begun[name] = time.monotonic()
        self.starts[name] += 1

    def run(self, command: list[str], log: str) -> subprocess.Popen[bytes]:
        """Start any process of this graph."""
        with (self.folder / f'{log}.log').open('ab') as file:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                env=self._environment,
                process_group=0,
                preexec_fn=die_with_parent(),
            )

    def run_estimator(self, parameters: dict[str, object], log: str) -> int | None:
        """Exit status of a further pose_estimator, in a namespace of its own; None if it goes on for 30 s."""
        overrides = write_parameters(self.folder / f'{log}.yaml', {'/other/pose_estimator': parameters})
        command = [*node_command('pose_estimator', overrides), '-r', '__ns:=/other']
        process = self.run(command, log)
        try:
            return process.wait(30.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return None

    def restart_dead(self) -> list[str]:
        """Start every node that is not running, and return which."""
        dead = [name for name in NODES if name not in self.processes or self.processes[name].poll() is not None]
        for name in dead:
            self.start(name)
        return dead

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a node."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.processes[name].pid, number)

    def limit_file_size(self, name: str, size: int | None) -> None:
        """Let a node write no file beyond `size` bytes, as on a full disk; None: any."""
        _, hard = resource.prlimit(self.processes[name].pid, resource.RLIMIT_FSIZE)
        soft = hard if size is None else size
        resource.prlimit(self.processes[name].pid, resource.RLIMIT_FSIZE, (soft, hard))

    def sample_memory(self) -> None:
        """Note the memory (MiB, without shared memory) and the processor time of every node."""
        for name, process in self.processes.items():
            try:
                resident, shared = Path(f'/proc/{process.pid}/statm').read_text().split()[1:3]
                fields = Path(f'/proc/{process.pid}/stat').read_text().rpartition(')')[2].split()
            except (OSError, IndexError):
                continue
            cpu = (int(fields[11]) + int(fields[12])) / _TICKS
            age = time.monotonic() - self._begun[name]
            if int(resident):
                own = (int(resident) - int(shared)) * _PAGE_MIB
                self.memory[name].append((process.pid, age, own))
                self.cpu_percent[name] = 100.0 * cpu / age if age > 5.0 else self.cpu_percent.get(name, 0.0)

    def growth(self, settled: float = 120.0) -> dict[str, float]:
        """Largest growth of memory (MiB) of one process of each node after its first `settled` seconds."""
        result = {}
        for name, samples in self.memory.items():
            growth = 0.0
            for pid in {sample[0] for sample in samples}:
                own = [mebibytes for other, age, mebibytes in samples if other == pid and age > settled]
                growth = max(growth, own[-1] - own[0]) if len(own) > 1 else growth
            result[name] = growth
        return result

    def tracebacks(self) -> list[str]:
        """Names of the logs that hold a traceback."""
        logs = sorted(self.folder.glob('*.log'))
        return [log.stem for log in logs if 'Traceback' in log.read_text(errors='replace')]

    def stop(self) -> None:
        """End all nodes."""
        for name in self.processes:
            self.signal(name, signal.SIGCONT)
            self.signal(name, signal.SIGINT)
        for process in self.processes.values():
            try:
                process.wait(10.0)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
