"""A servo task to look at: its settings, its clock, and a camera that follows it exactly."""

from __future__ import annotations

import numpy as np

from cnn_vs_ros.control import (
    ExitSettings,
    FollowingSettings,
    GateSettings,
    JumpSettings,
    LostBehaviour,
    LostSettings,
    PbvsLaw,
    Servo,
    ServoSettings,
    ServoStatus,
    TwistLimits,
)
from cnn_vs_ros.geometry import PoseStatus, RelativePose, se3

PERIOD = 0.02
START = se3.from_pose_vector([0.03, -0.02, 0.05, 0.1, -0.2, 0.4])
LOST = RelativePose(np.eye(4), status=PoseStatus.LOST)
LIMITS = TwistLimits(0.2, 1.0, 1.0, 5.0, 1.0, 5.0)
EXIT = ExitSettings(LIMITS)
RETREAT = LostSettings(LostBehaviour.RETREAT, 0.05, 0.04)
JUMPS = GateSettings(jump=JumpSettings(0.05, 0.35))
WATCHED = FollowingSettings(0.2)


def settings(gain=2.0, **options) -> ServoSettings:
    options = {'exit': EXIT, 'latency_compensation': False, **options}
    return ServoSettings(PbvsLaw(gain), **options)


def make(gain=2.0, **options) -> Servo:
    return Servo(settings(gain, **options))


def clock(seconds: float, start: float = 0.0):
    return (start + index * PERIOD for index in range(1, round(seconds / PERIOD) + 1))


def begin(servo: Servo, now: float = 0.0, pose: RelativePose | None = None) -> None:
    """Start `servo`, which takes a fresh estimate."""
    servo.add_estimate(RelativePose(START) if pose is None else pose, now, now)
    assert servo.start(now) == ''


def moving(servo: Servo, seconds: float = 0.3) -> float:
    """Start `servo`, feed it the same pose for a while and return the time."""
    begin(servo)
    for now in clock(seconds):
        servo.add_estimate(RelativePose(START), now, now)
        twist = servo.update(now)
    assert np.linalg.norm(twist) > 0.1
    return now


def assert_smooth_stop(servo: Servo, start: float, status: ServoStatus, feed=lambda now: None) -> None:
    previous = servo.twist
    for now in clock(0.5, start):
        feed(now)
        twist = servo.update(now)
        assert np.linalg.norm((twist - previous)[:3]) <= 1.0 * PERIOD * (1 + 1e-3)
        assert np.linalg.norm((twist - previous)[3:]) <= 5.0 * PERIOD * (1 + 1e-3)
        previous = twist
    assert servo.status is status
    assert not twist.any()


def drive(servo: Servo, pose: np.ndarray, seconds: float, delay: float = 0.0) -> list[np.ndarray]:
    """A camera that follows the servo exactly, seen at 50 Hz by an estimator that takes `delay` seconds."""
    begin(servo, 0.0, RelativePose(pose))
    poses, pending = [pose], []
    for now in clock(seconds):
        pending.append((now, pose))
        while pending and pending[0][0] + delay <= now + 1e-9:
            stamp, seen = pending.pop(0)
            servo.add_estimate(RelativePose(seen), stamp, now)
        pose = pose @ se3.exp(servo.update(now) * PERIOD)
        poses.append(pose)
    return poses
