"""The parameter by which a node takes the mount that a calibration has found."""

from __future__ import annotations

from rclpy.node import Node

from cnn_vs_ros.calibration.mount import Mount
from cnn_vs_ros.environment import user_path
from cnn_vs_ros.nodes.parameters import declare


def declare_arm_calibration(node: Node) -> Mount | None:
    """Declare `arm_calibration`; return what its file says, if it names one. Raises HandEyeError for another."""
    path = declare(
        node,
        'arm_calibration',
        '',
        'calibration.yaml of calibrate, whose mount is used in place of that of the URDF; empty: none.',
        read_only=True,
    )
    return Mount.load(user_path(path)) if path else None
