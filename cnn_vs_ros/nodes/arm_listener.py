"""The arm as its topics tell of it: kinematics from robot_description, joint positions from joint_states."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import JointState
from std_msgs.msg import String

from cnn_vs_ros.control import DifferentialIk
from cnn_vs_ros.errors import DescriptionError, VisualServoingError
from cnn_vs_ros.geometry import se3
from cnn_vs_ros.nodes.freshness import Freshness
from cnn_vs_ros.nodes.parameters import declare

Array = NDArray[np.float64]

_NEWEST = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
_LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class ArmListener:
    """Declares `tip_frame`, `robot_description` and `joint_state_timeout`, and listens for a node.

    Args:
        node: whose parameters and subscriptions these are.
        warn: called with a sentence about a joint state that cannot be used.
        options: further arguments of DifferentialIk.
        on_kinematics: called with each robot description taken; may raise VisualServoingError to refuse it.
    """

    def __init__(
        self,
        node: Node,
        warn: Callable[[str], None],
        options: dict[str, Any] | None = None,
        on_kinematics: Callable[[DifferentialIk], None] = lambda kinematics: None,
    ) -> None:
        self._node, self._warn = node, warn
        self._options, self._on_kinematics = options or {}, on_kinematics
        self.kinematics: DifferentialIk | None = None
        self._positions: Array | None = None
        self.tip_frame = declare(
            node, 'tip_frame', 'camera_optical_frame', 'Frame that the twists are of, in the URDF.', read_only=True
        )
        timeout = declare(
            node,
            'joint_state_timeout',
            0.2,
            'As long a joint state is used, s.',
            bounds=(0.01, 10.0),
            read_only=True,
        )
        self._freshness = Freshness(node, timeout)
        description = declare(
            node, 'robot_description', '', 'URDF; empty: from the topic robot_description.', read_only=True
        )
        if description:
            self._take_description(description)
        else:
            node.create_subscription(String, 'robot_description', self._on_description, _LATCHED)
        node.create_subscription(JointState, 'joint_states', self._on_joint_state, _NEWEST)

    @property
    def last_positions(self) -> Array | None:
        """The joint positions (n,) that came last, however old; None before any."""
        return self._positions

    def state(self) -> tuple[DifferentialIk, Array]:
        """Kinematics and joint positions (n,) of now, in the order of its joint_names.

        Raises:
            DescriptionError: no robot_description has come, or no fresh joint state.
        """
        if self.kinematics is None:
            raise DescriptionError('a robot_description should have come but has not')
        if self._positions is None or self._freshness.is_over:
            raise DescriptionError(f'joint_states should come every {self._freshness.timeout} s but do not')
        return self.kinematics, self._positions

    def _on_description(self, message: String) -> None:
        try:
            self._take_description(message.data)
        except VisualServoingError as error:
            self._node.get_logger().error(f'robot_description refused: {error}')

    def _take_description(self, urdf: str) -> None:
        kinematics = DifferentialIk(urdf, self.tip_frame, **self._options)
        self._on_kinematics(kinematics)
        self.kinematics, self._positions = kinematics, None

    def _on_joint_state(self, message: JointState) -> None:
        if self.kinematics is None:
            return
        try:
            positions = dict(zip(message.name, message.position, strict=False))
            missing = [name for name in self.kinematics.joint_names if name not in positions]
            if missing:
                raise DescriptionError(f'joint_states should hold {", ".join(missing)} but does not')
            ordered = [positions[name] for name in self.kinematics.joint_names]
            self._positions = se3.as_vector(ordered, len(ordered), 'joint positions')
            self._freshness.renew()
        except VisualServoingError as error:
            self._positions = None
            self._warn(str(error))
