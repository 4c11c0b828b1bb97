"""ros2_control's forward_command_controller, as its documentation and source say.

It has no timeout and no stamp: the last command holds until it is replaced. A message with a value that is not
finite is dropped; one of a wrong length is an error of the controller's update.
"""

from __future__ import annotations

import math

import numpy as np
from std_msgs.msg import Float64MultiArray

from test.ros_graph import Graph


class ForwardCommandController:
    """Listens to `forward_velocity_controller/commands` and holds the newest valid command for its joints."""

    def __init__(self, graph: Graph, joints: list[str]) -> None:
        self.joints = joints
        self.held: np.ndarray | None = None
        self.dropped = 0
        self.errors: list[str] = []
        self.accepted = 0
        topic = 'forward_velocity_controller/commands'
        graph.node.create_subscription(Float64MultiArray, topic, self._on_command, 10)

    def _on_command(self, message: Float64MultiArray) -> None:
        if not all(math.isfinite(value) for value in message.data):
            self.dropped += 1
        elif len(message.data) != len(self.joints):
            self.errors.append(f'command size ({len(message.data)}) does not match ({len(self.joints)})')
        else:
            self.held = np.array(message.data)
            self.accepted += 1
