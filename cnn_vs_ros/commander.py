"""Visual servoing from a plain Python script: references, servo, stop, in a graph that runs. Needs rclpy."""

from __future__ import annotations

import contextlib
import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseWithCovarianceStamped
from rcl_interfaces.srv import SetParameters
from rclpy.exceptions import NameValidationException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future
from std_msgs.msg import String
from std_srvs.srv import Trigger

from cnn_vs_ros.control.offset import Offset
from cnn_vs_ros.control.servo import ANEW
from cnn_vs_ros.control.servo_status import ServoStatus
from cnn_vs_ros.environment import check_environment
from cnn_vs_ros.errors import CommanderError, NoAnswerError
from cnn_vs_ros.geometry import PoseStatus, se3
from cnn_vs_ros.nodes import messages
from cnn_vs_ros.nodes.common import LATCHED_HISTORY
from cnn_vs_ros.nodes.reference_listener import ReferenceListener
from cnn_vs_ros.nodes.requests import CALL_TIMEOUT, MATCHING_TIME, answer_of
from cnn_vs_ros.nodes.signals import is_heeded
from cnn_vs_ros.nodes.throttled_warnings import ThrottledWarnings

CONTROLLER, ESTIMATOR, FINDER = 'pbvs_controller', 'pose_estimator', 'part_finder'
START, STOP = f'{CONTROLLER}/start', f'{CONTROLLER}/stop'
CAPTURE, LIST = f'{ESTIMATOR}/capture_reference', f'{ESTIMATOR}/list_references'
OFFSET, TEACH = f'{FINDER}/offset', f'{FINDER}/teach'

WAIT_TIMEOUT = 5.0
"""Seconds of wall time for which a service or a message is waited for."""

START_PATIENCE = 10.0
"""The same for a start that is not refused."""

_START_PERIOD = 0.5
"""Seconds after which a start is tried again when no estimate comes."""

SOON = 3.0
"""Seconds of wall time in which the estimator is heard, if there is one with a reference."""

STOP_TIMEOUT = 1.0
"""Seconds of wall time for which a stop after an interruption is sent again and again until it is answered."""

_STOP_PERIOD = 0.2
"""Seconds between these."""

_POLL_PERIOD = 0.05
_SETTLING_TIME = 0.5
"""Seconds after a start in which an end that was said may still be that of the task before."""

_FOUND = PoseStatus.ACQUIRED.value, PoseStatus.TRACKED.value
_ENDS = ServoStatus.CONVERGED, ServoStatus.LIMITED, ServoStatus.STOPPED


@dataclass(frozen=True)
class ServoResult:
    """How a servo task ended: its errors are those of the last estimate, nan if there was none."""

    status: ServoStatus
    arrived: bool
    reason: str
    error_mm: float
    error_deg: float
    seconds: float


@dataclass(frozen=True)
class ServoState:
    """What the nodes say at a moment; the errors are those of the last estimate, nan if there was none.

    Nor is there a confidence then, or where the estimator cannot tell.
    """

    status: ServoStatus
    reason: str
    reference: str
    """Name of the reference in use; empty: none."""
    pose_status: str
    confidence: float | None
    error_mm: float
    error_deg: float


class ServoCommander:
    """Speaks to pose_estimator and pbvs_controller in `namespace`; a context manager. Its methods block.

    A `node` that is given must be in no executor, and is left to the caller afterwards. All methods raise
    CommanderError when the graph does not answer.
    """

    def __init__(self, namespace: str = '', node: Node | None = None) -> None:
        self._owned = node is None
        if node is None:
            check_environment()
            context = rclpy.Context()
            rclpy.init(context=context, signal_handler_options=SignalHandlerOptions.NO)
            node = Node('servo_commander', context=context)
        self._node = node
        prefix = f'/{namespace.strip("/")}/' if namespace.strip('/') else ''
        self._prefix = prefix
        names = START, STOP, CAPTURE, LIST, OFFSET, TEACH
        try:
            self._clients: dict[str, Any] = {name: node.create_client(Trigger, prefix + name) for name in names}
        except NameValidationException as error:
            self._leave()
            raise CommanderError(
                f'the namespace should be a name of ROS 2 but is {namespace!r}: {error}'
            ) from error
        self._warn = ThrottledWarnings(node.get_logger())
        self._heard = threading.Condition()
        self._status: ServoStatus | None = None
        self._was_under_way = False  # since the last start: what ended before says nothing of this task
        self._reason = ''
        self._said: tuple[Any, str, float | None, str] | None = None
        self._pose: tuple[Any, np.ndarray] | None = None
        self._reference = ReferenceListener(node, prefix)
        self._subscriptions = [
            node.create_subscription(kind, prefix + topic, partial(self._take, heed), qos)
            for kind, topic, heed, qos in (
                (String, 'servo_status', self._heed_status, LATCHED_HISTORY),
                (String, 'servo_status_reason', self._heed_reason, LATCHED_HISTORY),
                (DiagnosticArray, 'pose_status', self._heed_said, 10),
                (PoseWithCovarianceStamped, 'relative_pose', self._heed_pose, 10),
            )
        ]
        self._executor = SingleThreadedExecutor(context=node.context)
        self._executor.add_node(node)
        self._thread = threading.Thread(target=self._spin, name='servo_commander', daemon=True)
        self._thread.start()

    def __enter__(self) -> ServoCommander:
        """Return it."""
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the graph; the arm does what it was doing."""
        self._executor.shutdown()
        self._thread.join()
        if self._owned:
            self._leave()
            return
        for client in self._clients.values():
            self._node.destroy_client(client)
        for subscription in (*self._subscriptions, self._reference.subscription):
            self._node.destroy_subscription(subscription)

    def _leave(self) -> None:
        if self._owned:
            self._node.destroy_node()
            rclpy.shutdown(context=self._node.context)

    def capture(self, name: str = '') -> str:
        """Take the present view as the reference `name`, or as the one in use, and return what is said of it."""
        if name:
            self.set(ESTIMATOR, 'capture_as', name)
        success, sentence = self._trigger(CAPTURE)
        if not success:
            raise CommanderError(sentence)
        return sentence

    def references(self) -> list[dict[str, Any]]:
        """List the references: `name`, `folder`, `in_use`, and `width`, `height` and `depth` or a `problem`."""
        entries: list[dict[str, Any]] = json.loads(self._trigger(LIST)[1])
        return entries

    def use(self, name: str) -> None:
        """Have the estimator use the reference `name` from the next image on; an arm that servoes stops."""
        self.set(ESTIMATOR, 'reference', name)

    def set(self, node: str, parameter: str, value: Any) -> None:
        """Set a parameter of a node. Raises CommanderError, with the node's own sentence, where it refuses."""
        service = f'{node}/set_parameters'
        try:
            if service not in self._clients:
                self._clients[service] = self._node.create_client(SetParameters, self._prefix + service)
        except NameValidationException as error:
            raise CommanderError(f'the node should be a name of ROS 2 but is {node!r}: {error}') from error
        try:
            wanted = Parameter(parameter, value=_of_one_kind(value)).to_parameter_msg()
        except (TypeError, AssertionError) as error:
            raise CommanderError(
                f'{parameter} should be a truth value, a number, text, or a list of one of these but is {value!r}'
            ) from error
        answer = self._call(service, SetParameters.Request(parameters=[wanted]))
        if not answer.results[0].successful:
            raise CommanderError(f'{node} refuses {parameter} {value!r}: {answer.results[0].reason}')

    def stop(self) -> str:
        """Have the arm come to a stop, and return what the controller says."""
        return self._trigger(STOP)[1]

    def status(self) -> ServoState:
        """What controller and estimator say."""
        self._wait(lambda: bool(self._status and self._reason), 'servo_status')
        with contextlib.suppress(CommanderError):  # there may be no reference, or no image
            self._wait(lambda: self._reference.has_heard and self._knows_where, 'pose_status', SOON)
        return self._state()

    @property
    def _knows_where(self) -> bool:
        """Whether the estimator has said something and, where it has found the target, the estimate has come."""
        if self._said is None:
            return False
        stamp, word, *_ = self._said
        return word not in _FOUND or (self._pose is not None and self._pose[0] >= stamp)

    def _state(self) -> ServoState:
        said, reference = self._said, ''
        if self._reference.has_heard:
            reference = Path(self._reference.folder).name
        word, confidence = ('', None) if said is None else (said[1], said[2])
        status = self._status or ServoStatus.IDLE
        return ServoState(status, self._reason, reference, word, confidence, *self._errors())

    def offset(self, in_base: bool = False) -> Offset:
        """Where the desired camera is, by an estimate that arrives from now on; the arm does not move.

        With `in_base` part_finder is asked, which knows the arm: it must stand still. Raises CommanderError when
        the target is lost, there is no reference, or no estimate comes.
        """
        if in_base:
            return self._offset_by(OFFSET)
        before = self._said
        self._wait(lambda: self._said is not before, 'pose_status')
        said = self._said
        assert said is not None
        stamp, word, confidence, reason = said
        if word not in _FOUND:
            raise CommanderError(f'the target should be in view but is {word}' + (f': {reason}' if reason else ''))
        # Estimates go on coming meanwhile: one that is newer does as well.
        self._wait(lambda: self._pose is not None and self._pose[0] >= stamp, 'relative_pose')
        assert self._pose is not None
        return Offset(se3.inverse(self._pose[1]), confidence)

    def teach(self) -> Offset:
        """Note where the part is, as that for which a path was taught: `offset` then says how far it has gone.

        Raises CommanderError as `offset` does with `in_base`.
        """
        return self._offset_by(TEACH)

    def _offset_by(self, service: str) -> Offset:
        success, said = self._trigger(service)
        if not success:
            raise CommanderError(said)
        return Offset.from_values(json.loads(said))

    def servo(
        self, timeout: float = 120.0, progress: Callable[[ServoState], None] = lambda _: None
    ) -> ServoResult:
        """Servo to the reference and return how that ended; after `timeout` wall-clock seconds the arm is stopped.

        It is stopped as well when this is interrupted, by KeyboardInterrupt or another exception; in the main
        thread also by SIGTERM and SIGHUP, which then end the script as SystemExit unless it handles them itself.
        `progress` is called about 20 times a second.
        """
        with _signals_as_exceptions():
            return self._servo(timeout, progress)

    def _servo(self, timeout: float, progress: Callable[[ServoState], None]) -> ServoResult:
        began = time.monotonic()
        self._pose, self._was_under_way = None, False
        try:
            if refusal := self._refusal(began + min(timeout, START_PATIENCE)):
                # Whatever the controller says is of the task before.
                return self._result(ServoStatus.IDLE, refusal, began)
            answered = time.monotonic()
            while not self._has_ended(answered):
                progress(self._state())
                if not self._clients[START].service_is_ready():
                    raise CommanderError(f'{START} is there no more: has pbvs_controller ended?')
                if time.monotonic() - began > timeout:
                    self.stop()
                    return self._result(ServoStatus.STOPPED, f'not there within {timeout:g} s', began)
                with self._heard:
                    self._heard.wait(_POLL_PERIOD)
            state = self._state()
            return self._result(state.status, state.reason, began)
        except BaseException:
            with contextlib.suppress(NoAnswerError):
                answer_of(self._stop_request, STOP, STOP_TIMEOUT, period=_STOP_PERIOD)
            raise

    def _refusal(self, deadline: float) -> str:
        """Start, until it is not refused or the deadline has passed; return the last refusal, if it was.

        Just after a capture or a stop, and on a busy computer, no estimate may be fresh: it is asked again when
        the next one has come.
        """
        while True:
            said = self._said
            success, refusal = self._trigger(START)
            if success or time.monotonic() > deadline:
                return '' if success else refusal
            with self._heard:
                self._heard.wait_for(lambda said=said: self._said is not said, _START_PERIOD)  # type: ignore[misc]

    def _stop_request(self) -> Future:
        return self._clients[STOP].call_async(Trigger.Request())

    def _has_ended(self, answered: float) -> bool:
        if not self._was_under_way and time.monotonic() - answered < _SETTLING_TIME:
            return False
        status = self._status or ServoStatus.IDLE
        return status in _ENDS or (status is ServoStatus.ERROR and self._reason.endswith(ANEW))

    def _result(self, status: ServoStatus, reason: str, began: float) -> ServoResult:
        arrived = status is ServoStatus.CONVERGED
        return ServoResult(status, arrived, reason, *self._errors(), time.monotonic() - began)

    def _errors(self) -> tuple[float, float]:
        """Distance to the goal, mm, and angle, degrees; nan where no estimate has come."""
        pose = self._pose
        if pose is None:
            return float('nan'), float('nan')
        metres, radians = se3.pose_error(pose[1])
        return 1e3 * metres, float(np.degrees(radians))

    def _trigger(self, service: str) -> tuple[bool, str]:
        answer = self._call(service, Trigger.Request())
        return bool(answer.success), str(answer.message)

    def _call(self, service: str, request: Any) -> Any:
        client = self._clients[service]
        if not client.service_is_ready():
            self._wait(client.service_is_ready, f'service {service}')
            time.sleep(MATCHING_TIME)
        try:
            return answer_of(lambda: client.call_async(request), service, CALL_TIMEOUT)
        except NoAnswerError as error:
            raise CommanderError(str(error)) from error

    def _wait(self, condition: Callable[[], bool], what: str, timeout: float | None = None) -> None:
        timeout = WAIT_TIMEOUT if timeout is None else timeout
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline:
                raise CommanderError(f'waited {timeout:g} s in vain for {what}')
            with self._heard:
                self._heard.wait(_POLL_PERIOD)

    def _spin(self) -> None:
        with contextlib.suppress(ExternalShutdownException):
            self._executor.spin()

    def _take(self, heed: Callable[[Any], None], message: Any) -> None:
        """Heed a message, or leave it out where it is malformed, as the nodes do."""
        try:
            heed(message)
        except ValueError as error:  # which our errors are
            self._warn(f'left out: {error}')
        with self._heard:
            self._heard.notify_all()

    def _heed_status(self, message: String) -> None:
        self._status = ServoStatus(message.data)
        self._was_under_way = self._was_under_way or self._status not in _ENDS

    def _heed_reason(self, message: String) -> None:
        self._reason = message.data

    def _heed_said(self, message: DiagnosticArray) -> None:
        _, confidence, values = messages.pose_status_from_message(message)
        self._said = messages.stamp_of(message), message.status[0].message, confidence, values.get('reason', '')

    def _heed_pose(self, message: PoseWithCovarianceStamped) -> None:
        self._pose = messages.stamp_of(message), messages.pose_from_message(message.pose.pose)


def _of_one_kind(value: Any) -> Any:
    """`value`, as floats where it is a list of whole and other numbers."""
    if isinstance(value, list) and {type(item) for item in value} == {int, float}:
        return [float(item) for item in value]
    return value


@contextlib.contextmanager
def _signals_as_exceptions() -> Iterator[None]:
    """Have SIGTERM and SIGHUP raise SystemExit meanwhile, where they would end the process without a word."""

    def end(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    numbers = [
        number
        for number in (signal.SIGTERM, signal.SIGHUP)
        if threading.current_thread() is threading.main_thread()
        and is_heeded(number)
        and signal.getsignal(number) is signal.SIG_DFL
    ]
    for number in numbers:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)
