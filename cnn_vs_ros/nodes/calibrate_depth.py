"""Node: depth and orientation of the scene, by small motions of the arm. Its contract is in docs/tools.md."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseWithCovarianceStamped, TwistStamped
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.client import Client
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.task import Future
from std_srvs.srv import Trigger

from cnn_vs_ros.control import ProbingLimits, ProbingMotion
from cnn_vs_ros.errors import PoseError, ProbingError, ReferenceFolderError, VisualServoingError
from cnn_vs_ros.estimation import Reference
from cnn_vs_ros.estimation.depth_calibration import DepthCalibration, DepthObservation, calibrate_depth, mean_pose
from cnn_vs_ros.geometry import PoseStatus
from cnn_vs_ros.nodes import messages
from cnn_vs_ros.nodes.arm_listener import ArmListener
from cnn_vs_ros.nodes.parameters import declare
from cnn_vs_ros.nodes.reference_listener import ReferenceListener
from cnn_vs_ros.nodes.running import run_node, wait_until_delivered

CALL_TIMEOUT = 10.0
"""Seconds of wall time that another node may take to answer."""

ESTIMATE_TIMEOUT = 5.0
"""Seconds of wall time within which the reference must be in view."""

PROBING_TIMEOUT = 300.0
"""Seconds of wall time that all the motions may take: the node's clock may stand still."""

_REQUEST_TIME = 0.1
"""Seconds that a last request is given to leave this process."""

_LIMITS: dict[str, tuple[str, tuple[float, float]]] = {
    'distance': ('How far the camera moves from where it stands, m.', (0.002, 0.5)),
    'parallax': ('It moves less far where this part of the depth is enough.', (0.02, 1.0)),
    'linear_velocity': ('Limit, m/s.', (0.001, 0.25)),
    'angular_velocity': ('Limit, rad/s.', (0.01, 1.0)),
    'linear_acceleration': ('Limit, m/s^2.', (0.01, 10.0)),
    'angular_acceleration': ('Limit, rad/s^2.', (0.1, 100.0)),
    'samples': ('Estimates taken at each place.', (1, 1000)),
    'settle_time': ('Rest before the estimates are taken, s.', (0.05, 10.0)),
    'lost_timeout': ('Without an estimate for so long the motion ends, s.', (0.1, 10.0)),
}


class CalibrateDepthNode(Node):
    """Adapter of ProbingMotion and calibrate_depth: joint_states and relative_pose in, twist out."""

    def __init__(self) -> None:
        super().__init__('calibrate_depth')
        self._limits = ProbingLimits(
            **{
                name: declare(self, name, getattr(ProbingLimits(), name), text, bounds=bounds, read_only=True)
                for name, (text, bounds) in _LIMITS.items()
            }
        )
        rate = declare(self, 'rate', 50.0, 'Twists a second, Hz.', bounds=(10.0, 1000.0), read_only=True)
        self._arm = ArmListener(self)
        self._controller_paused = False
        self._motion: ProbingMotion | None = None
        self._probed: Future | None = None
        self._outcome: Future | None = None
        self._seen: Future | None = None
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._publisher = self.create_publisher(TwistStamped, 'twist', 1)
        self.create_subscription(PoseWithCovarianceStamped, 'relative_pose', self._on_pose, 10)
        self._reference = ReferenceListener(self)
        self._load = self.create_client(Trigger, 'pose_estimator/load_reference')
        self._get_state = self.create_client(GetState, 'pbvs_controller/get_state')
        self._change_state = self.create_client(ChangeState, 'pbvs_controller/change_state')
        # Its callback waits for what the others bring.
        group = ReentrantCallbackGroup()
        self.create_service(Trigger, '~/calibrate', self._on_calibrate, callback_group=group)
        self.create_timer(1.0 / rate, self._on_timer)

    def shut_down(self) -> None:
        """Leave the arm standing still, and to pbvs_controller if it was so before."""
        if self._motion is not None:
            self._halt()
            wait_until_delivered(self._publisher)
        if self._controller_paused and self._change_state.service_is_ready():
            self._change_state.call_async(_switch(Transition.TRANSITION_ACTIVATE))
            time.sleep(_REQUEST_TIME)

    # The service

    async def _on_calibrate(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        if self._outcome is not None:  # requests that come meanwhile get the same answer
            response.success, response.message = await self._outcome
            return response
        self._outcome = Future()
        try:
            response.success, response.message = True, await self._calibrate()
            self.get_logger().info(response.message)
        except (VisualServoingError, OSError) as error:
            response.success, response.message = False, f'depth not calibrated: {error}'
            self.get_logger().error(response.message)
        finally:
            outcome, self._outcome = self._outcome, None
            outcome.set_result((response.success, response.message))
        return response

    async def _calibrate(self) -> str:
        self._seen = Future()
        await self._result(self._seen, 'the wait for an estimate on relative_pose', ESTIMATE_TIMEOUT)
        self._arm.state()
        folder = self._reference.folder
        reference = Reference.load(folder)
        was_active = await self._controller_is_active()
        if was_active:
            await self._switch_controller(Transition.TRANSITION_DEACTIVATE, 'deactivate')
        problem: VisualServoingError | None = None
        # No await in a finally clause: the coroutine may be closed on shutdown, and is not to go on then.
        try:
            result = await self._probe(reference.depth)
        except VisualServoingError as error:
            problem = error
        if was_active:
            await self._switch_controller(Transition.TRANSITION_ACTIVATE, 'activate')
        if problem is not None:
            raise problem
        held = Reference.load(folder)
        if held.sha256 != reference.sha256:
            raise ReferenceFolderError(f'{folder} should hold the same reference as before but holds another')
        replace(held, depth=result.depth, depth_sigma=result.sigma).save(folder)
        answer = await self._answer(self._load, Trigger.Request())
        if not answer.success:
            raise ReferenceFolderError(
                f'{result.sentence}, written to {folder}, but pose_estimator: {answer.message}'
            )
        # On loading, the estimator keeps what the motion taught it of the plane, in the folder.
        return (
            f'{result.sentence}; it was taken to be {reference.depth:.4f} m; '
            f'{_orientation(Reference.load(folder))}; written to {folder}'
        )

    async def _probe(self, assumed_depth: float) -> DepthCalibration:
        kinematics, positions = self._arm.state()
        self._probed = Future()
        self._motion = ProbingMotion(kinematics.pose(positions), assumed_depth, self._limits, self._now())
        try:
            places = await self._result(self._probed, 'the motion', PROBING_TIMEOUT)
        except VisualServoingError:
            self._halt()
            raise
        self._halt()
        observations = [DepthObservation(place.base_T_camera, mean_pose(place.poses)) for place in places]
        return calibrate_depth(observations, assumed_depth)

    # Motion

    def _on_pose(self, message: PoseWithCovarianceStamped) -> None:
        stamp = messages.seconds(message.header.stamp)
        if self._seen is not None and not self._seen.done():
            self._seen.set_result(stamp)
        if self._motion is None:
            return
        try:
            pose = messages.relative_pose_from_message(message.pose, 1.0, PoseStatus.TRACKED)
            self._motion.add_estimate(pose, stamp)
        except PoseError as error:
            self._fail(error)

    def _on_timer(self) -> None:
        if self._motion is None or self._probed is None or self._probed.done():
            return
        try:
            kinematics, positions = self._arm.state()
            twist = self._motion.update(self._now(), kinematics.pose(positions))
        except VisualServoingError as error:
            self._fail(error)
            return
        self._send(twist)
        if self._motion.finished:
            self._probed.set_result(self._motion.places)

    def _fail(self, error: VisualServoingError) -> None:
        self._send(np.zeros(6))
        if self._probed is not None and not self._probed.done():
            self._probed.set_exception(error)

    def _halt(self) -> None:
        self._motion = self._probed = None
        self._send(np.zeros(6))

    def _send(self, twist: np.ndarray) -> None:
        message = TwistStamped(twist=messages.twist_to_message(twist))
        message.header.stamp = self.get_clock().now().to_msg()
        message.header.frame_id = self._arm.tip_frame
        self._publisher.publish(message)

    # The other nodes

    async def _controller_is_active(self) -> bool:
        """Whether pbvs_controller sends twists too; a robot may be without one."""
        if not self._get_state.service_is_ready():
            if self.count_publishers('twist') > 1:
                raise ProbingError(
                    'no other node than pbvs_controller should publish twist but one does: end it, '
                    'or wait until pbvs_controller is up'
                )
            return False
        response = await self._answer(self._get_state, GetState.Request())
        return int(response.current_state.id) == State.PRIMARY_STATE_ACTIVE

    async def _switch_controller(self, transition: int, verb: str) -> None:
        response = await self._answer(self._change_state, _switch(transition))
        self._controller_paused = transition == Transition.TRANSITION_DEACTIVATE
        if not response.success:
            raise ProbingError(f'pbvs_controller should {verb} for the motion but does not')

    async def _answer(self, client: Client, request: Any) -> Any:
        if not client.service_is_ready():
            raise ProbingError(f'the service {client.srv_name} should be there but is not')
        return await self._result(client.call_async(request), client.srv_name, CALL_TIMEOUT)

    async def _result(self, future: Future, what: str, timeout: float) -> Any:
        """Result of a future, or ProbingError when it has none after `timeout` seconds of wall time."""
        expire: Callable[[], None] = future.cancel
        timer = self.create_timer(timeout, expire, clock=self._steady)
        try:
            result = await future
        except VisualServoingError:
            self.destroy_timer(timer)
            raise
        self.destroy_timer(timer)
        if future.cancelled():
            raise ProbingError(f'{what} should have come to an end within {timeout:g} s but has not')
        return result

    def _now(self) -> float:
        return 1e-9 * self.get_clock().now().nanoseconds


def _orientation(reference: Reference) -> str:
    return 'how the plane is turned did not show' if reference.normal is None else reference.plane.sentence


def _switch(transition: int) -> ChangeState.Request:
    return ChangeState.Request(transition=Transition(id=transition))


def main(args: Sequence[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM."""
    return run_node(CalibrateDepthNode, args)
