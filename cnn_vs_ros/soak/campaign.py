"""The soak itself: servo, break something, look, mend it, and so on until the time is over."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters

from cnn_vs_ros.demo.graph import environment
from cnn_vs_ros.demo.processes import Interrupted, signals_raise
from cnn_vs_ros.errors import VisualServoingError
from cnn_vs_ros.report.folder import new_folder
from cnn_vs_ros.soak.faults import FAULTS, HOLD, Scene
from cnn_vs_ros.soak.graph import NODES, SoakGraph
from cnn_vs_ros.soak.report import NO_FAULT, FaultResult, SoakReport
from cnn_vs_ros.soak.watch import MOVING, Watch, wait_for

_PATIENCE = 100.0
"""Seconds that a busy computer is given for what takes a few."""
_BY_ITSELF = 20.0
"""Seconds in which a node that is started again on a busy computer must be back."""
_BATCH = 3
_FULL_RUN_EVERY = 5
_BRISK = 0.1
"""Joint speed, rad/s, at which the arm is on its way."""
_ON_THE_WAY = ('servoing', 'converged')
_OVER = ('idle', 'stopped', 'limited')
_UNASKED = 1.5
"""Seconds in which a task that has ended must not go on by itself."""
_RESTARTS = 2 / 3
"""Part of the time in which processes are killed; in the rest they grow old, and their memory is looked at."""


class NotServoingError(VisualServoingError):
    """The graph does not come back."""


def run_soak(seconds: float, seed: int, names: list[str], output: Path) -> int:
    """Run a soak and return its exit status: 0 if every limit held and the last run converged."""
    unknown = [name for name in names if name not in FAULTS]
    if unknown:
        print(f'soak: faults should be among {", ".join(FAULTS)} but are {", ".join(unknown)}', file=sys.stderr)
        return 2
    folder = new_folder(output).resolve()
    variables = environment(folder)
    os.environ.update(variables)  # before the first DDS participant of this process
    # Under nohup SIGHUP is ignored, and so it would be by the nodes: a handler is not inherited.
    signal.signal(signal.SIGHUP, lambda *_: None)
    report = SoakReport(seed)
    graph = SoakGraph(folder, variables, seed)
    watch = Watch()
    print(f'soak: {seconds / 60:g} min, seed {seed}, results in {folder}', flush=True)
    begun = time.monotonic()
    try:
        with signals_raise(signal.SIGINT, signal.SIGTERM):
            _Campaign(graph, watch, report, np.random.default_rng(seed)).run(seconds, names)
    except NotServoingError as error:
        report.aborted = str(error)
    except Interrupted as interrupted:
        report.aborted = f'interrupted by {interrupted}'
    finally:
        report.seconds = time.monotonic() - begun
        graph.stop()
        watch.close()
    _write(report, graph)
    print(report.summary())
    return 1 if report.violations() else 0


def _write(report: SoakReport, graph: SoakGraph) -> None:
    report.memory_growth, report.cpu_percent = graph.growth(), graph.cpu_percent
    report.memory = {name: samples[-1][2] for name, samples in graph.memory.items() if samples}
    report.tracebacks = graph.tracebacks()
    report.write(graph.folder)


class _Campaign:
    def __init__(self, graph: SoakGraph, watch: Watch, report: SoakReport, random: np.random.Generator) -> None:
        self._graph, self._watch, self._report, self._random = graph, watch, report, random
        self._order: list[str] = []

    def run(self, seconds: float, names: list[str]) -> None:
        self._begun = time.monotonic()
        self._graph.restart_dead()
        self._capture()
        self._converge()
        count = 0
        while (elapsed := time.monotonic() - self._begun) < seconds and not (names and count >= len(names)):
            self._try(names[count] if names else self._next(restarts=elapsed < _RESTARTS * seconds))
            count += 1
            if count % _FULL_RUN_EVERY == 0:
                self._converge()
        self._converge()

    def _next(self, restarts: bool) -> str:
        # Every fault once, in random order, before any of them again.
        while True:
            if not self._order:
                self._order = [str(name) for name in self._random.permutation(list(FAULTS))]
            name = self._order.pop()
            if restarts or not FAULTS[name].restarts:
                return name

    def _try(self, name: str) -> None:
        fault, watch, graph = FAULTS[name], self._watch, self._graph
        self._move()
        watch.mark()
        problem = fault.act(Scene(graph, watch, self._random))
        if fault.rests and not watch.rests():
            problem = problem or 'the arm does not come to rest'
        if fault.rests and not fault.mute and not wait_for(lambda: not watch.command.any(), HOLD):
            problem = problem or 'the last command is not zeros'
        rest, way = watch.time_to_rest, watch.way
        graph.sample_memory()
        ended = time.monotonic()
        self._mend(fault.new_reference)
        if fault.ends and wait_for(lambda: watch.speed > MOVING, _UNASKED):
            problem = problem or f'moves without a start: {watch.status}, {watch.reason}'
        if not self._servoes_again() and fault.by_itself:
            problem = problem or f'does not servo again by itself: {watch.status}, {watch.reason}'
        self._note(
            name, FaultResult(1, fault.rests, rest, time_to_servo=time.monotonic() - ended, way=way), problem
        )

    def _note(self, name: str, result: FaultResult, problem: str) -> None:
        """Add what was seen since the last note to the report."""
        watch = self._watch
        result.joint_velocity, result.commanded_velocity = watch.joint_speed, watch.commanded_speed
        result.linear_velocity, result.angular_velocity = watch.linear_speed, watch.angular_speed
        result.not_finite = watch.not_finite
        watch.reset_extremes()
        if problem:
            result.problems.append(problem)
        found = '; '.join(result.violations())
        self._report.add(name, result)
        self._report.seconds = time.monotonic() - self._begun
        self._report.arm_seconds = watch.arm_time
        _write(self._report, self._graph)  # of what has been until now, should the soak be killed
        note = f'VIOLATED: {found}' if found else f'rest {result.time_to_rest:.2f} s' if result.rests else 'ok'
        print(f'{name}: {note}, joint {result.joint_velocity:.2f} rad/s', flush=True)

    def _mend(self, new_reference: bool) -> None:
        for name in NODES:
            self._graph.signal(name, signal.SIGCONT)
        time.sleep(0.2)
        if self._graph.restart_dead():
            time.sleep(1.0)
        self._watch.fault('')
        if new_reference:
            self._capture()

    def _servoes_again(self) -> bool:
        """Whether it does so by itself; if not, have it start. Raises NotServoingError when even that fails."""
        again = lambda: self._watch.status in _ON_THE_WAY  # noqa: E731
        over = lambda: self._watch.status in _OVER or '~/start' in self._watch.reason  # noqa: E731
        if wait_for(lambda: again() or over(), _BY_ITSELF) and again():
            return True
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:  # on a busy computer a start may end before it was seen
            self._start()
            if wait_for(lambda: again() or over(), _BY_ITSELF) and again():
                return False
        raise NotServoingError(f'does not servo again: {self._watch.status}, {self._watch.reason}')

    def _capture(self) -> None:
        self._watch.trigger('pbvs_controller/stop')
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            problem = self._watch.trigger('simulator/move_to_reference', _PATIENCE)
            problem = problem or self._watch.trigger('pose_estimator/capture_reference', _PATIENCE)
            if problem is None:
                return
            time.sleep(0.5)
        raise NotServoingError(f'no reference: {problem}')

    def _start(self) -> None:
        self._graph.restart_dead()  # one that became deaf has ended
        seed = ParameterValue(type=ParameterType.PARAMETER_INTEGER, integer_value=int(self._random.integers(1000)))
        batch = ParameterValue(type=ParameterType.PARAMETER_INTEGER, integer_value=_BATCH)
        parameters = [Parameter(name='start.seed', value=seed), Parameter(name='start.batch', value=batch)]
        self._watch.call(SetParameters, 'simulator/set_parameters', SetParameters.Request(parameters=parameters))
        for name in ('pbvs_controller/stop', 'simulator/move_to_start'):
            problem = self._watch.trigger(name, _PATIENCE)
            if problem:
                raise NotServoingError(problem)
        deadline = time.monotonic() + _PATIENCE
        while problem := self._watch.trigger('pbvs_controller/start', _PATIENCE):
            if time.monotonic() > deadline:
                raise NotServoingError(problem)
            time.sleep(0.1)  # a start takes a fresh estimate

    def _move(self) -> None:
        """Have the arm on its way, for a random while."""
        deadline = time.monotonic() + 2 * _PATIENCE
        while time.monotonic() < deadline:
            self._start()
            if wait_for(lambda: self._watch.status == 'servoing' and self._watch.speed > _BRISK, 5.0):
                time.sleep(self._random.uniform(0.0, 0.5))
                if self._watch.status == 'servoing' and self._watch.speed > 0.5 * _BRISK:
                    return
        raise NotServoingError(f'does not move: {self._watch.status}, {self._watch.reason}')

    def _converge(self) -> None:
        """Servo from a start of the benchmark to the reference; from some the target is not in view."""
        self._start()
        converged = wait_for(lambda: self._watch.status == 'converged', _PATIENCE)
        self._graph.sample_memory()
        self._report.runs += 1
        self._report.runs_converged += converged
        self._report.last_converged = converged
        self._note(NO_FAULT, FaultResult(1), '')
