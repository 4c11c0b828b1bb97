"""One servo run of one method, and many of them side by side, resumable."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from multiprocessing import connection
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from cnn_vs_ros.benchmark import (
    BATCHES,
    CAMERA,
    DEPTH,
    HARDEST,
    LOWEST,
    ROTATION_TOLERANCE,
    TRANSLATION_TOLERANCE,
)
from cnn_vs_ros.errors import ModelError
from cnn_vs_ros.estimation import Reference
from cnn_vs_ros.geometry import se3
from training.benchmark.conditions import NOMINAL_VIEWS, Setting, condition
from training.benchmark.methods import Method, make_method, model_of
from training.benchmark.methods.base import Step
from training.benchmark.records import RunFile, RunKey, RunRecord
from training.benchmark.scenes import occluder, scene
from training.benchmark.world import Sensor
from training.errors import TrainingError
from training.progress import progress_bar

Array = NDArray[np.float64]

MAX_STEPS = 400
SUCCESS = TRANSLATION_TOLERANCE, ROTATION_TOLERANCE

_STILL = (5e-6, 2e-5)  # a step shorter than this does not move the camera
_STILL_STEPS = 5
_HOLD_STEPS = 20  # steps at the goal over which the error is sampled
LOST_STEPS = 60
_STALLED_STEPS = 120  # without coming nearer
_SETTLED_STEPS = 15  # without coming nearer, within the limits of success
_GONE = 0.6  # m; a camera this far off never comes back
_ELSEWHERE = 5.0  # times SUCCESS, from which a camera is not near the goal but elsewhere
_SURE = 0.5  # confidence over which a method claims to be right


def draw_start(batch: int, run: int, seed: int, scene_T_desired: Array | None = None) -> Array:
    """``desired_T_current`` (4, 4) of a run; the same for every method, scene and condition.

    Before an oblique reference, whose camera is at ``scene_T_desired`` (4, 4), a start that is under 5 cm from the
    scene gives way to the next draw.
    """
    rng = np.random.default_rng((seed, batch, run))
    while True:
        start = se3.from_pose_vector(batch / (BATCHES - 1) * HARDEST * rng.standard_normal(6))
        if scene_T_desired is None or (scene_T_desired @ start)[2, 3] < DEPTH - LOWEST:
            return start


@cache
def _method(name: str, model: str | None) -> Method:
    return make_method(name, model)


@cache
def reference(scene_name: str, seed: int) -> Reference:
    """Return the reference that every run of a scene servoes to."""
    picture = Sensor(seed).expose(scene(scene_name).image(np.eye(4)))
    return Reference(picture, CAMERA, DEPTH)


def execute(key: RunKey) -> RunRecord:
    """Carry out one run."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    run_seed = hash_of(key.seed, key.batch, key.run)
    method = _method(key.method, model_of(key.method, key.scene))
    setting = condition(key.condition)(scene(key.scene), run_seed, occluder())
    try:
        method.start(_reference_of(setting, key), run_seed)
    except ModelError:
        if key.condition in NOMINAL_VIEWS and setting.camera == CAMERA:
            raise  # it is no model of this scene, whatever the condition
        return _lost_from_the_start(key, setting)
    return _Loop(method, setting, Sensor(run_seed + 1)).run(key)


def _lost_from_the_start(key: RunKey, setting: Setting) -> RunRecord:
    distance, angle = se3.pose_error(draw_start(key.batch, key.run, key.seed, setting.scene_T_desired))
    millimetres, degrees = 1e3 * distance, float(np.rad2deg(angle))
    return RunRecord(
        key=key,
        converged=False,
        error_mm=millimetres,
        error_deg=degrees,
        steps=0,
        start_mm=millimetres,
        start_deg=degrees,
    )


def _reference_of(setting: Setting, key: RunKey) -> Reference:
    if setting.shared:
        return reference(key.scene, key.seed)
    picture = Sensor(key.seed).expose(setting.desired.image(np.eye(4)))
    return Reference(picture, setting.camera, setting.depth)


def hash_of(*numbers: int) -> int:
    """Return a seed that mixes small numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0] >> 1)


class _Loop:
    """The closed loop of one run."""

    def __init__(self, method: Method, setting: Setting, sensor: Sensor) -> None:
        self._method, self._setting, self._sensor = method, setting, sensor
        self._times: dict[bool, list[float]] = {True: [], False: []}
        self._confident = self._wrong = 0

    def run(self, key: RunKey) -> RunRecord:
        pose = draw_start(key.batch, key.run, key.seed, self._setting.scene_T_desired)
        start = se3.pose_error(pose)
        still = lost = held = steps = 0
        length, last, found = 0.0, Step(None), False
        best, best_step = start[0] / SUCCESS[0] + start[1] / SUCCESS[1], 0
        hold: list[float] = []
        for steps in range(1, MAX_STEPS + 1):
            answer = last = self._answer(pose, steps)
            if answer.motion is None:
                lost += 1
                if lost >= LOST_STEPS:
                    break
                continue
            lost, found = 0, True
            motion = self._setting.moved(answer.motion)
            pose = pose @ se3.exp(motion)
            length += 0.0 if held else float(np.linalg.norm(motion[:3]))
            error = se3.pose_error(pose)
            if not np.isfinite(error).all() or error[0] > _GONE:
                break
            distance = error[0] / SUCCESS[0] + error[1] / SUCCESS[1]
            if distance < 0.95 * best:
                best, best_step = distance, steps
            if not held and steps - best_step > _STALLED_STEPS:
                break
            moved = np.linalg.norm(answer.motion[:3]), np.linalg.norm(answer.motion[3:])
            still = still + 1 if moved[0] < _STILL[0] and moved[1] < _STILL[1] else 0
            inside = error[0] < SUCCESS[0] and error[1] < SUCCESS[1]
            settled = inside and steps - best_step >= _SETTLED_STEPS
            arrived = error[0] < SUCCESS[0] / 20 and error[1] < SUCCESS[1] / 20
            # A search that passes the goal does not know it.
            if held or (not answer.searching and (still >= _STILL_STEPS or settled or arrived)):
                held += 1
                hold.append(round(1e3 * error[0], 5))
                if held >= _HOLD_STEPS:
                    break
        error = se3.pose_error(pose)
        return RunRecord(
            key=key,
            # The starts of batch 0 are at the goal: who sees nothing there has not come to it.
            converged=found and error[0] < SUCCESS[0] and error[1] < SUCCESS[1],
            error_mm=1e3 * error[0],
            error_deg=float(np.rad2deg(error[1])),
            steps=steps,
            start_mm=1e3 * start[0],
            start_deg=float(np.rad2deg(start[1])),
            hold_mm=hold,
            tracked_ms=_median(self._times[True]),
            acquisition_ms=_median(self._times[False]),
            images=sum(map(len, self._times.values())),
            confident_frames=self._confident,
            confidently_wrong=self._wrong,
            elsewhere=bool(self._claims_elsewhere(last, pose, still)),
            path=length / start[0] if start[0] > SUCCESS[0] else None,
        )

    def _claims_elsewhere(self, last: Step, pose: Array, still: int) -> bool:
        """Whether a camera that is not near the goal is said to be there, or surely somewhere else."""
        if last.motion is None or not _exceeds(se3.pose_error(pose), _ELSEWHERE):
            return False
        claimed = self._claimed(last)
        if claimed is None:
            return still >= _STILL_STEPS
        sure = last.confidence is not None and last.confidence > _SURE
        misses = _exceeds(se3.pose_error(se3.inverse(pose) @ claimed), _ELSEWHERE)
        return still >= _STILL_STEPS or not _exceeds(se3.pose_error(claimed), 1.0) or (sure and misses)

    def _claimed(self, answer: Step) -> Array | None:
        """The pose that a method claims; its metres are those of the depth that it was told."""
        if answer.pose is None:
            return None
        claimed = answer.pose.copy()
        claimed[:3, 3] *= DEPTH / self._setting.depth
        return claimed

    def _answer(self, pose: Array, step: int) -> Step:
        view = self._setting.disturb(self._setting.world.image(se3.inverse(pose)), step)
        picture = self._sensor.expose(view)
        # The processor's time, not the clock's: other work on the machine does not count.
        begun = time.process_time()
        answer = self._method.step(picture)
        self._times[answer.tracked].append(1e3 * (time.process_time() - begun))
        claimed = self._claimed(answer) if self._setting.knows_the_camera else None
        if claimed is not None and answer.confidence is not None and answer.confidence > 0.9:
            self._confident += 1
            self._wrong += _exceeds(se3.pose_error(se3.inverse(pose) @ claimed), 1.0)
        return answer


def _exceeds(error: tuple[float, float], times: float) -> bool:
    return error[0] > times * SUCCESS[0] or error[1] > times * SUCCESS[1]


def _median(values: list[float]) -> float | None:
    return float(np.median(values)) if values else None


def _end_on_interrupt() -> None:
    # Ctrl-C reaches the whole process group; a run in hand is not waited for, and no traceback is shown.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()


def _end_with_the_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)


def execute_all(keys: Sequence[RunKey], folder: Path, workers: int) -> list[RunRecord]:
    """Carry out all runs that `folder` does not hold yet, with a progress bar; return the records of all `keys`.

    May be interrupted at any time and called again. Raises TrainingError when `workers` is not positive or a
    process dies.
    """
    if workers < 1:
        raise TrainingError(f'workers should be at least 1 but is {workers}')
    folder.mkdir(parents=True, exist_ok=True)
    file = RunFile(folder)
    file.mend()
    done = {record.key: record for record in file.read()}
    missing = [key for key in keys if key not in done]
    # In a log file every refresh is a line.
    bar = progress_bar(total=len(keys), initial=len(keys) - len(missing), unit='run', smoothing=0.05)
    with bar:
        for record in _executed(missing, workers):
            file.append(record)
            done[record.key] = record
            bar.set_postfix_str(f'{record.key.method} {record.key.scene} {record.key.condition}')
            bar.update()
    return [done[key] for key in keys]


def _executed(keys: Sequence[RunKey], workers: int) -> Iterator[RunRecord]:
    """Yield the records of `keys` as they come from as many processes."""
    pool = ProcessPoolExecutor(
        workers, mp_context=multiprocessing.get_context('spawn'), initializer=_end_on_interrupt
    )
    try:
        for future in as_completed([pool.submit(execute, key) for key in keys]):
            yield future.result()
    except BrokenProcessPool as error:
        raise TrainingError(
            'a worker process ended unexpectedly (out of memory?): the same command goes on'
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
