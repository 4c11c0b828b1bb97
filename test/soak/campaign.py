"""The soak itself: servo, break something, look, mend it, and so on until the time is over."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

from cnn_vs_ros.errors import VisualServoingError
from cnn_vs_ros.graph.processes import Interrupted, signals_raise, wait_for
from cnn_vs_ros.graph.starting import environment
from cnn_vs_ros.nodes.transport import leave_shared_memory
from cnn_vs_ros.report.folder import RunFolder, new_folder
from test.soak.faults import FAULTS, Fault, Scene
from test.soak.graph import NODES, SoakGraph
from test.soak.report import NO_FAULT, UNFINISHED, FaultResult, ReportError, SoakReport
from test.soak.watch import MOVING, Watch

_PATIENCE = 100.0
"""Seconds that a busy computer is given for what takes a few."""
_START_PATIENCE = 5.0
"""Seconds in which a start must be taken: from some the target is not in view, and another is drawn."""
_BY_ITSELF = 20.0
"""Seconds in which a node that is started again on a busy computer must be back."""
_ZEROS = 2.0
"""Seconds in which the last command must be zeros, once the arm rests."""
_FAR, _NEAR = 5, 3
"""Batches of the starts: of those that faults interrupt, for a long way, and of those that must arrive."""
_FULL_RUN_EVERY = 20
"""Faults between two runs to convergence."""
_BRISK = 0.1
"""Joint speed, rad/s, at which the arm is on its way."""
_ON_THE_WAY = ('servoing', 'converged')
_OVER = ('idle', 'stopped', 'limited')
_APART = 0.15
"""Seconds of zeros by which an arm that is put elsewhere is told from one that does not follow."""
_SAID = 0.5
"""Seconds that a status may come after the answer to a start."""
_UNASKED = 1.5
"""Seconds in which a task that has ended must not go on by itself."""
_RESTARTS = 2 / 3
"""Part of the time in which processes are killed; in the rest they grow old, and their memory is looked at."""


class NotServoingError(VisualServoingError):
    """The graph does not come back."""


def run_soak(seconds: float, seed: int, names: list[str], output: Path, into: Path | None = None) -> int:
    """Run a soak and return its exit status: 0 if every limit held and the last run converged.

    `into` is a folder of earlier results, to which these are added.
    """
    try:
        earlier = _earlier(into)
    except ReportError as error:
        print(f'soak: {error}', file=sys.stderr)
        return 2
    unknown = [name for name in names if name not in FAULTS]
    if unknown:
        print(f'soak: faults should be among {", ".join(FAULTS)} but are {", ".join(unknown)}', file=sys.stderr)
        return 2
    folder = new_folder(output).resolve()
    RunFolder(folder).begin()
    variables = environment(folder)
    os.environ.update(variables)  # before the first DDS participant of this process
    leave_shared_memory()
    # Under nohup SIGHUP is ignored, and so it would be by the nodes: a handler is not inherited.
    signal.signal(signal.SIGHUP, lambda *_: None)
    graph = SoakGraph(folder, variables, seed)
    records = _Records(graph, SoakReport([seed], aborted=UNFINISHED), earlier, into)
    watch = Watch()
    print(f'soak: {seconds / 60:g} min, seed {seed}, results in {folder}', flush=True)
    with graph.processes:
        try:
            with signals_raise(signal.SIGINT, signal.SIGTERM):
                _Campaign(graph, watch, records, np.random.default_rng(seed)).run(seconds, names)
                records.report.aborted = ''
        except NotServoingError as error:
            records.report.aborted = str(error)
        except Interrupted as interrupted:
            print(f'soak: interrupted by {interrupted}', flush=True)
    watch.close()
    records.write(watch)
    print(records.report.summary())
    return 1 if records.report.violations() else 0


def _earlier(into: Path | None) -> SoakReport | None:
    if into is None or not (into / 'soak.json').exists():
        return None
    return SoakReport.read(into / 'soak.json')


class _Records:
    """What has been found so far, in this run and before it."""

    def __init__(
        self, graph: SoakGraph, report: SoakReport, earlier: SoakReport | None, into: Path | None
    ) -> None:
        self.report = report
        self._graph, self._earlier, self._into = graph, earlier, into
        self._begun = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the beginning of this run."""
        return time.monotonic() - self._begun

    def tries(self, name: str) -> int:
        """How often a fault was tried in all."""
        return self.report.tries(name) + (0 if self._earlier is None else self._earlier.tries(name))

    def write(self, watch: Watch) -> None:
        """Write what has been until now, should the soak be killed."""
        report, graph = self.report, self._graph
        report.seconds, report.arm_seconds = self.seconds, watch.arm_time
        report.memory_growth, report.cpu_percent = graph.growth(), graph.cpu_percent
        report.memory = {name: samples[-1][2] for name, samples in graph.memory.items() if samples}
        report.tracebacks = graph.tracebacks()
        report.write(graph.folder)
        if self._into is not None:
            self._into.mkdir(parents=True, exist_ok=True)
            (report if self._earlier is None else self._earlier.merged(report)).write(self._into)


class _Campaign:
    def __init__(self, graph: SoakGraph, watch: Watch, records: _Records, random: np.random.Generator) -> None:
        self._graph, self._watch, self._records, self._random = graph, watch, records, random

    def run(self, seconds: float, names: list[str]) -> None:
        self._graph.restart_dead()
        self._capture()
        self._converge()
        count = 0
        while (elapsed := self._records.seconds) < seconds and not (names and count >= len(names)):
            self._try(names[count] if names else self._next(restarts=elapsed < _RESTARTS * seconds))
            count += 1
            if count % _FULL_RUN_EVERY == 0:
                self._converge()
        self._converge()

    def _next(self, restarts: bool) -> str:
        """One of those that were tried least."""
        tries = {name: self._records.tries(name) for name in FAULTS if restarts or not FAULTS[name].restarts}
        return str(self._random.choice([name for name in tries if tries[name] == min(tries.values())]))

    def _try(self, name: str) -> None:
        fault, watch = FAULTS[name], self._watch
        self._move()
        in_time = watch.pace()
        watch.mark()
        problem = fault.act(Scene(self._graph, watch, self._random, self._random.uniform(*fault.hold)))
        problem = problem or self._not_stopped(fault)
        result = FaultResult(1, fault.rests, watch.time_to_rest, way=watch.way)
        self._graph.sample_memory()
        ended = time.monotonic()
        self._mend(fault.new_reference)
        if fault.ends and wait_for(lambda: watch.speed > MOVING, _UNASKED):
            problem = problem or f'moves without a start: {watch.status}, {watch.reason}'
        over = self._servoes_again()
        if over and fault.by_itself and in_time():
            problem = problem or f'does not servo again by itself: {over}'
        result.time_to_servo = time.monotonic() - ended
        self._note(name, result, problem)

    def _not_stopped(self, fault: Fault) -> str:
        """What is wrong with the stop that a fault must lead to, if it must."""
        if fault.rests and not self._watch.rests():
            return 'the arm does not come to rest'
        if fault.rests and not fault.mute and not self._is_sent_zeros():
            return 'the last command is not zeros'
        return ''

    def _is_sent_zeros(self) -> bool:
        return wait_for(lambda: not self._watch.command.any(), _ZEROS)

    def _note(self, name: str, result: FaultResult, problem: str) -> None:
        """Add what was seen since the last note to the report."""
        watch, records = self._watch, self._records
        result.joint_velocity, result.commanded_velocity = watch.joint_speed, watch.commanded_speed
        result.linear_velocity, result.angular_velocity = watch.linear_speed, watch.angular_speed
        result.not_finite = watch.not_finite
        watch.reset_extremes()
        if problem:
            result.problems.append(problem)
        found = '; '.join(result.violations())
        records.report.add(name, result)
        records.write(watch)
        note = f'VIOLATED: {found}' if found else f'rest {result.time_to_rest:.2f} s' if result.rests else 'ok'
        print(
            f'{records.seconds / 60:5.1f} min  {name}, try {records.tries(name)}: {note}, '
            f'joint {result.joint_velocity:.2f} rad/s',
            flush=True,
        )

    def _mend(self, new_reference: bool) -> None:
        for name in NODES:
            self._graph.processes.signal(name, signal.SIGCONT)
        time.sleep(0.2)
        self._restart_dead()
        self._watch.fault('')
        if new_reference:
            self._capture()

    def _restart_dead(self) -> bool:
        """Start the nodes that have ended, as whoever launched them would; say whether any had."""
        dead = self._graph.restart_dead()
        for name in dead:
            self._watch.is_up(name, _PATIENCE)
        return bool(dead)

    def _servoes_again(self) -> str:
        """Why the task is over and had to be started; empty where it goes on by itself.

        Raises NotServoingError when it does not even servo then.
        """
        if self._goes_on():
            return ''
        over = f'{self._watch.status}, {self._watch.reason}'
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:  # on a busy computer a start may end before it was seen
            self._start(_FAR)
            if self._goes_on():
                return over
        raise NotServoingError(f'does not servo again: {self._watch.status}, {self._watch.reason}')

    def _goes_on(self) -> bool:
        """Whether the task is on its way to the goal, now or soon, and not over."""
        again = lambda: self._watch.status in _ON_THE_WAY  # noqa: E731
        decided = lambda: again() or self._is_over()  # noqa: E731
        wait_for(lambda: decided() or self._graph.dead(), _BY_ITSELF)
        # One that was frozen may find only now that others took its shared memory, and end, as it should.
        if self._restart_dead():
            wait_for(decided, _BY_ITSELF)
        return again()

    def _is_over(self) -> bool:
        return self._watch.status in _OVER or '~/start' in self._watch.reason

    def _capture(self) -> None:
        self._put('simulator/move_to_reference')
        self._ask('pose_estimator/capture_reference')

    def _start(self, batch: int) -> None:
        start = {'start.seed': int(self._random.integers(1000)), 'start.batch': batch}
        self._watch.set_values('simulator', start)
        self._put('simulator/move_to_start')
        wait_for(lambda: self._watch.trigger('pbvs_controller/start') is None, _START_PATIENCE, 0.1)
        wait_for(lambda: self._watch.status not in _OVER, _SAID)

    def _put(self, move: str) -> None:
        """Have the arm stand, and be elsewhere at once by the service `move`."""
        self._ask('pbvs_controller/stop')
        self._is_sent_zeros()
        self._ask(move)
        time.sleep(_APART)

    def _ask(self, name: str) -> None:
        """Have a service succeed; a node that became deaf has ended."""
        deadline = time.monotonic() + _PATIENCE
        self._graph.restart_dead()
        while problem := self._watch.trigger(name):
            if time.monotonic() > deadline:
                raise NotServoingError(problem)
            time.sleep(0.1)
            self._graph.restart_dead()

    def _move(self) -> None:
        """Have the arm on its way, for a random while; where it is, let it go on."""
        deadline = time.monotonic() + 2 * _PATIENCE
        while time.monotonic() < deadline:
            if wait_for(self._is_brisk, 0.3):
                time.sleep(self._random.uniform(0.0, 0.5))
                if self._is_brisk():
                    return
            self._start(_FAR)
            wait_for(lambda: self._is_brisk() or self._is_over() or self._watch.status == 'lost', 5.0)
        raise NotServoingError(f'does not move: {self._watch.status}, {self._watch.reason}')

    def _is_brisk(self) -> bool:
        return self._watch.status == 'servoing' and self._watch.speed > _BRISK

    def _converge(self) -> None:
        """Servo from a start of the benchmark to the reference; from some the target is not in view."""
        deadline, converged = time.monotonic() + 2 * _PATIENCE, False
        while not converged and time.monotonic() < deadline:  # a task may end on a busy computer
            self._start(_NEAR)
            wait_for(lambda: self._watch.status == 'converged' or self._is_over(), _PATIENCE)
            converged = self._watch.status == 'converged'
        self._graph.sample_memory()
        report = self._records.report
        report.runs += 1
        report.runs_converged += converged
        report.last_converged = converged
        self._note(NO_FAULT, FaultResult(1), '')
