"""An arm with velocity-controlled joints: it integrates the newest command and tells where its joints are."""

from __future__ import annotations

import time

import numpy as np
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray

from test.ros_graph import Graph

PERIOD = 0.01


class VelocityArm:
    """Publishes joint_states at 100 Hz while the graph is spun, its joints reversed and beside a gripper's.

    `commands` holds what it was sent, with the time of its arrival; `speaks` and `follows` can be switched off;
    `names` are the joints that it tells of.
    """

    def __init__(self, graph: Graph, joints: list[str], positions: np.ndarray) -> None:
        self.graph, self.joints, self.positions = graph, list(joints), np.array(positions, dtype=float)
        self.speaks = self.follows = True
        self.names = list(joints)
        self.commands: list[tuple[float, np.ndarray]] = []
        self._moved = time.monotonic()
        topic = 'forward_velocity_controller/commands'
        graph.node.create_subscription(Float64MultiArray, topic, self._on_command, 100)
        self.publisher = graph.node.create_publisher(JointState, 'joint_states', 10)
        self._timer = graph.node.create_timer(PERIOD, self._step)

    @property
    def command(self) -> np.ndarray:
        return self.commands[-1][1] if self.commands else np.empty(0)

    def since(self, begun: float) -> np.ndarray:
        """Commands (k, n) that came since a time."""
        return np.array([command for at, command in self.commands if at >= begun])

    def _on_command(self, message: Float64MultiArray) -> None:
        self.commands.append((time.monotonic(), np.array(message.data)))

    def _step(self) -> None:
        now = time.monotonic()
        if self.follows and len(self.command):
            self.positions = self.positions + (now - self._moved) * self.command
        self._moved = now
        if self.speaks:
            told = [(name, self.positions[self.joints.index(name)]) for name in reversed(self.names)]
            message = JointState(name=['gripper'], position=[0.5])
            message.name = ['gripper', *(name for name, _ in told)]
            message.position = [0.5, *(float(position) for _, position in told)]
            self.publisher.publish(message)
