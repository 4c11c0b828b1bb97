"""The arm as its topics tell of it: kinematics from robot_description, joint positions from joint_states."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import JointState
from std_msgs.msg import String

from cnn_vs_ros import frames
from cnn_vs_ros.control import DifferentialIk
from cnn_vs_ros.control.joint_states import JointStates
from cnn_vs_ros.errors import DescriptionError, VisualServoingError
from cnn_vs_ros.nodes.arm_calibration import declare_arm_calibration
from cnn_vs_ros.nodes.arrival_clock import ArrivalClock
from cnn_vs_ros.nodes.common import LATCHED
from cnn_vs_ros.nodes.parameters import declare
from cnn_vs_ros.nodes.quality_of_service import subscribe
from cnn_vs_ros.nodes.waiting import take

Array = NDArray[np.float64]

# Deep enough for several publishers: the newest message of one must not push out that of another.
JOINT_STATES = QoSProfile(depth=50, reliability=ReliabilityPolicy.BEST_EFFORT)


class ArmListener:
    """Declares `tip_frame`, `robot_description`, `arm_calibration` and `joint_state_timeout`; listens for a node.

    The first robot description that can be used is taken, and stays: another one is refused.

    Args:
        node: whose parameters and subscriptions these are.
        options: further arguments of DifferentialIk.
        on_kinematics: called with the robot description taken; may raise VisualServoingError to refuse it.
        on_other: called with a sentence when another one comes later.
        on_positions: called with each message that holds joints of the chain, and with the last positions (n,) of
            all of them, once they are known.
    """

    def __init__(
        self,
        node: Node,
        options: dict[str, Any] | None = None,
        on_kinematics: Callable[[DifferentialIk, JointStates, str], None] = lambda *_: None,
        on_other: Callable[[str], None] | None = None,
        on_positions: Callable[[JointState, Array], None] = lambda *_: None,
    ) -> None:
        self._node, self._options, self._on_kinematics = node, options or {}, on_kinematics
        self._on_other = on_other or node.get_logger().error
        self._on_positions = on_positions
        self.clock = ArrivalClock(node)
        self.kinematics: DifferentialIk | None = None
        self._joint_states: JointStates | None = None
        self._taken = ''
        self.calibration = declare_arm_calibration(node)
        self.tip_frame = declare(
            node, 'tip_frame', frames.CAMERA, 'Frame that the twists are of, in the URDF.', read_only=True
        )
        self._timeout = declare(
            node,
            'joint_state_timeout',
            0.2,
            'As long the state of a joint is used, s.',
            bounds=(0.01, 10.0),
            read_only=True,
        )
        description = declare(
            node, 'robot_description', '', 'URDF; empty: from the topic robot_description.', read_only=True
        )
        if description:
            self._take_description(description)
        else:
            subscribe(node, String, 'robot_description', self._on_description, LATCHED)
        self._states = node.create_subscription(JointState, 'joint_states', self._on_joint_state, JOINT_STATES)

    @property
    def last_positions(self) -> Array | None:
        """The joint positions (n,) that came last, however old; None before any."""
        return None if self._joint_states is None else self._joint_states.last_positions

    @property
    def age(self) -> float:
        """Seconds since the joint that came longest ago; infinite before each has come."""
        return np.inf if self._joint_states is None else self._joint_states.age(self.clock.now())

    def state(self) -> tuple[DifferentialIk, Array]:
        """Kinematics and joint positions (n,) of now, in the order of its joint_names.

        Raises:
            DescriptionError: no robot_description has come.
            JointStateError: a joint is missing, old, not finite or has jumped.
        """
        self.catch_up()
        if self.kinematics is None or self._joint_states is None:
            raise DescriptionError('a robot_description should have come but has not')
        return self.kinematics, self._joint_states.positions(self.clock.now())

    def catch_up(self) -> None:
        """Take all joint states that wait, as before any use of them.

        The executor takes one a turn: on a busy computer, or in a node with long turns, they would be ever older
        and yet pass for those of now.
        """
        for _ in range(JOINT_STATES.depth):
            if (message := take(self._states)) is None:
                return
            self._on_joint_state(message)

    def _on_description(self, message: String) -> None:
        if self.kinematics is not None:
            if message.data != self._taken:
                self._on_other(
                    'robot_description should stay as it was but another one has come: '
                    f'start {self._node.get_name()} anew to use that'
                )
            return
        try:
            self._take_description(message.data)
        except VisualServoingError as error:
            self._node.get_logger().error(f'robot_description refused: {error}')

    def _take_description(self, urdf: str) -> None:
        taken, urdf = urdf, urdf if self.calibration is None else self.calibration.added_to(urdf)
        kinematics = DifferentialIk(urdf, self.tip_frame, **self._options)
        joint_states = JointStates(
            kinematics.joint_names, self._timeout, kinematics.velocity_limits, kinematics.circular
        )
        self._on_kinematics(kinematics, joint_states, urdf)
        self.kinematics, self._joint_states, self._taken = kinematics, joint_states, taken

    def _on_joint_state(self, message: JointState) -> None:
        states = self._joint_states
        if states is None or not states.take(message.name, message.position, self.clock.now()):
            return
        if (positions := states.last_positions) is not None:
            self._on_positions(message, positions)
