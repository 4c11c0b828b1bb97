"""ros2_control's forward_command_controller, as the real one behaves (branch jazzy, built and run).

It has no timeout and no stamp: the last command holds until it is replaced. A message with a value that is not
finite is dropped. One of a wrong length makes the controller manager deactivate it, and the arm goes on at its
last velocity: nothing that is sent later counts.
"""

from __future__ import annotations

import math

import numpy as np
from rcl_interfaces.msg import ParameterType, ParameterValue
from rcl_interfaces.srv import GetParameters
from std_msgs.msg import Float64MultiArray

from test.ros_graph import Graph


class ForwardCommandController:
    """Listens to `forward_velocity_controller/commands`, and tells its joints as its parameters do."""

    def __init__(self, graph: Graph, joints: list[str]) -> None:
        self.joints = joints
        self.held: np.ndarray | None = None
        self.active = True
        self.dropped = 0
        self.errors: list[str] = []
        self.accepted = 0
        topic = 'forward_velocity_controller/commands'
        graph.node.create_subscription(Float64MultiArray, topic, self._on_command, 10)
        graph.node.create_service(GetParameters, 'forward_velocity_controller/get_parameters', self._on_parameters)

    def _on_command(self, message: Float64MultiArray) -> None:
        if not self.active:
            return
        if not all(math.isfinite(value) for value in message.data):
            self.dropped += 1
        elif len(message.data) != len(self.joints):
            self.errors.append(f'command size ({len(message.data)}) does not match ({len(self.joints)})')
            self.active = False
        else:
            self.held = np.array(message.data)
            self.accepted += 1

    def _on_parameters(
        self, request: GetParameters.Request, response: GetParameters.Response
    ) -> GetParameters.Response:
        joints = ParameterValue(type=ParameterType.PARAMETER_STRING_ARRAY, string_array_value=self.joints)
        response.values = [joints if name == 'joints' else ParameterValue() for name in request.names]
        return response
