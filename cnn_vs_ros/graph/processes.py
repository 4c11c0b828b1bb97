"""Child processes that live and die together."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_POLL_PERIOD = 0.05
_PR_SET_PDEATHSIG = 1
_TAIL_BYTES = 4096

GRACE = 5.0
"""Seconds between SIGINT and SIGTERM, and between SIGTERM and SIGKILL, when processes are stopped."""


@dataclass(frozen=True)
class Ended:
    """A process that has ended: its name and its return code, negative for the signal that killed it."""

    name: str
    code: int

    @property
    def reason(self) -> str:
        """How it ended, in words."""
        if self.code >= 0:
            return f'exit status {self.code}'
        try:
            return f'killed by {signal.Signals(-self.code).name}'
        except ValueError:
            return f'killed by signal {-self.code}'


class Interrupted(Exception):  # noqa: N818
    """A signal asked this process to end; `number` says which."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


@contextlib.contextmanager
def signals_raise(*numbers: int) -> Iterator[None]:
    """Raise Interrupted where one of these signals arrives, in the main thread.

    Not where it is a SIGHUP that nohup has this process ignore.
    """

    def raise_interrupted(number: int, _: object) -> None:
        raise Interrupted(number)

    heeded = [n for n in numbers if n != signal.SIGHUP or signal.getsignal(n) is not signal.SIG_IGN]
    previous = {number: signal.signal(number, raise_interrupted) for number in heeded}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _signals_ignored(*numbers: int) -> Iterator[None]:
    previous = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


class ProcessGroup:
    """Processes started by this one, each with a log file and a process group of its own.

    A context manager: all of them are gone when the block is left, however it is left. Should this process be
    killed outright, the kernel sends its children SIGTERM (Linux only).
    """

    def __init__(self, log_folder: Path, environment: Mapping[str, str], grace: float = GRACE) -> None:
        self.log_folder = log_folder
        self._environment = dict(environment)
        self._grace = grace
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> ProcessGroup:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, name: str, command: Sequence[str], *, show_output: bool = False) -> None:
        """Start a process, or another one by the name of one that has ended.

        Its output goes to the end of its log, its standard output to ours if `show_output`.
        """
        self.log_folder.mkdir(parents=True, exist_ok=True)
        with self.log(name).open('ab') as log:
            self._processes[name] = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=None if show_output else log,
                stderr=log,
                env=self._environment,
                process_group=0,  # Ctrl-C in the terminal is for us alone; we pass it on
                preexec_fn=_die_with_parent(),
            )

    def pid(self, name: str) -> int:
        """Process id."""
        return self._processes[name].pid

    def code(self, name: str) -> int | None:
        """Return code, as `Ended` has it; None of a process that runs, or was never started."""
        return self._processes[name].poll() if name in self._processes else None

    def is_running(self, name: str) -> bool:
        """Whether a process was started and has not ended."""
        return name in self._processes and self.code(name) is None

    def signal(self, name: str, number: int) -> None:
        """Send a signal to a process, if it runs."""
        if self.is_running(name):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid(name), number)

    def wait(self, name: str, seconds: float) -> int | None:
        """Return code of a process that ends within `seconds`, else None."""
        wait_for(lambda: not self.is_running(name), seconds, _POLL_PERIOD)
        return self.code(name)

    def log(self, name: str) -> Path:
        """Return the path of a process's log."""
        return self.log_folder / f'{name}.log'

    def last_lines(self, name: str, count: int = 15) -> str:
        """Return the last lines of a process's log."""
        with self.log(name).open('rb') as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - _TAIL_BYTES))
            return '\n'.join(log.read().decode(errors='replace').splitlines()[-count:])

    def wait_for_first_end(self) -> Ended:
        """Wait until a process ends, and return which.

        When several have ended by then, one that failed is named before one that did not.
        """
        while True:
            ended = [Ended(name, code) for name, code in self._codes().items() if code is not None]
            if ended:
                return max(ended, key=lambda end: end.code != 0)
            time.sleep(_POLL_PERIOD)

    def stop(self) -> None:
        """End all processes: SIGINT first, SIGTERM and SIGKILL to those still there after the grace time.

        One that is stopped by SIGSTOP goes on, to come to its end.
        """
        with _signals_ignored(signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self._signal(signal.SIGCONT)
            for number in (signal.SIGINT, signal.SIGTERM):
                self._signal(number)
                if wait_for(lambda: None not in self._codes().values(), self._grace, _POLL_PERIOD):
                    break
            self._signal(signal.SIGKILL)
            for process in self._processes.values():
                process.wait()

    def _codes(self) -> dict[str, int | None]:
        return {name: process.poll() for name, process in self._processes.items()}

    def _signal(self, number: int) -> None:
        for name in self._processes:
            self.signal(name, number)


def wait_for(condition: Callable[[], object], seconds: float, period: float = 0.01) -> bool:
    """Wait until `condition` holds, at most `seconds`; say whether it does."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(period)
    return True


def _die_with_parent() -> Callable[[], None] | None:
    """Return what a child process calls before its program starts, so that it gets SIGTERM when we die."""
    if not sys.platform.startswith('linux'):
        return None
    libc = ctypes.CDLL(None)
    parent = os.getpid()

    def ask_kernel() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before we asked
            os._exit(1)

    return ask_kernel
