"""Node: relative pose in, twist of the camera out at a fixed rate. Its contract is in docs/nodes.md."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import PoseWithCovariance, PoseWithCovarianceStamped, TwistStamped
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.task import Future
from std_msgs.msg import String
from std_srvs.srv import Trigger

from cnn_vs_ros import frames
from cnn_vs_ros.control import Servo, ServoStatus
from cnn_vs_ros.control.servo import ANEW
from cnn_vs_ros.errors import PoseError
from cnn_vs_ros.geometry import PoseStatus, RelativePose
from cnn_vs_ros.nodes import messages
from cnn_vs_ros.nodes.arm_watch import ArmWatch
from cnn_vs_ros.nodes.clock_watch import ClockWatch
from cnn_vs_ros.nodes.common import LATCHED, seconds_now, stamp_now, steady_clock
from cnn_vs_ros.nodes.managed_node import ManagedNode
from cnn_vs_ros.nodes.parameters import declare
from cnn_vs_ros.nodes.process_usage import ProcessUsage
from cnn_vs_ros.nodes.quality_of_service import subscribe
from cnn_vs_ros.nodes.running import run_node, wait_until_delivered
from cnn_vs_ros.nodes.servo_parameters import declare_servo_parameters, limits_in_force, servo_settings
from cnn_vs_ros.nodes.stamp_matching import StampMatcher
from cnn_vs_ros.nodes.throttled_warnings import ThrottledWarnings
from cnn_vs_ros.nodes.transport import leave_shared_memory

_Said = tuple[PoseStatus, float | None]
_WATCH_PERIOD = 0.05
"""Wall-clock seconds between two looks at the clock."""
_LAST_TURNS = 20
"""Turns of the executor in which a coroutine that waited sends its answer."""
_LEVELS = {
    ServoStatus.LOST: DiagnosticStatus.WARN,
    ServoStatus.STALE: DiagnosticStatus.WARN,
    ServoStatus.LIMITED: DiagnosticStatus.WARN,
    ServoStatus.ERROR: DiagnosticStatus.ERROR,
}


class PbvsControllerNode(ManagedNode):
    """Adapter from relative_pose and pose_status to twist and servo_status."""

    def __init__(self) -> None:
        super().__init__('pbvs_controller')
        frame = 'Frame of the twist: the optical frame of the camera.'
        declare(self, 'twist_frame', frames.CAMERA, frame, read_on='activation')
        declare_servo_parameters(self)
        self._servo = Servo(servo_settings(self))
        self._warn = ThrottledWarnings(self.get_logger())
        self._ended: Future | None = None  # what ~/servo waits for
        # There in every state: a request that waits is answered whatever ends the task.
        self.create_service(Trigger, '~/servo', self._on_servo, callback_group=ReentrantCallbackGroup())
        self.add_post_set_parameters_callback(self._retune)

    # Transitions

    def configure(self) -> None:
        """Make the servo task of the parameters."""
        self._servo = Servo(servo_settings(self))
        self._announced: tuple[ServoStatus, str, bool] | None = None
        self._reference = ''
        self._usage = ProcessUsage()
        self._matcher: StampMatcher[_Said, PoseWithCovariance] = StampMatcher()
        self._twist_publisher = self.create_lifecycle_publisher(TwistStamped, 'twist', 1)
        self._status_publisher = self.create_lifecycle_publisher(String, 'servo_status', LATCHED)
        self._reason_publisher = self.create_lifecycle_publisher(String, 'servo_status_reason', LATCHED)
        self._diagnostics_publisher = self.create_lifecycle_publisher(DiagnosticArray, '/diagnostics', 10)
        self._start_service = self.create_service(Trigger, '~/start', self._on_start)
        self._stop_service = self.create_service(Trigger, '~/stop', self._on_stop)

    def activate(self) -> None:
        """Begin to send twists; zeros, until the start service is called."""
        self._twist_frame = self.get_parameter('twist_frame').value
        self._pose_subscription = subscribe(self, PoseWithCovarianceStamped, 'relative_pose', self._on_pose, 10)
        self._said_subscription = subscribe(self, DiagnosticArray, 'pose_status', self._on_pose_status, 10)
        self._arm_watch = ArmWatch(
            self, self._servo.arm, self._twist_publisher.topic_name, partial(seconds_now, self)
        )
        self._period = 1.0 / self.get_parameter('rate').value
        steady = steady_clock()
        # In simulated time the twists keep step with it; else they go on when the computer's clock is set back.
        simulated = self.get_clock().ros_time_is_active
        self._twist_timer = self.create_timer(
            self._period, self._on_timer, clock=self.get_clock() if simulated else steady
        )
        self._diagnostics_timer = self.create_timer(1.0, self._publish_diagnostics, clock=steady)
        self._clock_watch, self._watched = ClockWatch(self), time.monotonic()
        self._watch_timer = (
            self.create_timer(_WATCH_PERIOD, self._watch_clock, clock=steady) if simulated else None
        )
        self._announce()
        self.get_logger().info(limits_in_force(self._servo.settings))

    def deactivate(self) -> None:
        """Come to a smooth stop, then send zeros and see them delivered."""
        for timer in (self._twist_timer, self._diagnostics_timer, self._watch_timer):
            if timer is not None:
                self.destroy_timer(timer)
        self.destroy_subscription(self._pose_subscription)
        self.destroy_subscription(self._said_subscription)
        self._arm_watch.close()
        self._matcher.clear()
        self._servo.stop()
        self._ramp_down()
        self._servo.halt()
        self._send(np.zeros(6))
        self._announce()
        wait_until_delivered(self._twist_publisher)

    def cleanup(self) -> None:
        """Drop the publishers and the services."""
        self.destroy_lifecycle_publisher(self._twist_publisher)
        self.destroy_lifecycle_publisher(self._status_publisher)
        self.destroy_lifecycle_publisher(self._reason_publisher)
        self.destroy_lifecycle_publisher(self._diagnostics_publisher)
        self.destroy_service(self._start_service)
        self.destroy_service(self._stop_service)

    def shut_down(self) -> None:
        """Deactivate, and answer who waits for the end of the task."""
        waited = self._ended is not None
        super().shut_down()
        for _ in range(_LAST_TURNS if waited and self.executor else 0):
            self.executor.spin_once(timeout_sec=0.0)

    def _retune(self, _: object) -> None:
        self._servo.retune(servo_settings(self))

    # Estimates

    def _on_pose(self, message: PoseWithCovarianceStamped) -> None:
        pair = self._matcher.add_second(messages.stamp_of(message), message.pose)
        if pair is not None:
            self._take_pose(*pair, messages.seconds(message.header.stamp))

    def _on_pose_status(self, message: DiagnosticArray) -> None:
        stamp = messages.seconds(message.header.stamp)
        self._clock_watch.hear()
        try:
            status, confidence, values = messages.pose_status_from_message(message)
        except PoseError as error:
            self._reject(error)
            return
        unusable = values.get('reason', '')
        self._watch_reference(values.get('reference', ''))
        if status is None:  # there is nothing to servo to, nor to look for
            self._servo.reject_estimate('the estimator has no reference')
        elif unusable:  # an image that says nothing is no reason to look for the target
            self._servo.reject_estimate(unusable)
        elif status is PoseStatus.LOST:
            self._add(RelativePose(np.eye(4), confidence=0.0, status=status), stamp)
        else:
            pair = self._matcher.add_first(messages.stamp_of(message), (status, confidence))
            if pair is not None:
                self._take_pose(*pair, stamp)

    def _watch_reference(self, name: str) -> None:
        """Stop where the estimates are of another reference from now on."""
        before, self._reference = self._reference, name or self._reference
        if before and self._reference != before and self._servo.running:
            self._servo.stop(f'the reference was {before} and is {name} now; {ANEW}')

    def _take_pose(self, said: _Said, message: PoseWithCovariance, stamp: float) -> None:
        status, confidence = said
        try:
            pose = messages.relative_pose_from_message(message, confidence, status)
        except PoseError as error:
            self._reject(error)
            return
        self._add(pose, stamp)

    def _add(self, pose: RelativePose, stamp: float) -> None:
        try:
            self._servo.add_estimate(pose, stamp, seconds_now(self))
        except PoseError as error:
            self._reject(error)

    def _reject(self, error: PoseError) -> None:
        self._servo.reject_estimate(f'estimate refused: {error}')
        self._warn(f'estimate refused: {error}')

    # Twists

    def _watch_clock(self) -> None:
        """Stop by the wall's time while the clock stands still and the images go on."""
        before, self._watched = self._watched, time.monotonic()
        if self._clock_watch.stands_still and self._servo.twist.any():
            self._warn('the clock should go on while images come but stands still: zeros')
            self._send(self._servo.brake(self._watched - before))

    def _on_timer(self) -> None:
        self._send(self._servo.update(seconds_now(self)))
        self._announce()

    def _send(self, twist: np.ndarray) -> None:
        self._twist_publisher.publish(messages.twist_stamped(twist, stamp_now(self), self._twist_frame))

    def _announce(self) -> None:
        self._answer_servo()
        servo, before = self._servo, self._announced
        self._announced = servo.status, servo.reason, servo.running
        if before == self._announced:
            return
        self._reason_publisher.publish(String(data=servo.reason))
        if before is None or before[0] is not servo.status:
            self._status_publisher.publish(String(data=servo.status.value))
        elif before[2] == servo.running:
            return  # reasons may change with every image
        self.get_logger().info(f'{servo.status.value}: {servo.reason}')

    def _ramp_down(self) -> None:
        before = time.monotonic()
        while self._servo.twist.any():
            time.sleep(self._period)
            now = time.monotonic()
            self._send(self._servo.brake(now - before))
            before = now

    def _publish_diagnostics(self) -> None:
        status = self._servo.status
        message = DiagnosticStatus(
            level=max(_LEVELS.get(status, DiagnosticStatus.OK), self._arm_level()),
            name=f'{self.get_fully_qualified_name().lstrip("/")}: servo',
            message=f'{status.value}: {self._servo.reason}',
            values=messages.key_values(
                {'status': status.value, 'arm': self._servo.arm.summary, **self._usage.report()}
            ),
        )
        self._diagnostics_publisher.publish(messages.diagnostics(message, stamp_now(self)))

    def _arm_level(self) -> bytes:
        return DiagnosticStatus.WARN if self._servo.arm.holding or self._servo.arm.slowed else DiagnosticStatus.OK

    # Services

    def _on_start(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        refusal = self._start()
        response.success, response.message = not refusal, refusal or 'servoing to the reference'
        return response

    async def _on_servo(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """Start, and answer when the task has ended; requests that come meanwhile get the same answer."""
        if self._ended is None:
            response.message = self._start()
            if response.message:
                return response
            self._ended = Future()
        response.success, response.message = await self._ended
        return response

    def _start(self) -> str:
        """Start, or say why not."""
        if not self.active:
            return 'pbvs_controller should be active to start but is not'
        self._arm_watch.look()
        refusal = self._servo.start(seconds_now(self))
        if not refusal:
            self._announce()
            self.get_logger().info(limits_in_force(self._servo.settings))
        return refusal

    def _answer_servo(self) -> None:
        arrived = self._servo.status is ServoStatus.CONVERGED
        if self._ended is not None and (arrived or not self._servo.running):
            ended, self._ended = self._ended, None
            ended.set_result((arrived, f'{self._servo.status.value}: {self._servo.reason}'))

    def _on_stop(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        if self.active:
            self._servo.stop()
            self._announce()
        response.success, response.message = True, 'stopping' if self.active else 'not active, nothing to stop'
        return response


def make_node() -> PbvsControllerNode:
    """Return the node, brought up if autostart is set."""
    node = PbvsControllerNode()
    node.start_up()
    return node


def main(args: Sequence[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM."""
    leave_shared_memory()
    return run_node(make_node, args)
