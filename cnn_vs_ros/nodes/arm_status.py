"""What an arm does, said to whoever moves it: the topics arm_status and arm_status_reason, and diagnostics."""

from __future__ import annotations

from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.node import Node
from std_msgs.msg import String

from cnn_vs_ros.control import ServoStatus
from cnn_vs_ros.nodes import messages
from cnn_vs_ros.nodes.common import LATCHED, stamp_now
from cnn_vs_ros.nodes.process_usage import ProcessUsage

_LEVELS = {
    ServoStatus.SERVOING: DiagnosticStatus.OK,
    ServoStatus.IDLE: DiagnosticStatus.OK,
    ServoStatus.ERROR: DiagnosticStatus.ERROR,
}


class ArmStatusPublisher:
    """Says status and reason at every change, and in the node's diagnostics under the name `what`."""

    def __init__(self, node: Node, what: str) -> None:
        self._node, self._usage = node, ProcessUsage()
        self._name = f'{node.get_fully_qualified_name().lstrip("/")}: {what}'
        self.status, self.reason = ServoStatus.IDLE, ''
        self._said: tuple[ServoStatus, str] | None = None
        self._status_publisher = node.create_publisher(String, 'arm_status', LATCHED)
        self._reason_publisher = node.create_publisher(String, 'arm_status_reason', LATCHED)
        self._diagnostics_publisher = node.create_publisher(DiagnosticArray, '/diagnostics', 10)

    def say(self, status: ServoStatus, reason: str) -> None:
        """Publish status and reason if they are news."""
        before, self._said = self._said, (status, reason)
        if before == self._said:
            return
        self.status, self.reason = status, reason
        self._reason_publisher.publish(String(data=reason))
        if before is None or before[0] is not status:
            self._status_publisher.publish(String(data=status.value))
            self._node.get_logger().info(f'{status.value}: {reason}')

    def publish_diagnostics(self, values: dict[str, Any] | None = None) -> None:
        """Publish the newest status and reason, memory, processor time and further `values`."""
        message = DiagnosticStatus(
            level=_LEVELS.get(self.status, DiagnosticStatus.WARN),
            name=self._name,
            message=f'{self.status.value}: {self.reason}',
            values=messages.key_values({'status': self.status.value, **self._usage.report(), **(values or {})}),
        )
        stamp = stamp_now(self._node)
        self._diagnostics_publisher.publish(messages.diagnostics(message, stamp))
