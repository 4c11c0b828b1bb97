from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from cnn_vs_ros.simulation import SimulatedRobot, SimulationError
from cnn_vs_ros.simulation.lockstep import Lockstep
from cnn_vs_ros.simulation.loop import SimulationLoop

PATIENCE = 20.0
SPEED = np.array([0.1, 0, 0, 0, 0, 0.2])


class Running:
    """A loop at full speed that halts after `seconds` of simulated time, until it is given more."""

    def __init__(self, lockstep: Lockstep | None = None, **options) -> None:
        self.robot = SimulatedRobot('low_texture')
        self.robot.move_to_reference()
        self.loop = SimulationLoop(self.robot, real_time_factor=0.0, lockstep=lockstep, **options)
        self.times: list[int] = []
        self.velocities: list[np.ndarray] = []
        self.failures: list[Exception] = []
        self.ended = threading.Event()
        self._more, self._enough = threading.Semaphore(0), threading.Event()
        self._left = 0
        self.loop.every(0.01, self._tick)

    def start(self) -> None:
        self.loop.start(self.failures.append, self.ended.set)

    def _tick(self) -> None:
        self.times.append(self.loop.time)
        self.velocities.append(self.robot.joint_velocities)
        self._left -= 1
        if self._left <= 0:
            self._enough.set()
            self._more.acquire()

    def run(self, ticks: int) -> None:
        """Let it go on for that many times 10 ms, and wait until it has."""
        self._left = ticks
        self._enough.clear()
        self._more.release()
        assert self._enough.wait(PATIENCE)

    def stop(self) -> None:
        self._left = 10**9
        self._more.release()
        self.loop.stop()


@pytest.fixture
def running():
    made: list[Running] = []

    def make(**options) -> Running:
        made.append(Running(**options))
        made[-1].start()
        assert made[-1]._enough.wait(PATIENCE)
        return made[-1]

    yield make
    for one in made:
        one.stop()


@pytest.fixture
def unstarted():
    """Loops that do not halt, once they are started."""
    made: list[Running] = []

    def make(**options) -> Running:
        made.append(Running(**options))
        made[-1]._left = 10**9
        return made[-1]

    yield make
    for one in made:
        one.stop()


def test_events_come_at_whole_periods_of_simulated_time(running):
    run = running()
    run.run(20)
    assert run.times[:21] == [10_000_000 * k for k in range(1, 22)]


def test_a_command_holds_until_it_is_stale(running):
    run = running()
    run.loop.command(SPEED)
    run.run(19)
    np.testing.assert_allclose(run.velocities[-1], SPEED, atol=1e-3)
    run.run(20)
    np.testing.assert_allclose(run.velocities[-1], 0, atol=1e-3)


def test_a_bad_command_leaves_the_one_before(running):
    run = running()
    run.loop.command(SPEED)
    for bad in (np.ones(5), [np.nan, 0, 0, 0, 0, 0]):
        with pytest.raises(SimulationError, match='joint velocities should be'):
            run.loop.command(bad)
    run.run(19)
    np.testing.assert_allclose(run.velocities[-1], SPEED, atol=1e-3)


def test_actions_are_done_in_the_simulations_thread_and_answered(running):
    run = running()
    answers: list[str] = []

    def ask() -> None:
        answers.append(run.loop.do(lambda: threading.current_thread().name))

    threading.Thread(target=ask, daemon=True).start()
    end = time.monotonic() + PATIENCE
    while not answers and time.monotonic() < end:
        run.run(1)
    assert answers == ['simulation']


def test_what_an_action_raises_reaches_who_asked(unstarted):
    run = unstarted()
    run.start()
    with pytest.raises(SimulationError, match='elbow_joint should be in'):
        run.loop.do(lambda: str(run.robot.set_joint_positions([0, 0, 9, 0, 0, 0])))
    run.loop.stop()
    with pytest.raises(SimulationError, match='should be running but has ended'):
        run.loop.do(str)
    assert run.ended.is_set()
    assert not run.failures


def test_a_failure_ends_the_thread_and_is_handed_on(unstarted):
    run = unstarted()

    def fail() -> None:
        raise SimulationError('out of order')

    run.loop.every(0.05, fail)
    run.start()
    assert run.ended.wait(PATIENCE)
    assert [str(failure) for failure in run.failures] == ['out of order']


def test_time_stands_still_while_an_estimate_is_owed(unstarted):
    run = unstarted(lockstep=Lockstep(timeout=1e9))
    image_stamps: list[int] = []
    published = threading.Semaphore(0)

    def image() -> None:
        image_stamps.append(run.loop.time)
        run.loop.imaged()
        published.release()

    run.loop.every(0.1, image)
    run.loop.estimated(1)
    run.start()
    for count in range(1, 6):
        assert published.acquire(timeout=PATIENCE)
        # An action is done between two steps: were time running on, it would pass during these.
        times = {run.loop.do(lambda: str(run.loop.time)) for _ in range(50)}
        assert times == {str(100_000_000 * count)}
        run.loop.estimated(image_stamps[-1])
    run.loop.stop()
    assert not run.failures
