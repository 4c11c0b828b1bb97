"""The graph as the experiment sees it: its services, its clock and everything it says."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseStamped, PoseWithCovarianceStamped, TwistStamped
from rclpy.client import Client
from rclpy.node import Node
from rclpy.parameter import Parameter, parameter_value_to_python
from rclpy.parameter_client import AsyncParameterClient
from rclpy.qos import qos_profile_sensor_data
from rclpy.task import Future
from sensor_msgs.msg import Image
from std_msgs.msg import Float64MultiArray, String
from std_srvs.srv import SetBool, Trigger
from trajectory_msgs.msg import JointTrajectory

from cnn_vs_ros.control.command_interface import CommandInterface
from cnn_vs_ros.errors import NoAnswerError, VisualServoingError
from cnn_vs_ros.estimation import Reference
from cnn_vs_ros.nodes import messages
from cnn_vs_ros.nodes.common import LATCHED_HISTORY
from cnn_vs_ros.nodes.reference_listener import ReferenceListener
from cnn_vs_ros.nodes.requests import CALL_TIMEOUT, MATCHING_TIME, answer_of
from cnn_vs_ros.run import Recorder, RunError

MOTION_TIMEOUT = 300.0
"""Seconds of wall time that a service may take to answer that moves the arm first."""

HURRIED_CALL_TIMEOUT = 2.0
"""The same of any when the process is about to end."""

SILENCE_TIMEOUT = 15.0
"""Seconds of wall time without any message after which the graph is given up."""

_COMMAND_READERS = 2
"""Of the commands that the simulated arm takes: itself, and this node."""

_POLL_PERIOD = 0.2
_SERVICES = ('pbvs_controller/start', 'pbvs_controller/stop', 'pose_estimator/load_reference')
_SIMULATION_SERVICES = (
    'pose_estimator/capture_reference',
    'simulator/move_to_reference',
    'simulator/move_to_start',
)
_MEASURE_DEPTH, _STOP_CALIBRATE = 'calibrate/measure_depth', 'calibrate/stop'
_PERTURBATIONS = 'simulator/set_perturbations'


class RosGraph:
    """Implements cnn_vs_ros.run.Graph. Its methods block: another thread must spin the node."""

    def __init__(self, node: Node, *, simulated: bool, clips: bool, measure_depth: bool = False) -> None:
        self.recorder = Recorder(clips=clips)
        self._node = node
        self._interrupted = threading.Event()
        self._failure = ''
        self._call_timeout = CALL_TIMEOUT
        self._clients: dict[str, Client] = {
            name: node.create_client(Trigger, name) for name in (*_SERVICES, *(_SIMULATION_SERVICES * simulated))
        }
        if measure_depth:
            for name in (_MEASURE_DEPTH, _STOP_CALIBRATE):
                self._clients[name] = node.create_client(Trigger, name)
        if simulated:
            self._clients[_PERTURBATIONS] = node.create_client(SetBool, _PERTURBATIONS)
        self._simulator_parameters = AsyncParameterClient(node, 'simulator') if simulated else None
        self._estimator_parameters = AsyncParameterClient(node, 'pose_estimator')
        self._reference = ReferenceListener(node)
        subscribe: Callable[..., Any] = node.create_subscription
        subscribe(Image, 'image_raw', self._on_image, qos_profile_sensor_data)
        subscribe(PoseStamped, 'ground_truth', self._on_truth, 50)
        subscribe(DiagnosticArray, 'pose_status', self._on_pose_status, 50)
        subscribe(PoseWithCovarianceStamped, 'relative_pose', self._on_pose, 50)
        subscribe(TwistStamped, 'twist', self._on_twist, 50)
        subscribe(String, 'servo_status', self._on_servo_status, LATCHED_HISTORY)
        self._simulated, self._commands = simulated, ''
        for interface in CommandInterface if simulated else ():
            kind = JointTrajectory if interface is CommandInterface.TRAJECTORY else Float64MultiArray
            subscribe(kind, interface.topic, partial(self._on_command, interface.topic), 1)

    def watch(self, topic: str) -> None:
        """Record the images of a bystander's camera as well."""
        self._node.create_subscription(Image, topic, self._on_overview, qos_profile_sensor_data)

    # cnn_vs_ros.run.Graph

    @property
    def wall_clock(self) -> bool:
        """Whether the graph's time is wall time."""
        return not self._node.get_parameter('use_sim_time').value

    def now(self) -> int:
        """The graph's time, nanoseconds."""
        return int(self._node.get_clock().now().nanoseconds)

    def call(self, service: str) -> str:
        """Call a Trigger service and return its message. Raises RunError unless it succeeds."""
        timeout = MOTION_TIMEOUT if service == _MEASURE_DEPTH else self._call_timeout
        response = self._result(lambda: self._clients[service].call_async(Trigger.Request()), service, timeout)
        if not response.success:
            raise RunError(f'{service} failed: {response.message}')
        return str(response.message)

    def set_start(self, batch: int, seed: int, pose: Sequence[float]) -> None:
        """Choose where simulator/move_to_start goes."""
        client = self._simulator_parameters
        assert client is not None
        parameters = [
            Parameter('start.batch', value=batch),
            Parameter('start.seed', value=seed),
            Parameter('start.pose', value=[float(value) for value in pose]),
        ]
        response = self._result(lambda: client.set_parameters(parameters), 'simulator/set_parameters')
        for result in response.results:
            if not result.successful:
                raise RunError(f'the simulator refuses the start: {result.reason}')

    def set_perturbations(self, on: bool) -> None:
        """Switch moving lights and occluders."""
        request = SetBool.Request(data=on)
        response = self._result(lambda: self._clients[_PERTURBATIONS].call_async(request), _PERTURBATIONS)
        if not response.success:
            raise RunError(f'{_PERTURBATIONS} failed: {response.message}')

    def reference_image(self) -> np.ndarray:
        """The image that the estimator servoes to, BGR or grey."""
        # It was told before the estimator answered, on another topic: that may take a moment.
        self.recorder.wait(lambda: self._reference.has_heard, self._call_timeout)
        try:
            return Reference.load(self._reference.folder).image
        except VisualServoingError as error:
            raise RunError(f'the reference of the estimator cannot be read: {error}') from error

    def wait(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait until `condition` holds, at most `seconds` of the graph's time; say whether it does.

        Raises:
            RunError: the graph has fallen silent.
            KeyboardInterrupt: see `interrupt`.
        """
        deadline = self.now() + round(1e9 * seconds)
        heard, when = self.recorder.messages, time.monotonic()
        while not self.recorder.wait(lambda: self._interrupted.is_set() or condition(), _POLL_PERIOD):
            if self.now() >= deadline:
                return False
            if self.recorder.messages != heard:
                heard, when = self.recorder.messages, time.monotonic()
            elif time.monotonic() - when > SILENCE_TIMEOUT:
                raise RunError(f'no message has come for {SILENCE_TIMEOUT:g} s: are all nodes running?')
        self._check_interrupted()
        return True

    # Beyond that

    def interrupt(self) -> None:
        """Make every wait, present and future, raise KeyboardInterrupt; may be called from any thread."""
        self._interrupted.set()

    def fail(self, sentence: str) -> None:
        """Make every wait raise RunError with that sentence; may be called from any thread."""
        self._failure = sentence
        self._interrupted.set()

    def hurry(self) -> None:
        """Work again after an interruption, to leave things in order, but with little patience."""
        self._interrupted.clear()
        self._call_timeout = HURRIED_CALL_TIMEOUT

    def estimator_parameters(self, *names: str) -> list[Any]:
        """Values of parameters of pose_estimator."""
        client = self._estimator_parameters
        response = self._result(lambda: client.get_parameters(list(names)), 'pose_estimator/get_parameters')
        return [parameter_value_to_python(value) for value in response.values]

    def wait_until_up(self, seconds: float, links: Sequence[tuple[str, int]] = ()) -> None:
        """Wait until all services are there, images come and each topic of `links` has that many subscribers.

        Raises:
            RunError: not within `seconds` of wall time; the message says what is missing. Or a simulated graph is
                not alone: another one would mix with it, and a real arm would move as the simulated one.
        """
        deadline = time.monotonic() + seconds
        while missing := self._missing(links):
            self._check_alone()
            if time.monotonic() > deadline:
                raise RunError(f'waited {seconds:g} s in vain for {", ".join(missing)}')
            self._check_interrupted()
            time.sleep(_POLL_PERIOD / 2)
        time.sleep(MATCHING_TIME)
        self._check_alone()

    def _check_alone(self) -> None:
        if not self._simulated:
            return
        node, here = self._node, self._node.get_namespace()
        names = [name for name, namespace in node.get_node_names_and_namespaces() if namespace == here]
        for name in ('simulator', node.get_name()):
            if names.count(name) > 1:
                raise RunError(f'one {name} should be in this ROS domain but two are: end the other graph')
        if (clocks := node.count_publishers('/clock')) > 1:
            raise RunError(f'one node should publish /clock but {clocks} do: end the other graph')
        for interface in CommandInterface:
            controller, topic = interface.topic.split('/')[0], node.resolve_topic_name(interface.topic)
            if controller in [info.node_name for info in node.get_subscriptions_info_by_topic(topic)]:
                raise RunError(
                    f'only the simulated arm should take {topic} but a controller does as well: '
                    'end it, or give this graph a namespace'
                )

    def _missing(self, links: Sequence[tuple[str, int]]) -> list[str]:
        missing = [f'service {name}' for name, client in self._clients.items() if not client.service_is_ready()]
        # A request sent before its service is discovered is lost without a word.
        parameters = {'pose_estimator': self._estimator_parameters, 'simulator': self._simulator_parameters}
        missing += [
            f'the parameters of {name}'
            for name, client in parameters.items()
            if client is not None and not client.services_are_ready()
        ]
        missing += [f'a reader of {topic}' for topic, count in links if self._readers(topic) < count]
        # Two nodes may discover each other seconds after both have been discovered here: see that messages flow.
        if self.recorder.image is None:
            missing.append('images on image_raw')
        if self.recorder.said is None:
            missing.append('pose_status for an image')
        if self._simulated and not self._commands:
            missing.append('commands of the joints')
        elif self._simulated and self._readers(self._commands) < _COMMAND_READERS:
            missing.append(f'a reader of {self._commands}')
        return missing

    def _readers(self, topic: str) -> int:
        return int(self._node.count_subscribers(self._node.resolve_topic_name(topic)))

    def _check_interrupted(self) -> None:
        if self._interrupted.is_set():
            if self._failure:
                raise RunError(self._failure)
            raise KeyboardInterrupt

    def _result(self, request: Callable[[], Future], what: str, timeout: float | None = None) -> Any:
        timeout = self._call_timeout if timeout is None else timeout
        try:
            return answer_of(request, what, timeout, self._check_interrupted)
        except NoAnswerError as error:
            raise RunError(str(error)) from error

    # Messages

    def _on_image(self, message: Image) -> None:
        arrival = time.monotonic()
        self.recorder.add_image(messages.stamp_of(message), messages.image_from_message(message), arrival)

    def _on_overview(self, message: Image) -> None:
        self.recorder.add_overview(messages.stamp_of(message), messages.image_from_message(message))

    def _on_truth(self, message: PoseStamped) -> None:
        self.recorder.add_truth(messages.stamp_of(message), messages.pose_from_message(message.pose))

    def _on_pose_status(self, message: DiagnosticArray) -> None:
        _, confidence, _ = messages.pose_status_from_message(message)
        word = message.status[0].message
        self.recorder.add_said(messages.stamp_of(message), word, confidence, time.monotonic())

    def _on_pose(self, message: PoseWithCovarianceStamped) -> None:
        self.recorder.add_estimate(messages.stamp_of(message), messages.pose_from_message(message.pose.pose))

    def _on_twist(self, message: TwistStamped) -> None:
        self.recorder.add_twist(
            messages.stamp_of(message),
            messages.twist_from_message(message.twist),
            time.monotonic(),
        )

    def _on_command(self, topic: str, _: object) -> None:
        self._commands = topic

    def _on_servo_status(self, message: String) -> None:
        self.recorder.add_servo_status(message.data)
