"""Node: mount, depth and delay of a camera on an arm, by small motions. Its contract is in docs/tools.md."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from geometry_msgs.msg import TwistStamped
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.client import Client
from rclpy.node import Node
from rclpy.task import Future
from sensor_msgs.msg import CameraInfo, Image, JointState
from std_srvs.srv import Trigger

from cnn_vs_ros import frames
from cnn_vs_ros.calibration.motion import MotionLimits
from cnn_vs_ros.calibration.recording import ASSUMED_DEPTH
from cnn_vs_ros.calibration.session import Errand, Result, Rig, Session, measured
from cnn_vs_ros.calibration.solver import lens_of
from cnn_vs_ros.control import ArmLink
from cnn_vs_ros.environment import user_path
from cnn_vs_ros.errors import HandEyeError, ReferenceFolderError, VisualServoingError
from cnn_vs_ros.estimation import Reference, load_estimator
from cnn_vs_ros.estimation.sighting import check_same_camera
from cnn_vs_ros.nodes import messages
from cnn_vs_ros.nodes.arm_listener import ArmListener
from cnn_vs_ros.nodes.arm_watch import ArmWatch
from cnn_vs_ros.nodes.common import NEWEST, seconds_now, stamp_now, steady_clock
from cnn_vs_ros.nodes.image_estimation import looks_rectified
from cnn_vs_ros.nodes.latched_camera_info import subscribe_to_latched
from cnn_vs_ros.nodes.parameters import declare
from cnn_vs_ros.nodes.process_usage import keep_heap_small
from cnn_vs_ros.nodes.quality_of_service import overridable
from cnn_vs_ros.nodes.reference_listener import ReferenceListener
from cnn_vs_ros.nodes.requests import FAREWELL_TIME, change_of_state
from cnn_vs_ros.nodes.running import run_node, wait_until_delivered
from cnn_vs_ros.resources import SHIPPED_MODEL

CALL_TIMEOUT = 10.0
"""Seconds of wall time that another node may take to answer."""

IMAGE_TIMEOUT = 5.0
"""Seconds of wall time within which an image must come."""

SESSION_TIMEOUT = 900.0
"""Seconds of wall time that all of it may take: the node's clock may stand still."""

ARM_PATIENCE = 0.5
"""Seconds for which the arm may not be driven."""

_STOPPED = 'it should go on to its end but was told to stop'
_LIMITS: dict[str, tuple[str, tuple[float, float]]] = {
    'distance': ('How far the flange moves from where it stands, m.', (0.005, 0.5)),
    'angle': ('How far it is tilted, rad.', (0.02, 1.0)),
    'linear_velocity': ('Limit, m/s.', (0.001, 0.25)),
    'angular_velocity': ('Limit, rad/s.', (0.01, 1.0)),
    'linear_acceleration': ('Limit, m/s^2.', (0.01, 10.0)),
    'angular_acceleration': ('Limit, rad/s^2.', (0.1, 100.0)),
    'rest': ('Rest at each place, s.', (0.05, 10.0)),
    'lost_timeout': ('Without images, or sight of the scene, for so long it ends, s.', (0.1, 10.0)),
}


class CalibrateNode(Node):
    """Adapter of Session: joint_states and images in, twist out."""

    def __init__(self) -> None:
        super().__init__('calibrate')
        self._declare_parameters()
        self._session: Session | None = None
        self._arm = ArmListener(self, on_positions=self._on_positions)
        self._ended: Future | None = None  # of the session
        self._errand = Errand.CALIBRATE
        self._answered: Future | None = None  # of the request
        self._pictured: Future | None = None
        self._controller_paused = self._told_to_stop = False
        self._info: CameraInfo | None = None
        self._steady = steady_clock()
        self._publisher = self.create_publisher(TwistStamped, 'twist', 1)
        self._link = ArmLink()
        self._watch = ArmWatch(self, self._link, self._publisher.topic_name, self._now)
        self._reference = ReferenceListener(self)
        self._images = self.create_subscription(Image, 'image_raw', self._on_image, **overridable(NEWEST))
        self.create_subscription(CameraInfo, 'camera_info', self._on_info, NEWEST)
        subscribe_to_latched(self, self._on_info)
        self._load = self.create_client(Trigger, 'pose_estimator/load_reference')
        self._get_state = self.create_client(GetState, 'pbvs_controller/get_state')
        self._change_state = self.create_client(ChangeState, 'pbvs_controller/change_state')
        # Their callbacks wait for what the others bring.
        group = ReentrantCallbackGroup()
        ask = self._on_request
        self.create_service(Trigger, '~/calibrate', partial(ask, Errand.CALIBRATE), callback_group=group)
        self.create_service(Trigger, '~/check', partial(ask, Errand.CHECK), callback_group=group)
        self.create_service(Trigger, '~/measure_depth', partial(ask, Errand.MEASURE_DEPTH), callback_group=group)
        self.create_service(Trigger, '~/stop', self._on_stop)
        self.create_timer(1.0 / self._rate, self._on_timer)

    def _declare_parameters(self) -> None:
        limits = MotionLimits()
        self._limits = MotionLimits(
            **{
                name: declare(self, name, getattr(limits, name), text, bounds=bounds, read_only=True)
                for name, (text, bounds) in _LIMITS.items()
            }
        )
        self._rate = declare(self, 'rate', 50.0, 'Twists a second, Hz.', bounds=(10.0, 1000.0), read_only=True)
        self._flange = declare(self, 'flange', frames.FLANGE, 'Link that the camera is fixed to.', read_only=True)
        frame = 'Link of the optical frame of the camera, in the URDF or not.'
        self._camera_frame = declare(self, 'camera_frame', frames.CAMERA, frame, read_only=True)
        model = "A shipped model's name or the path of a .onnx file."
        self._estimator = load_estimator(declare(self, 'model', SHIPPED_MODEL, model, read_only=True), 1)
        lens = 'What to find of the lens: focal, centre, k1, or none.'
        words = declare(self, 'lens', 'k1', lens, read_only=True)
        self._lens = lens_of(words)
        declare(self, 'output', '', 'Folder of a calibration; empty: calibration_ and the time.')
        declare(
            self,
            'use_reference',
            True,
            'Whether to look at the reference of pose_estimator, if it has one, and write depth and normal there.',
        )

    def shut_down(self) -> None:
        """Leave the arm standing still, and to pbvs_controller if it was so before."""
        if self._session is not None:
            self._halt()
            wait_until_delivered(self._publisher)
        if self._controller_paused and self._change_state.service_is_ready():
            self._change_state.call_async(change_of_state(Transition.TRANSITION_ACTIVATE))
            time.sleep(FAREWELL_TIME)

    # The services

    async def _on_request(
        self, errand: Errand, _: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        if self._answered is not None:
            if self._errand is not errand:
                doing = self._errand.value
                response.message = f'calibrate should be asked for one thing at a time but is at {doing}'
                return response
            response.success, response.message = await self._answered  # who asks again gets the same answer
            return response
        self._errand, self._answered, self._told_to_stop = errand, Future(), False
        try:
            response.success, response.message = await self._do(errand)
            self.get_logger().info(response.message)
        except (VisualServoingError, OSError) as error:
            response.success, response.message = False, f'{errand.value}: {error}'
            self.get_logger().error(response.message)
        finally:
            answered, self._answered = self._answered, None
            answered.set_result((response.success, response.message))
        return response

    def _on_stop(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.success, response.message = True, 'nothing to stop' if self._answered is None else 'stopping'
        self._told_to_stop = True
        self._fail(HandEyeError(_STOPPED))
        return response

    async def _do(self, errand: Errand) -> tuple[bool, str]:
        folder = self._reference.folder if self._uses_reference() else None
        reference = await self._view(folder)
        was_active = await self._controller_is_active()
        if was_active:
            await self._switch_controller(Transition.TRANSITION_DEACTIVATE, 'deactivate')
        problem: VisualServoingError | OSError | None = None
        # No await in a finally clause: the coroutine may be closed on shutdown, and is not to go on then.
        try:
            result = await self._move(errand, reference)
        except (VisualServoingError, OSError) as error:
            problem = error
        if was_active:
            await self._switch_controller(Transition.TRANSITION_ACTIVATE, 'activate')
        if problem is not None:
            raise problem
        if folder is None or errand is Errand.CHECK:
            return result.holds, result.sentence
        return True, f'{result.sentence}; {await self._keep(reference, result, folder)}'

    def _uses_reference(self) -> bool:
        return bool(self.get_parameter('use_reference').value) and self._reference.has_heard

    async def _view(self, folder: Path | None) -> Reference:
        """What is to be tracked: the reference in a folder, or what is seen now."""
        self._pictured = Future()
        what = 'the wait for an image with its camera_info'
        image: Image = await self._result(self._pictured, what, IMAGE_TIMEOUT)
        assert self._info is not None
        camera = messages.camera_from_message(self._info, looks_rectified(self._images.topic_name))
        if folder is None:
            return Reference(messages.image_from_message(image).copy(), camera, ASSUMED_DEPTH)
        reference = Reference.load(folder)
        check_same_camera(camera, reference.camera)
        return reference

    async def _move(self, errand: Errand, reference: Reference) -> Result:
        if self._told_to_stop:
            raise HandEyeError(_STOPPED)
        kinematics, positions = self._arm.state()
        delay = 0.0 if self._arm.calibration is None else self._arm.calibration.stamp_delay
        rig = Rig.of(kinematics, positions, self._flange, self._camera_frame, delay)
        output = self.get_parameter('output').value or time.strftime('calibration_%Y-%m-%d_%H-%M-%S')
        session = Session(
            errand,
            rig,
            reference,
            self._estimator,
            self._limits,
            user_path(output).resolve(),
            self._lens,
        )
        self.get_logger().info(f'{errand.value}: {session.intention}')
        self._watch.look()
        self._link.start(self._now())
        self._ended, self._session = Future(), session
        try:
            result: Result = await self._result(self._ended, 'the motion', SESSION_TIMEOUT)
        except (VisualServoingError, OSError):
            self._halt()
            raise
        self._halt()
        return result

    async def _keep(self, reference: Reference, result: Result, folder: Path) -> str:
        """Write depth and normal to the reference's folder and have the estimator use them."""
        held = Reference.load(folder)
        if held.sha256 != reference.sha256:
            raise ReferenceFolderError(f'{folder} should hold the same reference as before but holds another')
        measured(held, result.solution).save(folder)
        answer = await self._answer(self._load, Trigger.Request())
        if not answer.success:
            raise ReferenceFolderError(
                f'{result.sentence}, written to {folder}, but pose_estimator: {answer.message}'
            )
        depth = result.solution.depth
        return f'depth {depth:.4f} m, taken to be {reference.depth:.4f} m, and normal written to {folder}'

    # Motion

    def _on_info(self, info: CameraInfo) -> None:
        self._info = info

    def _on_image(self, image: Image) -> None:
        if self._pictured is not None and not self._pictured.done() and self._info is not None:
            self._pictured.set_result(image)
        if self._session is None:
            return
        try:
            stamp = messages.seconds(image.header.stamp)
            self._session.take_image(stamp, messages.image_from_message(image), self._now())
        except VisualServoingError as error:
            self._fail(error)

    def _on_positions(self, message: JointState, positions: np.ndarray) -> None:
        if self._session is not None and self._arm.kinematics is not None:
            stamp = messages.seconds(message.header.stamp) or self._now()
            self._session.take_arm(stamp, self._arm.kinematics.pose(positions))

    def _on_timer(self) -> None:
        if self._session is None or self._ended is None or self._ended.done():
            return
        now = self._now()
        try:
            if self._link.held_for(now) > ARM_PATIENCE:
                raise HandEyeError(f'the arm should be driven but: {self._link.holding}')
            twist = self._session.update(now, self._tip)
        except (VisualServoingError, OSError) as error:
            self._fail(error)
            return
        self._send(twist)
        if self._session.result is not None:
            self._ended.set_result(self._session.result)

    def _tip(self) -> np.ndarray:
        kinematics, positions = self._arm.state()
        return kinematics.pose(positions)

    def _fail(self, error: VisualServoingError | OSError) -> None:
        if self._session is not None and self._ended is not None and not self._ended.done():
            self._send(np.zeros(6))
            self._ended.set_exception(error)

    def _halt(self) -> None:
        if self._session is not None:
            self._session.close()
        self._session = self._ended = None
        self._send(np.zeros(6))

    def _send(self, twist: np.ndarray) -> None:
        self._publisher.publish(messages.twist_stamped(twist, stamp_now(self), self._arm.tip_frame))

    # The other nodes

    async def _controller_is_active(self) -> bool:
        """Whether pbvs_controller sends twists too; a robot may be without one."""
        if not self._get_state.service_is_ready():
            if self.count_publishers(self._publisher.topic_name) > 1:
                raise HandEyeError(
                    'no other node than pbvs_controller should publish twist but one does: end it, '
                    'or wait until pbvs_controller is up'
                )
            return False
        response = await self._answer(self._get_state, GetState.Request())
        return int(response.current_state.id) == State.PRIMARY_STATE_ACTIVE

    async def _switch_controller(self, transition: int, verb: str) -> None:
        response = await self._answer(self._change_state, change_of_state(transition))
        self._controller_paused = transition == Transition.TRANSITION_DEACTIVATE
        if not response.success:
            raise HandEyeError(f'pbvs_controller should {verb} for the motion but does not')

    async def _answer(self, client: Client, request: Any) -> Any:
        if not client.service_is_ready():
            raise HandEyeError(f'the service {client.srv_name} should be there but is not')
        return await self._result(client.call_async(request), client.srv_name, CALL_TIMEOUT)

    async def _result(self, future: Future, what: str, timeout: float) -> Any:
        """Result of a future, or HandEyeError when it has none after `timeout` seconds of wall time."""
        expire: Callable[[], None] = future.cancel
        timer = self.create_timer(timeout, expire, clock=self._steady)
        try:
            result = await future
        except (VisualServoingError, OSError):
            self.destroy_timer(timer)
            raise
        self.destroy_timer(timer)
        if future.cancelled():
            raise HandEyeError(f'{what} should have come to an end within {timeout:g} s but has not')
        return result

    def _now(self) -> float:
        return seconds_now(self)


def main(args: Sequence[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM."""
    # As in pose_estimator: more threads of OpenCV would only disturb the control loop.
    cv2.setNumThreads(1)
    keep_heap_small()
    return run_node(CalibrateNode, args)
