"""What a controller hears of the arm: arm_status, its speed scaling, and whether anybody takes its twists."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.node import Node
from std_msgs.msg import String

from cnn_vs_ros.control import ArmLink
from cnn_vs_ros.nodes.common import LATCHED, steady_clock
from cnn_vs_ros.nodes.speed_scaling import hear_speed_scaling

OBSERVERS = ('pose_estimator', 'experiment', 'record', 'soak', 'check_arm')
"""Nodes that listen to twist and drive no arm by it."""

_LOOK_PERIOD = 0.5


def takers_of_twists(node: Node, topic: str) -> list[str]:
    """Names of the nodes that drive an arm by the twists of a topic, which is a resolved name."""
    readers = node.get_subscriptions_info_by_topic(topic)
    return [reader.node_name for reader in readers if reader.node_name not in OBSERVERS]


class ArmWatch:
    """Tells an ArmLink, from creation to `close`. `twist_topic` is the resolved name, `now` the node's time."""

    def __init__(self, node: Node, link: ArmLink, twist_topic: str, now: Callable[[], float]) -> None:
        self._node, self._link, self._topic, self._now = node, link, twist_topic, now
        self._word = self._reason = ''
        self._subscriptions = [
            node.create_subscription(String, 'arm_status', self._on_status, LATCHED),
            node.create_subscription(String, 'arm_status_reason', self._on_reason, LATCHED),
            hear_speed_scaling(node, link.scaling, now),
        ]
        steady = steady_clock()
        self._timer = node.create_timer(_LOOK_PERIOD, self.look, clock=steady)

    def close(self) -> None:
        """Cease to listen."""
        self._node.destroy_timer(self._timer)
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)

    def look(self) -> None:
        """See whether anybody takes the twists."""
        self._link.see_listener(bool(takers_of_twists(self._node, self._topic)), self._now())

    def _on_status(self, message: String) -> None:
        self._word = message.data
        self._link.hear(self._word, self._reason, self._now())

    def _on_reason(self, message: String) -> None:
        self._reason = message.data
        self._link.hear(self._word, self._reason, self._now())
