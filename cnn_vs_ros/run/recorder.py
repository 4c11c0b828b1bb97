"""Collects what the graph says during a run, and joins it by image stamp."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.geometry import se3
from cnn_vs_ros.run.trajectory import Trajectory

Array = NDArray[np.float64]

_JPEG_QUALITY = 92


@dataclass(frozen=True)
class Said:
    """A pose_status: its word, the confidence if there is one, and when it arrived (seconds of a steady clock)."""

    word: str
    confidence: float | None
    arrival: float


@dataclass(frozen=True, eq=False)
class Picture:
    """An image of a run: when it arrived, its JPEG data and its difference to the reference."""

    arrival: float
    jpeg: bytes
    ssd: float


@dataclass(frozen=True, eq=False)
class Clip:
    """Images as JPEG with their times (seconds), in order of time."""

    times: tuple[float, ...] = ()
    jpegs: tuple[bytes, ...] = ()

    def __len__(self) -> int:
        return len(self.times)

    def at(self, time: float) -> np.ndarray:
        """The image (H, W, 3), BGR uint8, that is the newest at `time`; before the first, that."""
        index = max(0, int(np.searchsorted(self.times, time, side='right')) - 1)
        return np.asarray(cv2.imdecode(np.frombuffer(self.jpegs[index], np.uint8), cv2.IMREAD_COLOR))


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """A finished run: the trajectory, first and last image, the images as clips and what was counted.

    `images` are those of the camera, `overview` those of a bystander's camera, if there is one. `latencies`
    (N,) are seconds from an image to the twist that follows from it.
    """

    trajectory: Trajectory
    initial: np.ndarray | None
    final: np.ndarray | None
    images: Clip
    overview: Clip
    images_taken: int
    images_processed: int
    latencies: Array


class Recorder:
    """The newest of everything, and between `begin` and `end` all of it.

    Messages may be added from one thread while another waits. Stamps are nanoseconds, of the image that a message
    is about; those of twists are of their own. Poses are (4, 4), arrivals seconds of a steady clock. Without
    `clips`, the images between the first and the last are compared to the reference but not kept.
    """

    def __init__(self, *, clips: bool = True) -> None:
        self._clips = clips
        self._changed = threading.Condition(threading.RLock())
        self.image: np.ndarray | None = None
        self.image_stamp = 0
        self.truth: Array | None = None
        self.truth_stamp = 0
        self.estimate: Array | None = None
        self.said: Said | None = None
        self.said_stamp = 0
        self.servo_status = ''
        self.reference: np.ndarray | None = None
        self.messages = 0
        self._recording = False
        self._begin(0)

    def _begin(self, stamp: int) -> None:
        self._start = stamp
        self._pictures: dict[int, Picture] = {}
        self._overview: dict[int, bytes] = {}
        self._truths: dict[int, Array] = {}
        self._estimates: dict[int, Array] = {}
        self._said: dict[int, Said] = {}
        self._twists: list[tuple[int, Array, float]] = []
        self._initial: np.ndarray | None = None

    # Messages

    def add_image(self, stamp: int, image: np.ndarray, arrival: float) -> None:
        """An image uint8 (H, W[, 3]) was taken."""
        with self._changed:
            recorded = self._records(stamp)
            reference = self.reference
        # Outside the lock: this is milliseconds of work.
        jpeg = _jpeg(image) if recorded and self._clips else b''
        picture = Picture(arrival, jpeg, _ssd(image, reference)) if recorded else None
        with self._changed:
            self.image, self.image_stamp = image, stamp
            if picture is not None:
                self._pictures[stamp] = picture
                if self._initial is None:
                    self._initial = image
            self._notify()

    def add_overview(self, stamp: int, image: np.ndarray) -> None:
        """A bystander's camera has taken an image uint8 (H, W, 3)."""
        with self._changed:
            recorded = self._records(stamp)
        jpeg = _jpeg(image) if recorded else b''
        with self._changed:
            if recorded:
                self._overview[stamp] = jpeg
            self._notify()

    def add_truth(self, stamp: int, world_T_camera: Array) -> None:
        """The true pose of the camera when the image of that stamp was taken."""
        with self._changed:
            self.truth, self.truth_stamp = world_T_camera, stamp
            if self._records(stamp):
                self._truths[stamp] = world_T_camera
            self._notify()

    def add_said(self, stamp: int, word: str, confidence: float | None, arrival: float) -> None:
        """The estimator has processed an image."""
        with self._changed:
            self.said, self.said_stamp = Said(word, confidence, arrival), stamp
            if self._records(stamp):
                self._said[stamp] = self.said
            self._notify()

    def add_estimate(self, stamp: int, desired_T_current: Array) -> None:
        """The estimator has found a pose."""
        with self._changed:
            self.estimate = desired_T_current
            if self._records(stamp):
                self._estimates[stamp] = desired_T_current
            self._notify()

    def add_twist(self, stamp: int, twist: Array, arrival: float) -> None:
        """The controller has sent a twist (6,)."""
        with self._changed:
            if self._records(stamp):
                self._twists.append((stamp, twist, arrival))
            self._notify()

    def add_servo_status(self, word: str) -> None:
        """The controller is in another state."""
        with self._changed:
            self.servo_status = word
            self._notify()

    def _records(self, stamp: int) -> bool:
        return self._recording and stamp > self._start

    def _notify(self) -> None:
        self.messages += 1
        self._changed.notify_all()

    def wait(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait until `condition` holds, looking at each message, at most `seconds` of wall time; say whether."""
        with self._changed:
            return self._changed.wait_for(condition, seconds)

    # Recording

    def begin(self, stamp: int) -> None:
        """Record what is stamped later than `stamp` (nanoseconds), which is time zero."""
        with self._changed:
            self._begin(stamp)
            self.estimate = None
            self._recording = True

    def end(self, world_T_desired: Array | None, *, wall_clock: bool) -> FinishedRun:
        """Finish: `world_T_desired` (4, 4) is the true reference pose, where known.

        With `wall_clock`, stamps are wall time and latencies are from the image's stamp to the twist's; else
        from the arrival here of the image to that of the twist, as stamps stand still in lockstep.
        """
        with self._changed:
            self._recording = False
            trajectory = self._trajectory(world_T_desired)
            taken = set(self._truths) | set(self._pictures)
            # An image whose result is still under way when we stop is not lost.
            newest = max(self._said, default=0)
            taken = {stamp for stamp in taken if stamp <= newest}
            final = self.image if self._pictures and self.image_stamp in self._pictures else None
            return FinishedRun(
                trajectory,
                self._initial,
                final,
                self._clip({stamp: picture.jpeg for stamp, picture in self._pictures.items()}),
                self._clip(self._overview),
                len(taken),
                len(taken & set(self._said)),
                self._latencies(wall_clock),
            )

    def _clip(self, jpegs: dict[int, bytes]) -> Clip:
        stamps = sorted(stamp for stamp, jpeg in jpegs.items() if jpeg)
        return Clip(
            tuple(1e-9 * (stamp - self._start) for stamp in stamps), tuple(jpegs[stamp] for stamp in stamps)
        )

    def _trajectory(self, world_T_desired: Array | None) -> Trajectory:
        stamps = sorted(self._said)
        unknown = np.full(6, np.nan)
        desired_T_world = None if world_T_desired is None else se3.inverse(world_T_desired)

        def truth(stamp: int) -> Array:
            if desired_T_world is None or stamp not in self._truths:
                return unknown
            return se3.pose_vector(desired_T_world @ self._truths[stamp])

        def estimate(stamp: int) -> Array:
            return se3.pose_vector(self._estimates[stamp]) if stamp in self._estimates else unknown

        twist_stamps = np.array([stamp for stamp, _, _ in self._twists], dtype=np.int64)

        def twist(stamp: int) -> Array:
            index = int(np.searchsorted(twist_stamps, stamp, side='right')) - 1
            return self._twists[index][1] if index >= 0 else np.zeros(6)

        def table(row: Callable[[int], Array]) -> Array:
            return np.array([row(stamp) for stamp in stamps]).reshape(len(stamps), 6)

        return Trajectory(
            np.array([1e-9 * (stamp - self._start) for stamp in stamps]),
            table(estimate),
            table(truth),
            table(twist),
            np.array([self._pictures[stamp].ssd if stamp in self._pictures else np.nan for stamp in stamps]),
            np.array([self._said[stamp].confidence for stamp in stamps], float),
            tuple(self._said[stamp].word for stamp in stamps),
        )

    def _latencies(self, wall_clock: bool) -> Array:
        """Seconds from each image to the first twist after its estimate arrived (N,)."""
        arrivals = np.array([arrival for _, _, arrival in self._twists])
        latencies = []
        for stamp, said in self._said.items():
            index = int(np.searchsorted(arrivals, said.arrival))
            if index == len(arrivals) or stamp not in self._estimates:
                continue
            if wall_clock:
                latencies.append(1e-9 * (self._twists[index][0] - stamp))
            elif stamp in self._pictures:
                latencies.append(float(arrivals[index]) - self._pictures[stamp].arrival)
        return np.array(latencies)


def _jpeg(image: np.ndarray) -> bytes:
    return cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1].tobytes()


def grey(image: np.ndarray) -> np.ndarray:
    """Grey image uint8 (H, W) of a grey or BGR image."""
    return image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)


def _ssd(image: np.ndarray, reference: np.ndarray | None) -> float:
    if reference is None or reference.shape[:2] != image.shape[:2]:
        return float('nan')
    return float(cv2.norm(grey(image), grey(reference), cv2.NORM_L2SQR))
