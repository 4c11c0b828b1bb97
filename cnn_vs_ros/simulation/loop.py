"""The simulation as a thread: it steps the robot at a pace, and is the only one that touches or renders it."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from cnn_vs_ros.simulation.errors import SimulationError
from cnn_vs_ros.simulation.lockstep import Lockstep
from cnn_vs_ros.simulation.model import TIMESTEP
from cnn_vs_ros.simulation.robot import SimulatedRobot

LONGEST_LAG = 0.1
"""Wall-clock seconds that the simulation makes up for by hurrying; beyond that it lets them go."""


class SimulationLoop:
    """Runs a SimulatedRobot in a thread of its own.

    Args:
        robot: nobody else may touch it between `start` and `stop`, except through `do`.
        real_time_factor: simulated seconds in a wall-clock second; 0 for as many as possible.
        command_timeout: simulated seconds after which the arm stops for want of a new velocity command.
        lockstep: decides when simulated time must stand still; None lets it go on regardless.
    """

    def __init__(
        self,
        robot: SimulatedRobot,
        *,
        real_time_factor: float = 1.0,
        command_timeout: float = 0.2,
        lockstep: Lockstep | None = None,
    ) -> None:
        self._robot = robot
        self._rate = real_time_factor
        self._command_timeout = command_timeout
        self._lockstep = lockstep
        self._events: list[_Event] = []
        self._rest = partial(robot.command_velocity, np.zeros(len(robot.joint_names)))
        self._command: Callable[[], None] = self._rest
        self._stale_after = math.inf
        self._jobs: deque[tuple[Callable[[], str], Future[str]]] = deque()
        # Guards all that other threads bring; notified when they bring something.
        self._news = threading.Condition()
        self._running = False
        self._thread = threading.Thread(target=self._run, name='simulation')
        self._on_failure: Callable[[Exception], None] = lambda error: None
        self._on_end: Callable[[], None] = lambda: None

    @property
    def time(self) -> int:
        """Simulated nanoseconds."""
        return round(self._robot.time / TIMESTEP) * round(TIMESTEP * 1e9)

    def every(self, period: float, callback: Callable[[], None]) -> None:
        """Call `callback` in the simulation's thread every `period` simulated seconds, in the order given here."""
        self._events.append(_Event(period, callback))

    def start(self, on_failure: Callable[[Exception], None], on_end: Callable[[], None]) -> None:
        """Start the thread. It calls `on_failure` if something fails in it, and `on_end` at its end."""
        self._on_failure, self._on_end = on_failure, on_end
        self._running = True
        self._thread.start()

    def stop(self) -> None:
        """End the thread and wait for its end."""
        with self._news:
            self._running = False
            self._news.notify_all()
        if self._thread.ident is not None:
            self._thread.join()

    def command(self, velocities: ArrayLike) -> None:
        """Command joint velocities (n,), radians a second.

        Raises:
            SimulationError: wrong length or not finite; the command before it stays.
        """
        velocities = self._robot.checked(velocities, 'joint velocities')
        self._take(partial(self._robot.command_velocity, velocities), self._command_timeout)

    def command_positions(self, positions: ArrayLike, seconds: float = 0.0) -> None:
        """Command joint positions (n,), radians, to be at after `seconds`, and held until the next command.

        Raises:
            SimulationError: wrong length or not finite; the command before it stays.
        """
        positions = self._robot.checked(positions, 'joint positions')
        due = self._robot.time + seconds
        self._take(lambda: self._robot.command_position(positions, due - self._robot.time), math.inf)

    def _take(self, command: Callable[[], None], timeout: float) -> None:
        with self._news:
            self._command, self._stale_after = command, self._robot.time + timeout
            if self._lockstep is not None:
                self._lockstep.command_received(self.time)
            self._news.notify_all()

    def halt(self) -> None:
        """Forget the last command."""
        with self._news:
            self._command = self._rest

    def estimated(self, stamp: int) -> None:
        """Tell the lockstep that the image stamped `stamp` (nanoseconds) was answered."""
        with self._news:
            if self._lockstep is not None:
                self._lockstep.estimate_received(stamp)
            self._news.notify_all()

    def imaged(self) -> None:
        """Tell the lockstep that an image of now is being published."""
        with self._news:
            if self._lockstep is not None:
                self._lockstep.image_published(self.time)

    def do(self, action: Callable[[], str]) -> str:
        """Have the simulation's thread call `action` between two steps; return what it returns.

        Raises:
            SimulationError: the simulation is not running. Whatever `action` raises.
        """
        result: Future[str] = Future()
        with self._news:
            if not self._running:
                raise SimulationError('the simulation should be running but has ended')
            self._jobs.append((action, result))
            self._news.notify_all()
        return result.result()

    def _run(self) -> None:
        try:
            self._simulate()
        except Exception as error:  # handed on: this thread has nobody to raise to
            self._on_failure(error)
        finally:
            self._robot.close()
            with self._news:
                self._running = False
                jobs, self._jobs = self._jobs, deque()
            for _, result in jobs:
                result.set_exception(SimulationError('the simulation should be running but has ended'))
            self._on_end()

    def _simulate(self) -> None:
        # Wall-clock and simulated time are counted from an anchor, which moves on when too much time was lost.
        wall, simulated = time.monotonic(), self._robot.time
        while True:
            following = min(event.next for event in self._events)
            due = wall + (following - simulated) / self._rate if self._rate > 0 else time.monotonic()
            if time.monotonic() - due > LONGEST_LAG:
                wall, simulated = time.monotonic(), following
            if not self._wait_until(due):
                return
            with self._news:
                command = self._command if self._robot.time <= self._stale_after else self._rest
            command()
            self._robot.step(following - self._robot.time)
            for event in self._events:
                event.happen(self._robot.time)

    def _wait_until(self, due: float) -> bool:
        """Wait until `due` (steady clock) and nothing is owed, doing jobs; False when the thread is to end."""
        while True:
            with self._news:
                now = time.monotonic()
                owed = self._lockstep is not None and self._lockstep.waits(self.time, now)
                if not self._running:
                    return False
                if not self._jobs:
                    if not owed and now >= due:
                        return True
                    self._news.wait(0.01 if owed else due - now)
                jobs, self._jobs = self._jobs, deque()
            for action, result in jobs:
                try:
                    result.set_result(action())
                except Exception as error:  # raised again where the action came from
                    result.set_exception(error)


class _Event:
    """What happens after each whole number of periods."""

    def __init__(self, period: float, callback: Callable[[], None]) -> None:
        self._period, self._callback = period, callback
        self._count = 1

    @property
    def next(self) -> float:
        return self._count * self._period

    def happen(self, now: float) -> None:
        if now >= self.next - TIMESTEP / 2:
            self._count += 1
            self._callback()
