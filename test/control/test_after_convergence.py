"""What a task that has arrived leaves behind, for the next one."""

import contextlib

import numpy as np

from cnn_vs_ros.control import GateSettings, JumpSettings, PbvsLaw, Servo, ServoSettings, ServoStatus
from cnn_vs_ros.errors import PoseError
from cnn_vs_ros.geometry import RelativePose, se3

PERIOD = 0.02
GATE = GateSettings(jump=JumpSettings(0.15, 1.0))
ELSEWHERE = se3.from_pose_vector([0.4, -0.3, 0.2, 0.2, 0.1, 1.5])


def arrived(**options) -> tuple[Servo, float]:
    servo, now = Servo(ServoSettings(PbvsLaw(2.0), gate=GATE, **options)), 0.0
    servo.add_estimate(RelativePose(np.eye(4)), now, now)
    assert servo.start(now) == ''
    while servo.status is not ServoStatus.CONVERGED:
        now += PERIOD
        servo.add_estimate(RelativePose(np.eye(4)), now, now)
        servo.update(now)
        assert now < 10.0
    return servo, now


def test_an_arm_that_others_have_moved_elsewhere_is_started_from_there():
    servo, now = arrived()
    for _ in range(10):
        now += PERIOD
        servo.add_estimate(RelativePose(ELSEWHERE), now, now)
        assert not servo.update(now).any()
    assert servo.status is ServoStatus.CONVERGED
    assert servo.start(now) == ''


def test_one_that_goes_on_servoing_still_refuses_a_jump():
    servo, now = arrived(keep_servoing=True)
    for _ in range(10):
        now += PERIOD
        with contextlib.suppress(PoseError):
            servo.add_estimate(RelativePose(ELSEWHERE), now, now)
        servo.update(now)
    assert servo.status is ServoStatus.ERROR
