"""What MoveIt Servo sends to the arm's controller, and whether the arm does it."""

from __future__ import annotations

import math
from collections.abc import Callable

from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory

from cnn_vs_ros.control.moveit_servo import ServoLink
from cnn_vs_ros.control.servo_lead import ServoLead

_BEST_EFFORT = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)
_TRAJECTORY = 'trajectory_msgs/JointTrajectory'
_SERVOS_OWN = 0.3
"""Seconds after a twist for which trajectories are Servo's; later ones are of others, who may move the arm."""


class ServoOutput:
    """Hears Servo's trajectories and the joint states; tells `link` of these. `now`: seconds of a steady clock."""

    def __init__(
        self, node: Node, servo_node: str, tolerance: float, link: ServoLink, now: Callable[[], float]
    ) -> None:
        self._node, self._servo_node, self._link, self._now = node, servo_node, link, now
        self._lead = ServoLead(tolerance)
        self._subscription: Subscription | None = None
        self._sent = -math.inf
        self.topic = ''
        node.create_subscription(JointState, 'joint_states', self._on_joint_state, _BEST_EFFORT)

    def watch(self, kind: str = '', topic: str = '') -> None:
        """Watch what Servo publishes by its parameters command_out_type and command_out_topic, if trajectories."""
        name = _resolved(topic, self._servo_node) if kind == _TRAJECTORY else ''
        if name == self.topic:
            return
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None
        self.topic = name
        if name:
            self._subscription = self._node.create_subscription(
                JointTrajectory, name, self._on_trajectory, _BEST_EFFORT
            )

    def note_twist(self) -> None:
        """Take note that Servo is being sent a twist."""
        self._sent = self._now()

    def lost(self) -> str:
        """Why the arm counts as lost, once; empty while it follows."""
        sentence = self._lead.lost(self._now())
        if sentence:
            self._lead.forget()
        return sentence

    def _on_trajectory(self, message: JointTrajectory) -> None:
        if self._now() - self._sent > _SERVOS_OWN:
            return
        self._lead.command(message.joint_names, [point.positions for point in message.points], self._now())

    def _on_joint_state(self, message: JointState) -> None:
        now = self._now()
        if self._lead.measure(message.name, message.position, now):
            self._link.hear_states(now)


def _resolved(topic: str, servo_node: str) -> str:
    """Name of a topic of Servo's as this node, in the namespace that `servo_node` is given in, has it."""
    if topic.startswith('/'):
        return topic
    if topic.startswith('~/'):
        return f'{servo_node}{topic[1:]}'
    return f'{servo_node.rpartition("/")[0]}/{topic}' if '/' in servo_node else topic
