"""A series of runs: reference; then start, servo, measure. Talks to the graph through a narrow interface."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.errors import ParameterError, VisualServoingError
from cnn_vs_ros.geometry import se3
from cnn_vs_ros.run.outcome import Outcome
from cnn_vs_ros.run.recorder import FinishedRun, Recorder

Array = NDArray[np.float64]

_ANSWER_TIMEOUT = 5.0
_AT_REST = ('', 'idle', 'stopped')
_NOT_ON_THE_WAY = ('lost', 'stale', 'error')


class RunError(VisualServoingError):
    """The graph does not do what a run asks of it."""


class Graph(Protocol):
    """What a series needs of robot, estimator and controller. The methods raise RunError."""

    @property
    def recorder(self) -> Recorder:
        """Where everything that the graph says is added."""

    @property
    def wall_clock(self) -> bool:
        """Whether the graph's time is wall time."""

    def now(self) -> int:
        """The graph's time, nanoseconds."""

    def call(self, service: str) -> str:
        """Call a Trigger service, see it succeed and return what it says."""

    def set_start(self, batch: int, seed: int, pose: Sequence[float]) -> None:
        """Choose where simulator/move_to_start goes: near `pose` [t; theta u], or, all zero, by `batch`."""

    def set_perturbations(self, on: bool) -> None:
        """Switch moving lights and occluders."""

    def reference_image(self) -> np.ndarray:
        """The image that the estimator servoes to."""

    def hurry(self) -> None:
        """Go on after something went wrong, with little patience: only to leave the arm standing still."""

    def wait(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait until `condition` holds, at most `seconds` of the graph's time; say whether it does."""


@dataclass(frozen=True)
class Plan:
    """What to do. `measure_depth` means that the depth of the reference is measured first.

    `simulated` means that the simulator's services place the arm and that there is ground truth.

    Otherwise the reference is the one the estimator has loaded and the arm servoes from where it stands. Times are
    seconds: `max_duration` of a run, `settle_time` between arrival and measurement, `lost_timeout` after which a
    lost view or missing estimates end the run. With a `start_pose` [t; theta u] (metres, radians) the starts are
    about it instead of those of `batch`. With `perturbed_for`, a perturbed run goes on for that long, and is then
    undisturbed until its end.
    """

    batch: int = 3
    seed: int = 0
    runs: int = 1
    simulated: bool = True
    perturbed: bool = False
    measure_depth: bool = False
    max_duration: float = 60.0
    settle_time: float = 0.3
    lost_timeout: float = 5.0
    start_pose: tuple[float, ...] = (0.0,) * 6
    perturbed_for: float = 0.0

    def __post_init__(self) -> None:
        if not (self.max_duration > 0 and self.settle_time >= 0 and self.lost_timeout > 0):
            raise ParameterError(
                'max_duration and lost_timeout should be positive seconds and settle_time zero or more but are '
                f'{self.max_duration}, {self.lost_timeout} and {self.settle_time}'
            )
        if not 0 <= self.perturbed_for < self.max_duration:
            raise ParameterError(
                f'perturbed_for should be 0 or more and under max_duration, {self.max_duration} s, '
                f'but is {self.perturbed_for}'
            )
        if len(self.start_pose) != 6 or not np.isfinite(self.start_pose).all():
            raise ParameterError(f'start_pose should be six finite numbers but is {self.start_pose}')
        if self.runs < 1 or (self.runs > 1 and not self.simulated):
            raise ParameterError(f'runs should be 1, or more with a simulated arm, but is {self.runs}')


class Series:
    """Servo runs from starts of the benchmark to one reference.

    `estimator` is its name, for the record; `on_progress` is called with the seconds since a run began.
    """

    def __init__(
        self,
        graph: Graph,
        plan: Plan,
        estimator: str,
        on_progress: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        self.graph = graph
        self.plan = plan
        self._estimator = estimator
        self._on_progress = on_progress
        self._recorder = graph.recorder
        self._world_T_desired: Array | None = None
        self.depth_sentence = self.refusal = ''
        self._is_measuring = False

    def prepare(self) -> None:
        """Put the arm at the reference pose and capture it; without a simulator, take what is loaded."""
        if self.plan.simulated:
            self.graph.set_perturbations(False)
            self.graph.call('simulator/move_to_reference')
            self._world_T_desired = self._new_truth()
            self.graph.call('pose_estimator/capture_reference')
        if self.plan.measure_depth:
            self._is_measuring = True
            self.depth_sentence = self.graph.call('calibrate/measure_depth')
            self._is_measuring = False
        self._recorder.reference = self.graph.reference_image()

    def run(self, seed: int) -> tuple[Outcome, FinishedRun]:
        """Servo from the start of that seed and measure where the arm ends."""
        start: Array | None = None
        self.graph.call('pbvs_controller/stop')
        if self.plan.simulated:
            self.graph.set_start(self.plan.batch, seed, self.plan.start_pose)
            self.graph.call('simulator/move_to_start')
            self.graph.set_perturbations(self.plan.perturbed)
            start = self._error_of(self._new_truth())
        self.graph.call('pose_estimator/load_reference')  # it forgets the track that the move has broken
        self._await(lambda: self._recorder.servo_status in _AT_REST, 'the controller to stop')

        started = self._start()
        beginning = self.graph.now()
        self._recorder.begin(beginning)
        if started:
            self._endure(beginning)
            reason = self._servo(beginning)
        else:
            reason = 'refused'
        duration = 1e-9 * (self.graph.now() - beginning)
        if reason in ('converged', 'refused'):
            self.graph.wait(lambda: False, self.plan.settle_time)
        finished = self._recorder.end(self._world_T_desired, wall_clock=self.graph.wall_clock)
        self.graph.call('pbvs_controller/stop')
        return self._outcome(seed, reason, duration, start, finished), finished

    def finish(self) -> None:
        """Leave the arm at rest and the scene unperturbed."""
        try:
            if self._is_measuring:
                self.graph.call('calibrate/stop')
        finally:
            self.graph.call('pbvs_controller/stop')
        if self.plan.simulated:
            self.graph.set_perturbations(False)

    def _start(self) -> bool:
        """Whether the controller starts, which it does on a fresh estimate of an arm that is driven."""
        deadline = self.graph.now() + round(1e9 * _ANSWER_TIMEOUT)
        while self.graph.now() < deadline:
            self._wait_for_estimate()
            try:
                self.graph.call('pbvs_controller/start')
            except RunError as error:
                self.refusal = str(error)
            else:
                self.refusal = ''
                return True
        return False

    def _wait_for_estimate(self) -> None:
        heard = self._recorder.said_stamp
        self.graph.wait(lambda: self._recorder.said_stamp != heard, _ANSWER_TIMEOUT)

    def _endure(self, beginning: int) -> None:
        """Let the perturbations act for their time, then end them."""
        recorder, plan = self._recorder, self.plan
        self._await(lambda: recorder.servo_status not in _AT_REST, 'the controller to start')
        if plan.simulated and plan.perturbed and plan.perturbed_for:

            def given_up() -> bool:
                self._on_progress(1e-9 * (self.graph.now() - beginning))
                return recorder.servo_status in ('stopped', 'limited')

            self.graph.wait(given_up, plan.perturbed_for)
            self.graph.set_perturbations(False)

    def _servo(self, beginning: int) -> str:
        """Wait until the run that began then ends; return why."""
        recorder = self._recorder
        good = self.graph.now()
        reason = before = ''

        def ended() -> bool:
            nonlocal good, reason, before
            now, word = self.graph.now(), recorder.servo_status
            self._on_progress(1e-9 * (now - beginning))
            if word == 'stopped':  # out of patience, and what for is more telling
                reason = before or word
            elif word in ('converged', 'limited') or 1e-9 * (now - good) > self.plan.lost_timeout:
                reason = word
            before = word if word in _NOT_ON_THE_WAY else ''
            good = good if before else now
            return bool(reason)

        spent = 1e-9 * (self.graph.now() - beginning)
        self.graph.wait(ended, self.plan.max_duration - spent)
        return reason or 'timeout'

    def _await(self, condition: Callable[[], bool], what: str) -> None:
        if not self.graph.wait(condition, _ANSWER_TIMEOUT):
            raise RunError(f'waited {_ANSWER_TIMEOUT:g} s for {what}, in vain')

    def _new_truth(self) -> Array:
        """The ground truth (4, 4) of an image taken from now on."""
        now = self.graph.now()
        self._await(lambda: self._recorder.truth is not None and self._recorder.truth_stamp > now, 'ground truth')
        assert self._recorder.truth is not None
        return self._recorder.truth

    def _error_of(self, world_T_camera: Array) -> Array:
        assert self._world_T_desired is not None
        return se3.pose_vector(se3.inverse(self._world_T_desired) @ world_T_camera)

    def _outcome(
        self, seed: int, reason: str, duration: float, start: Array | None, finished: FinishedRun
    ) -> Outcome:
        known = np.isfinite(finished.trajectory.error[:, 0])
        truth = np.isfinite(finished.trajectory.truth).any()
        final = finished.trajectory.error[known][-1] if known.any() else np.full(6, np.nan)
        if start is None and known.any():
            start = finished.trajectory.error[known][0]
        return Outcome(
            seed=seed,
            batch=None if any(self.plan.start_pose) else self.plan.batch,
            estimator=self._estimator,
            reason=reason,
            translation_error=float(np.linalg.norm(final[:3])),
            rotation_error=float(np.linalg.norm(final[3:])),
            errors_from='ground_truth' if truth else 'estimate',
            duration=duration,
            start=tuple(float(value) for value in start) if start is not None else (),
            images_taken=finished.images_taken,
            images_processed=finished.images_processed,
            latencies=tuple(float(value) for value in finished.latencies),
            worst_transient=self._worst_transient(finished),
        )

    def _worst_transient(self, finished: FinishedRun) -> float | None:
        """By how much (m) the perturbations ever pushed the camera further off than it had been; None without."""
        trajectory = finished.trajectory
        during = trajectory.time <= self.plan.perturbed_for
        distances = np.linalg.norm(trajectory.error[:, :3], axis=1)[during]
        distances = distances[np.isfinite(distances)]
        if not (self.plan.perturbed and self.plan.perturbed_for and len(distances)):
            return None
        return float((distances - np.minimum.accumulate(distances)).max())
