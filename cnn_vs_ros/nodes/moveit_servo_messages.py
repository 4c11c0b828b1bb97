"""The messages of MoveIt Servo, which come with MoveIt and not from PyPI: here alone they are imported."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cnn_vs_ros.errors import ResourceError


@dataclass(frozen=True)
class ServoMessages:
    """The types of Servo's status topic and switch_command_type service, and how they are read."""

    status_type: type
    read_status: Callable[[Any], tuple[int, str]]
    switch_type: type
    switch_request: Callable[[], Any]


def installed_messages() -> ServoMessages:
    """Return MoveIt Servo's messages. Raises ResourceError where MoveIt is not installed."""
    try:
        from moveit_msgs.msg import ServoStatus
        from moveit_msgs.srv import ServoCommandType
    except ImportError as error:
        raise ResourceError(
            'moveit_servo_adapter needs the package moveit_msgs, which comes with MoveIt (rosdep install, or the '
            f'Debian package ros-jazzy-moveit-servo), but it cannot be imported: {error}'
        ) from error
    return ServoMessages(
        status_type=ServoStatus,
        read_status=lambda message: (int(message.code), str(message.message)),
        switch_type=ServoCommandType,
        switch_request=lambda: ServoCommandType.Request(command_type=ServoCommandType.Request.TWIST),
    )
