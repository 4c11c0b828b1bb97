"""A graph without ROS: a camera that follows the exponential law at once, stepped by whoever waits."""

import numpy as np

from cnn_vs_ros.geometry import se3
from cnn_vs_ros.run import Recorder, RunError

PERIOD = 40_000_000
GAIN = 3.0


class FakeGraph:
    """`estimates` (time since the start in s) -> whether the estimator finds a pose; `push` adds (6,)."""

    wall_clock = False

    def __init__(
        self, start=(0.03, -0.02, 0.01, 0.2, -0.1, 0.4), estimates=lambda t: True, noise=0.0, push=lambda t: 0.0
    ):
        self.recorder = Recorder()
        self.calls = []
        self.perturbed = None
        self.image = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
        self._world_T_desired = se3.from_pose_vector((0.5, 0.1, 0.3, 3.0, 0.2, -0.1))
        self._start = np.array(start)
        self._error = np.zeros(6)
        self._estimates = estimates
        self._bias = np.full(6, noise)
        self._push = push
        self._time = 1_000_000_000
        self._started = None

    def now(self):
        return self._time

    def call(self, service):
        self.calls.append(service)
        if service == 'simulator/move_to_start':
            self._error = self._start.copy()
        elif service == 'simulator/move_to_reference':
            self._error = np.zeros(6)
        elif service == 'pbvs_controller/start':
            self._started = self._time
        elif service == 'pbvs_controller/stop':
            self._started = None
            self.recorder.add_servo_status('stopped')
        elif service == 'refused':
            raise RunError('refused failed: no')

    def set_start(self, batch, seed, pose):
        self.calls.append(('start', batch, seed))
        if any(pose):
            self._start = np.array(pose)

    def set_perturbations(self, on):
        self.perturbed = on

    def hurry(self):
        self.calls.append('hurry')

    def reference_image(self):
        return self.image

    def wait(self, condition, seconds):
        deadline = self._time + round(1e9 * seconds)
        while not condition():
            if self._time >= deadline:
                return False
            self._step()
        return True

    def _step(self):
        self._time += PERIOD
        moving = self._started is not None
        seen = self._estimates(1e-9 * (self._time - self._started)) if moving else True
        twist = -GAIN * self._error if moving and seen else np.zeros(6)
        self._error = self._error + 1e-9 * PERIOD * twist
        if moving:
            self._error = self._error + self._push(1e-9 * (self._time - self._started))
        pose = se3.from_pose_vector(self._error)
        arrival = 1e-9 * self._time
        self.recorder.add_truth(self._time, self._world_T_desired @ pose)
        self.recorder.add_image(self._time, self.image, arrival)
        self.recorder.add_said(self._time, 'tracked' if seen else 'lost', float(seen), arrival + 0.005)
        if seen:
            self.recorder.add_estimate(self._time, se3.from_pose_vector(self._error + self._bias))
        self.recorder.add_twist(self._time, twist, arrival + 0.010)
        if moving:
            near = np.abs(self._error).max() < 1e-4
            self.recorder.add_servo_status('converged' if near else 'servoing' if seen else 'lost')
