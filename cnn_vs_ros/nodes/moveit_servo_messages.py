"""The messages of MoveIt Servo, which come with MoveIt and not from PyPI: only its adapter imports this."""

from __future__ import annotations

from moveit_msgs.msg import ServoStatus
from moveit_msgs.srv import ServoCommandType

from cnn_vs_ros.nodes.moveit_servo_adapter import ServoMessages


def servo_messages() -> ServoMessages:
    """Return the types of Servo's status topic and switch_command_type service, and how they are read."""
    return ServoMessages(
        status_type=ServoStatus,
        read_status=lambda message: (int(message.code), str(message.message)),
        switch_type=ServoCommandType,
        switch_request=lambda: ServoCommandType.Request(command_type=ServoCommandType.Request.TWIST),
    )
