"""Commands of the joints as the controller of the arm takes them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from rclpy.duration import Duration
from rclpy.node import Node
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from cnn_vs_ros.control.command_interface import CommandInterface
from cnn_vs_ros.control.commanded_positions import CommandedPositions
from cnn_vs_ros.control.joint_order import JointOrder

Array = NDArray[np.float64]


class JointCommands:
    """Publishes velocities as they are, or the positions that they lead to.

    Args:
        node: that publishes.
        interface: what the controller takes.
        order: of the joints in a command.
        horizon: seconds after which the one point of a trajectory is to be reached.
    """

    def __init__(self, node: Node, interface: CommandInterface, order: JointOrder, horizon: float) -> None:
        self._interface, self._order, self._horizon = interface, order, horizon
        kind = JointTrajectory if interface is CommandInterface.TRAJECTORY else Float64MultiArray
        self.publisher = node.create_publisher(kind, interface.topic, 1)
        self.arm: CommandedPositions | None = None

    def send(self, velocities: Array, now: float) -> None:
        """Send velocities (n,) of `now`, seconds.

        Where positions are wanted: nothing before they were measured, nor, without names, in an order that is not
        certain: the arm would leap. No trajectory while the arm rests, for it would replace anybody else's.
        """
        if self._interface is CommandInterface.VELOCITY:
            self.publisher.publish(Float64MultiArray(data=self._order.arrange(velocities)))
            return
        positions = None if self.arm is None else self.arm.step(velocities, now)
        if self.arm is None or positions is None:
            return
        if self._interface is CommandInterface.POSITION:
            if self._order.is_certain:
                self.publisher.publish(Float64MultiArray(data=self._order.arrange(positions)))
            return
        if self.arm.is_at_rest:
            return
        point = JointTrajectoryPoint(
            positions=self._order.arrange(self.arm.ahead(velocities, self._horizon)),
            time_from_start=Duration(seconds=self._horizon).to_msg(),
        )
        # Without a stamp it begins when it comes; without velocities no controller takes it to end in motion.
        self.publisher.publish(JointTrajectory(joint_names=self._order.joints, points=[point]))
