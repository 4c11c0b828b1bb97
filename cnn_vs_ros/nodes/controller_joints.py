"""The order of joints in which a ros2_control controller takes its commands, asked of the controller itself."""

from __future__ import annotations

import time
from collections.abc import Callable

from rcl_interfaces.msg import ParameterType
from rcl_interfaces.srv import GetParameters
from rclpy.node import Node
from rclpy.task import Future

from cnn_vs_ros.nodes.common import steady_clock

PATIENCE = 2.0
"""Seconds of wall time after its start in which a node waits for a controller to be discovered."""

_PERIOD = 0.25
"""Seconds of wall time after which an answer that does not come is asked for again."""


class ControllerJoints:
    """Reads the parameter `joints` of the controller behind a topic of commands, also when it is started anew.

    Args:
        node: that asks.
        topic: full name, ``/CONTROLLER/commands``.
        on_joints: called with the joints, in their order, each time that a controller tells them.
    """

    def __init__(self, node: Node, topic: str, on_joints: Callable[[list[str]], None]) -> None:
        self._on_joints = on_joints
        self.controller = topic.rpartition('/')[0]
        self._client = node.create_client(GetParameters, f'{self.controller}/get_parameters')
        self._pending: Future | None = None
        self._answered = False
        self._patient_until = time.monotonic() + PATIENCE
        node.create_timer(_PERIOD, self._ask, clock=steady_clock())

    @property
    def is_owed(self) -> bool:
        """Whether there is a controller that has not told its joints yet, or may be one."""
        if self._answered:
            return False
        return self._client.service_is_ready() or time.monotonic() < self._patient_until

    def _ask(self) -> None:
        if not self._client.service_is_ready():
            self._answered = False
            return
        if self._answered:
            return
        if self._pending is not None:
            self._client.remove_pending_request(self._pending)
        self._pending = self._client.call_async(GetParameters.Request(names=['joints']))
        self._pending.add_done_callback(self._take)

    def _take(self, future: Future) -> None:
        if self._pending is None or future is not self._pending or future.cancelled():
            return
        self._pending, self._answered = None, True
        values = future.result().values
        if values and values[0].type == ParameterType.PARAMETER_STRING_ARRAY:
            self._on_joints(list(values[0].string_array_value))
