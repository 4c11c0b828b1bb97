"""What MoveIt Servo wants of whoever sends it twists, without ROS: geometry, status codes, and when to send.

Servo turns a twist into the planning frame by the rotation alone and applies it about the end effector (its
parameter `apply_twist_commands_about_ee_frame`, by default true): the lever arm from the camera to the end
effector is the sender's to add. Its command type must have been switched to twists, and while it is paused it
publishes no status. While twists come, zeros among them, it counts on from its own last command; when they cease
it takes up the arm where it is.
"""

from __future__ import annotations

import enum

import numpy as np
import pinocchio
from numpy.typing import ArrayLike, NDArray

from cnn_vs_ros.control.differential_ik import kinematic_model, parent_joint
from cnn_vs_ros.control.distrust import Distrust
from cnn_vs_ros.control.servo import ServoStatus
from cnn_vs_ros.errors import DescriptionError
from cnn_vs_ros.geometry import se3

Array = NDArray[np.float64]


SILENCE = 1.0
"""Seconds without twists after which MoveIt Servo surely begins where the arm is: `incoming_command_timeout` and
twice `max_expected_latency`, 0.1 s each."""


_STATES_TIMEOUT = 0.5
"""Seconds without joint states after which nobody knows where the arm is; Servo itself would go on."""


_STALL = 0.3
"""Seconds without a look at the link after which what came meanwhile may still wait: they do not count."""


class ServoCode(enum.IntEnum):
    """Status codes of MoveIt Servo (moveit_msgs/ServoStatus)."""

    INVALID = -1
    NO_WARNING = 0
    DECELERATE_FOR_APPROACHING_SINGULARITY = 1
    HALT_FOR_SINGULARITY = 2
    DECELERATE_FOR_LEAVING_SINGULARITY = 3
    DECELERATE_FOR_COLLISION = 4
    HALT_FOR_COLLISION = 5
    JOINT_BOUND = 6


_MEANINGS = {
    ServoCode.INVALID: (ServoStatus.ERROR, 'MoveIt Servo refuses the command'),
    ServoCode.NO_WARNING: (ServoStatus.SERVOING, 'MoveIt Servo follows the twists'),
    ServoCode.DECELERATE_FOR_APPROACHING_SINGULARITY: (ServoStatus.SERVOING, 'slower: near a singularity'),
    ServoCode.HALT_FOR_SINGULARITY: (ServoStatus.LIMITED, 'halted: at a singularity'),
    ServoCode.DECELERATE_FOR_LEAVING_SINGULARITY: (ServoStatus.SERVOING, 'slower: leaving a singularity'),
    ServoCode.DECELERATE_FOR_COLLISION: (ServoStatus.SERVOING, 'slower: near a collision'),
    ServoCode.HALT_FOR_COLLISION: (ServoStatus.LIMITED, 'halted: about to collide'),
    ServoCode.JOINT_BOUND: (ServoStatus.LIMITED, 'halted: a joint is at its bound'),
}


def meaning(code: int, text: str = '') -> tuple[ServoStatus, str]:
    """Our status word for a code of MoveIt Servo, and a reason; `text` is what Servo said of an unknown code."""
    try:
        return _MEANINGS[ServoCode(code)]
    except ValueError:
        return ServoStatus.ERROR, f'MoveIt Servo says {text or "nothing"} with the unknown code {code}'


def rigid_transform(urdf: str, parent: str, child: str) -> Array:
    """Pose ``parent_T_child`` (4, 4) of two links of a URDF that no joint moves against one another.

    Raises:
        DescriptionError: no valid URDF, no such link, or a joint between them moves.
    """
    model = kinematic_model(urdf)
    frames = []
    for name in (parent, child):
        if not model.existBodyName(name):
            raise DescriptionError(f'robot description should have the link {name} but has none')
        frames.append(model.frames[model.getFrameId(name, pinocchio.FrameType.BODY)])
    if parent_joint(frames[0]) != parent_joint(frames[1]):
        raise DescriptionError(f'{child} should be fixed to {parent} but a joint between them moves')
    return np.array((frames[0].placement.inverse() * frames[1].placement).homogeneous)


def twist_of_end_effector(end_effector_T_camera: Array, camera_twist: ArrayLike) -> Array:
    """Twist (6,) [v; omega] of the end effector in its own frame when the camera on it moves with `camera_twist`.

    Raises:
        PoseError: the twist has another shape or is not finite.
    """
    return np.asarray(se3.adjoint(end_effector_T_camera) @ se3.as_vector(camera_twist, 6, 'twist'))


class ServoLink:
    """Whether MoveIt Servo may be sent twists: it is heard of, was set up for twists, and is not paused.

    Args:
        status_timeout: seconds without a status after which Servo counts as paused or gone. When it is heard of
            again it is set up anew, for it may have been restarted.
    """

    def __init__(self, status_timeout: float = 1.0) -> None:
        self._status_timeout = status_timeout
        self._heard: float | None = None
        self._measured = np.inf
        self._looked = -np.inf
        self._code, self._text = int(ServoCode.NO_WARNING), ''
        self._ready = self._paused = False
        self._refusal = ''
        self._distrust = Distrust()
        self._lost = -np.inf

    def hear(self, code: int, text: str, now: float) -> None:
        """Take a status that came at `now`, seconds."""
        self._watch(now)
        self._heard, self._code, self._text = now, code, text

    def hear_states(self, now: float) -> None:
        """Take note that joint states came at `now`, seconds. Before the first ones there is nothing to miss."""
        self._measured = now

    def set_up(self, refusal: str = '') -> None:
        """Servo was set up for twists, or refused for the given reason."""
        self._ready, self._refusal = not refusal, refusal

    def pause(self, paused: bool) -> None:
        """Servo was paused or resumed; after a pause it is set up anew, and begins where the arm is."""
        self._paused, self._ready = paused, False
        self._distrust = Distrust()

    def lose(self, reason: str, now: float) -> None:
        """The arm is not where Servo has it: no twists until they were zero and Servo was alone for SILENCE."""
        self._distrust.begin(reason)
        self._lost = now

    def wants_setup(self, now: float) -> bool:
        """Whether Servo is there and should be set up for twists."""
        self._watch(now)
        return self._heard is not None and not self._ready and not self._paused

    def may_send(self, is_zero: bool, now: float) -> bool:
        """Whether a twist that came, zero or not, may be sent."""
        self._watch(now)
        self._distrust.hear(is_zero, now, may_end=now - self._lost >= SILENCE)
        driven = self._heard is not None and self._ready and not self._paused and not self._distrust.reason
        return driven and not self._misses_states(now)

    def status(self, now: float) -> tuple[ServoStatus, str]:
        """What the arm is doing, in the words of pbvs_controller's status, and why."""
        self._watch(now)
        if self._paused:
            return ServoStatus.STOPPED, 'MoveIt Servo is paused'
        if self._heard is None:
            return ServoStatus.STALE, 'MoveIt Servo publishes no status: it is not running, or paused'
        if self._misses_states(now):
            return ServoStatus.STALE, f'joint_states should come every {_STATES_TIMEOUT:g} s but do not'
        if self._refusal:
            return ServoStatus.ERROR, self._refusal
        if not self._ready:
            return ServoStatus.IDLE, 'MoveIt Servo is being set up for twists'
        if self._distrust.reason:
            return ServoStatus.STOPPED, self._distrust.reason
        return meaning(self._code, self._text)

    def _misses_states(self, now: float) -> bool:
        return now - self._measured > _STATES_TIMEOUT

    def _watch(self, now: float) -> None:
        if now - self._looked > _STALL:
            self._measured += now - self._looked
        self._looked = now
        if self._heard is not None and not 0.0 <= now - self._heard <= self._status_timeout:
            self._heard, self._ready, self._refusal = None, False, ''
