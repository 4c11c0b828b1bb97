"""A calibration on an arm that moves: what is sent to it, what is recorded meanwhile, what comes of it."""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.calibration import data, report, verdict
from cnn_vs_ros.calibration.first_guess import guess_of_tracks
from cnn_vs_ros.calibration.motion import (
    CalibrationMotion,
    MotionLimits,
    duration,
    few_places,
    first_places,
    later_places,
)
from cnn_vs_ros.calibration.problem import Known
from cnn_vs_ros.calibration.recording import IMAGE_PERIOD, ArmTrack, Recording
from cnn_vs_ros.calibration.solver import Solution, calibrate
from cnn_vs_ros.calibration.tracks import Tracker
from cnn_vs_ros.control import DifferentialIk
from cnn_vs_ros.errors import HandEyeError
from cnn_vs_ros.estimation import Estimator, Reference
from cnn_vs_ros.estimation.pyramid import to_grey
from cnn_vs_ros.geometry import se3

Array = NDArray[np.float64]

_BACKLOG = 5
"""Images that may wait to be looked at; more are left out."""

_WORST_DEPTH = 0.1
"""Standard deviation, as a part of the depth, from which on the depth is not told."""

_BENT = 0.3
"""Radians by which the joints are bent to see whether two links are fixed to one another."""


class Errand(enum.Enum):
    """What a session is for."""

    CALIBRATE = 'calibrate'
    CHECK = 'check'
    MEASURE_DEPTH = 'measure_depth'


@dataclass(frozen=True)
class Rig:
    """How camera and arm hang together as far as it is known.

    `flange_T_tip` (4, 4), where the tip is what the twists are of; `mount` the believed ``flange_T_camera``
    (4, 4), if there is one, and `stamp_delay` by how many seconds the stamps are believed to be late.
    """

    flange: str
    camera_frame: str
    flange_T_tip: Array
    mount: Array | None
    stamp_delay: float = 0.0

    @classmethod
    def of(
        cls, kinematics: DifferentialIk, positions: Array, flange: str, camera_frame: str, stamp_delay: float
    ) -> Rig:
        """Rig of a robot description at joint positions (n,).

        Raises HandEyeError where it has no flange of that name, or one that its tip is not fixed to.
        """
        links, bent = kinematics.link_poses(positions), kinematics.link_poses(positions + _BENT)
        if flange not in links:
            raise HandEyeError(f'flange should be one of {", ".join(links)} but is {flange!r}')
        flange_T_tip = se3.inverse(links[flange]) @ links[kinematics.tip_frame]
        if not np.allclose(flange_T_tip, se3.inverse(bent[flange]) @ bent[kinematics.tip_frame], atol=1e-6):
            raise HandEyeError(f'{kinematics.tip_frame} should be fixed to the flange {flange} but is not')
        mount = se3.inverse(links[flange]) @ links[camera_frame] if camera_frame in links else None
        return cls(flange, camera_frame, flange_T_tip, mount, stamp_delay)


@dataclass(frozen=True)
class Result:
    """What came of a session: in a `sentence`, in numbers, and of a check whether the mount `holds`."""

    sentence: str
    solution: Solution
    holds: bool = True


class Session:
    """One errand on an arm.

    Tell it of the arm and of images, and ask it for a twist at a steady rate (`update`) until there is a `result`.
    Images are looked at in a thread of its own; `close` ends it. Every time is in seconds, `now` by one clock,
    stamps by the senders'.

    Args:
        errand: what it is for.
        rig: how camera and arm hang together.
        reference: the view that is tracked, with the depth that it is taken to have.
        estimator: tracks it.
        limits: of the motion.
        folder: where a calibration writes its recording and its report.
        lens: what to find of the lens.

    Raises HandEyeError where the mount is not known and should be.
    """

    def __init__(
        self,
        errand: Errand,
        rig: Rig,
        reference: Reference,
        estimator: Estimator,
        limits: MotionLimits,
        folder: Path,
        lens: tuple[str, ...] = ('k1',),
    ) -> None:
        if errand is not Errand.CALIBRATE and rig.mount is None:
            raise HandEyeError(
                f'the robot description should have the link {rig.camera_frame} for this but has not: calibrate'
            )
        self._errand, self._rig, self._reference, self._limits = errand, rig, reference, limits
        self._folder, self._lens = folder, lens
        if errand is Errand.CALIBRATE or rig.mount is None:
            self._places = first_places(limits)
        else:
            self._places = few_places(limits, rig.mount, rig.flange_T_tip)
        self._motion: CalibrationMotion | None = None
        self._worker = ThreadPoolExecutor(1, thread_name_prefix='calibration')
        self._tracking = self._worker.submit(Tracker, estimator, reference)
        self._looks: deque[Future[bool]] = deque()
        self._views_owed = errand is Errand.CALIBRATE
        self._job: Future[list[Array] | Result] | None = None
        self._images: list[np.ndarray] = []
        self._stamps: list[float] = []
        self._times: list[float] = []
        self._poses: list[Array] = []
        self._last_image = -np.inf
        self.result: Result | None = None

    @property
    def intention(self) -> str:
        """What the arm is about to do, in a sentence."""
        limits = self._limits
        angles, ways = zip(*((a, d) for d, a in map(se3.pose_error, self._places)), strict=True)
        said = (
            f'{len(self._places)} turns and shifts of the flange by up to {np.degrees(max(angles)):.0f} degrees '
            f'and {1e3 * max(ways):.0f} mm'
        )
        seconds = duration(self._places, limits)
        if self._views_owed:
            views = later_places(limits, np.eye(4), self._reference.depth)
            seconds += duration(views, limits)
            tilt, roll = np.degrees(limits.angle), np.degrees(1.5 * limits.angle)
            said += (
                f', then {len(views)} views of the scene from up to {1e3 * limits.distance:.0f} mm away, '
                f'tilted by up to {tilt:.0f} and rolled by up to {roll:.0f} degrees'
            )
        return (
            f'{said}; at most {1e3 * limits.linear_velocity:.0f} mm/s and '
            f'{np.degrees(limits.angular_velocity):.0f} degrees/s; back to here in the end; about {seconds:.0f} s'
        )

    def close(self) -> None:
        """End the thread; what it is at is not waited for."""
        self._worker.shutdown(wait=False, cancel_futures=True)

    def take_arm(self, stamp: float, base_T_tip: Array) -> None:
        """Take where the joint states stamped `stamp` say that the tip is, (4, 4)."""
        if not self._times or stamp > self._times[-1]:
            self._times.append(stamp)
            self._poses.append(base_T_tip @ se3.inverse(self._rig.flange_T_tip))

    def take_image(self, stamp: float, image: np.ndarray, now: float) -> None:
        """Take an image (H, W[, 3]) uint8 that came at `now`; some are enough."""
        self._last_image = now
        early = bool(self._stamps) and stamp < self._stamps[-1] + IMAGE_PERIOD - 1e-3
        if early or len(self._looks) >= _BACKLOG or self._motion is None or self._job is not None:
            return
        grey = to_grey(image).copy()
        self._images.append(grey)
        self._stamps.append(stamp)
        self._looks.append(self._worker.submit(self._look, grey))

    def update(self, now: float, base_T_tip: Callable[[], Array]) -> Array:
        """Twist (6,) of the tip in its own frame; its pose (4, 4) now is asked for unless it just rests.

        Raises:
            HandEyeError: it cannot go on, or nothing can be told. Then the arm must be stopped.
        """
        if self._motion is None:
            if not self._tracking.done():
                return np.zeros(6)
            self._tracking.result()
            self._motion = CalibrationMotion(base_T_tip(), self._places, self._limits, now)
            self._last_image = now
        if self._job is not None:
            self._go_on(self._job, self._motion, now)
            return np.zeros(6)
        if now - self._last_image > self._limits.lost_timeout:
            raise HandEyeError(f'images should come but ceased for {self._limits.lost_timeout:g} s')
        while self._looks and self._looks[0].done():
            if self._looks.popleft().result():
                self._motion.see(now)
        twist = self._motion.update(now, base_T_tip())
        if self._motion.finished and not twist.any():
            self._job = self._worker.submit(self._find_views if self._views_owed else self._solve)
        return twist

    def _look(self, image: np.ndarray) -> bool:
        """Whether an image shows the reference."""
        return not self._tracking.result().add(image).is_lost

    def _go_on(self, job: Future[list[Array] | Result], motion: CalibrationMotion, now: float) -> None:
        """Take what was computed, if it is there: more places to go to, or the result."""
        if not job.done():
            return
        found = job.result()
        if isinstance(found, Result):
            self.result = found
        else:
            self._views_owed, self._job, self._last_image = False, None, now
            motion.extend(found, now)

    def _find_views(self) -> list[Array]:
        guess = guess_of_tracks(self._recording(), self._tracking.result().tracks)
        depth = guess.scale * self._reference.depth
        return later_places(self._limits, guess.mount, depth, self._rig.flange_T_tip)

    def _recording(self) -> Recording:
        count, moments = len(self._stamps), len(self._poses)
        if not moments:
            raise HandEyeError('joint_states should come while the arm moves but did not')
        rig = self._rig
        return Recording(
            self._reference,
            self._images[:count],
            np.array(self._stamps[:count]),
            ArmTrack(self._times[:moments], self._poses[:moments]),
            rig.mount,
            rig.flange,
            rig.camera_frame,
        )

    def _solve(self) -> Result:
        recording, tracks, rig = self._recording(), self._tracking.result().tracks, self._rig
        if self._errand is Errand.MEASURE_DEPTH:
            solution = calibrate(recording, tracks, (), Known(mount=rig.mount))
            return Result(_sentence_of_depth(solution, rig.mount), solution)
        if self._errand is Errand.CALIBRATE:
            data.save(recording, self._folder)
        solution = calibrate(recording, tracks, self._lens)
        said = verdict.sentences(solution, rig.mount, rig.stamp_delay)
        if self._errand is Errand.CHECK and rig.mount is not None:
            return Result('; '.join(said), solution, verdict.holds(solution, rig.mount))
        report.write(solution, recording, tracks, self._folder, rig.stamp_delay)
        said.append(f'all of it is in {self._folder}')
        return Result('; '.join(said), solution)


def measured(reference: Reference, solution: Solution) -> Reference:
    """The reference with depth and normal as they were found."""
    first, second, third = (float(value) for value in solution.normal)
    return replace(
        reference,
        depth=solution.depth,
        depth_sigma=solution.depth_sigma,
        normal=(first, second, third),
        normal_sigma=solution.normal_sigma,
    )


def _sentence_of_depth(solution: Solution, mount: Array | None) -> str:
    part = solution.depth_sigma / solution.depth
    if part > _WORST_DEPTH:
        raise HandEyeError(
            f'the motions should tell the depth to {_WORST_DEPTH:.0%} but leave {part:.0%}: move farther'
        )
    assert mount is not None
    off = np.abs(se3.pose_vector(se3.inverse(mount) @ solution.mount))
    distance, angle = se3.pose_error(se3.inverse(mount) @ solution.mount)
    if (off > 3 * np.repeat(Known.mount_sigma, 3)).any():
        raise HandEyeError(
            'the motions of the image should be those of the arm but the mount seems off by '
            f'{1e3 * distance:.0f} mm and {np.degrees(angle):.1f} degrees: calibrate it'
        )
    return (
        f'depth {solution.depth:.4f} m, standard deviation {solution.depth_sigma:.4f} m ({part:.2%}); '
        f'normal {np.degrees(np.arccos(min(1.0, float(solution.normal[2])))):.1f} degrees from the optical axis, '
        f'standard deviation {np.degrees(solution.normal_sigma):.2f} degrees; the mount seems off by '
        f'{1e3 * distance:.1f} mm and {np.degrees(angle):.2f} degrees'
    )
