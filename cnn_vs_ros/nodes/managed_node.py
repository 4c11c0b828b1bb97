"""A lifecycle node that brings itself up, and whose failing transitions say why."""

from __future__ import annotations

import traceback
from collections.abc import Callable

from lifecycle_msgs.srv import ChangeState
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from cnn_vs_ros.errors import ParameterError, VisualServoingError
from cnn_vs_ros.nodes.parameters import declare

SUCCESS, FAILURE, ERROR = (
    TransitionCallbackReturn.SUCCESS,
    TransitionCallbackReturn.FAILURE,
    TransitionCallbackReturn.ERROR,
)


class ManagedNode(LifecycleNode):
    """Lifecycle node with the parameter `autostart`.

    Subclasses override `configure`, `activate`, `deactivate` and `cleanup`; these raise VisualServoingError to
    refuse the transition, `configure` before it creates anything that `cleanup` would destroy. Publishers can
    publish in `activate` and still in `deactivate`.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.configured = False
        self.active = False
        self._change_state = self._service_change_state.callback
        self._service_change_state.callback = self._on_change_state
        self._autostart = declare(
            self, 'autostart', True, 'Configure and activate without a lifecycle manager.', read_only=True
        )

    def configure(self) -> None:
        """Read parameters, load files, create publishers and services."""

    def activate(self) -> None:
        """Begin to work."""

    def deactivate(self) -> None:
        """Cease to work and leave the robot standing still."""

    def cleanup(self) -> None:
        """Undo `configure`."""

    def start_up(self) -> None:
        """Configure and activate if `autostart` is set. Raises ParameterError if a transition fails."""
        if not self._autostart:
            return
        for name, trigger in (('configure', self.trigger_configure), ('activate', self.trigger_activate)):
            if trigger() != SUCCESS:
                raise ParameterError(f'{self.get_name()} cannot {name}, as said above, and ends')

    def shut_down(self) -> None:
        """Deactivate, so that the process can end."""
        if self.active:
            self.trigger_deactivate()

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Transition callback."""
        result = self._attempt('configure', self.configure)
        self.configured = result == SUCCESS
        return result if result != SUCCESS else super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Transition callback."""
        result = super().on_activate(state)
        if result == SUCCESS:
            result = self._attempt('activate', self.activate)
            if result == FAILURE:
                super().on_deactivate(state)
        self.active = result == SUCCESS
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Transition callback."""
        result = self._attempt('deactivate', self.deactivate)
        self.active = False
        super().on_deactivate(state)
        return result

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Transition callback."""
        if not self.configured:
            return SUCCESS
        self.configured = False
        return self._attempt('clean up', self.cleanup)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Transition callback."""
        if self.active:
            self.on_deactivate(state)
        return self.on_cleanup(state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Transition callback: back to unconfigured."""
        return self.on_shutdown(state)

    def _on_change_state(
        self, request: ChangeState.Request, response: ChangeState.Response
    ) -> ChangeState.Response:
        # rclpy lets a transition that there is not from this state end the node.
        try:
            return self._change_state(request, response)
        except rclpy_implementation.RCLError as error:
            self.get_logger().error(f'cannot change state by transition {request.transition.id}: {error}')
            response.success = False
            return response

    def _attempt(self, verb: str, action: Callable[[], None]) -> TransitionCallbackReturn:
        # rclpy swallows the exceptions of transitions without a word.
        try:
            action()
        except VisualServoingError as error:
            self.get_logger().error(f'cannot {verb}: {error}')
            return FAILURE
        except Exception:
            self.get_logger().error(f'cannot {verb}: {traceback.format_exc()}')
            return ERROR
        return SUCCESS
