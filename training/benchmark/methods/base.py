"""What the benchmark asks of a method."""

from __future__ import annotations

import abc
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.control import PbvsLaw
from cnn_vs_ros.estimation import Reference
from cnn_vs_ros.geometry import RelativePose

Array = NDArray[np.float64]

# Share of the remaining error that a step of a pose-based method removes; the same for all of them.
GAIN = 0.25
# No step moves the camera further, whatever the method: m and rad.
MAX_STEP = (0.02, 0.12)


@dataclass(frozen=True)
class Step:
    """A method's answer to an image.

    `motion` (6,) is the camera's motion ``[v; omega]`` for this step in its own frame, None when the method does
    not know where to go; `tracked` whether it used what it knew from earlier images; `confidence` the claimed
    probability of a right pose, where the method claims one; `pose` the estimate behind the motion, if any;
    `searching` whether the motion looks for a lost target, wherever the goal is.
    """

    motion: Array | None
    tracked: bool = False
    confidence: float | None = None
    pose: Array | None = None
    searching: bool = False


class Method(abc.ABC):
    """A visual servoing method: told the reference once, then one image a step."""

    @abc.abstractmethod
    def start(self, reference: Reference, seed: int) -> None:
        """Begin a run towards `reference`; anything random follows `seed`."""

    @abc.abstractmethod
    def step(self, image: np.ndarray) -> Step:
        """Answer the picture `image` (H, W) uint8 with the camera's next motion."""


def limited(motion: Array) -> Array:
    """`motion` (6,) shortened, direction kept, to the longest step allowed."""
    length, angle = float(np.linalg.norm(motion[:3])), float(np.linalg.norm(motion[3:]))
    return np.asarray(motion / max(length / MAX_STEP[0], angle / MAX_STEP[1], 1.0))


def towards(pose: RelativePose) -> Array:
    """Motion (6,) of a step of the PBVS law (eq. 6)."""
    return limited(PbvsLaw(gain=GAIN)(pose))
