"""Node: where the part is in the base of the arm, and how far from where it was taught. See docs/tools.md."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseStamped, PoseWithCovariance, PoseWithCovarianceStamped, TransformStamped
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from rclpy.task import Future
from std_srvs.srv import Trigger

from cnn_vs_ros import frames
from cnn_vs_ros.control.offset import Offset, RestWatch
from cnn_vs_ros.errors import VisualServoingError
from cnn_vs_ros.estimation import Reference
from cnn_vs_ros.geometry import PoseStatus, se3
from cnn_vs_ros.nodes import messages
from cnn_vs_ros.nodes.arm_listener import ArmListener
from cnn_vs_ros.nodes.common import seconds_now, steady_clock
from cnn_vs_ros.nodes.frame_broadcaster import frame_sender
from cnn_vs_ros.nodes.parameters import declare
from cnn_vs_ros.nodes.reference_listener import ReferenceListener
from cnn_vs_ros.nodes.running import run_node
from cnn_vs_ros.nodes.stamp_matching import StampMatcher

ESTIMATE_TIMEOUT = 2.0
"""Seconds of wall time for which an estimate by an arm at rest is waited for."""

_PERIOD = 0.02
"""Seconds between two looks at the arm."""


class PartFinderNode(Node):
    """Adapter of Offset: relative_pose and joint_states in, a frame and the answers of two services out."""

    def __init__(self) -> None:
        super().__init__('part_finder')
        self._arm = ArmListener(self)
        self._fixed_frame = declare(self, 'fixed_frame', frames.ROOT, 'Root link of the URDF.', read_only=True)
        self._part_frame = declare(
            self,
            'part_frame',
            'desired_camera_at_rest',
            'Frame of the desired camera that TF gets.',
            read_only=True,
        )
        self._rest = RestWatch()
        self._problem = ''
        self._asked: list[
            tuple[float, float, Future]
        ] = []  # the time of each request, its wall-clock end, its answer
        self._matcher: StampMatcher[float | None, PoseWithCovariance] = StampMatcher()
        self._reference = ReferenceListener(self)
        self._send_transform = frame_sender(self, self._part_frame)
        self._poses = self.create_publisher(PoseStamped, '~/desired_camera', 10)
        self.create_subscription(DiagnosticArray, 'pose_status', self._on_pose_status, 10)
        self.create_subscription(PoseWithCovarianceStamped, 'relative_pose', self._on_pose, 10)
        # Their callbacks wait for what the others bring.
        group = ReentrantCallbackGroup()
        self.create_service(Trigger, '~/offset', self._on_offset, callback_group=group)
        self.create_service(Trigger, '~/teach', self._on_teach, callback_group=group)
        self.create_timer(_PERIOD, self._on_timer, clock=steady_clock())

    # The arm and the estimates

    def _look(self) -> None:
        """See where the arm is now."""
        try:
            kinematics, positions = self._arm.state()
            self._rest.add(seconds_now(self), kinematics.pose(positions))
        except VisualServoingError as error:
            self._rest = RestWatch()
            self._problem = str(error)

    def _on_timer(self) -> None:
        self._look()
        for request in [item for item in self._asked if item[1] < time.monotonic()]:
            self._asked.remove(request)
            request[2].set_result(None)

    def _on_pose_status(self, message: DiagnosticArray) -> None:
        try:
            status, confidence, values = messages.pose_status_from_message(message)
        except VisualServoingError as error:
            self._problem = str(error)
            return
        if status in (None, PoseStatus.LOST):
            word, reason = message.status[0].message, values.get('reason', '')
            self._problem = f'the target should be in view but is {word}' + (f': {reason}' if reason else '')
            return
        self._take(self._matcher.add_first(messages.stamp_of(message), confidence), message.header.stamp)

    def _on_pose(self, message: PoseWithCovarianceStamped) -> None:
        self._take(self._matcher.add_second(messages.stamp_of(message), message.pose), message.header.stamp)

    def _take(self, pair: tuple[float | None, PoseWithCovariance] | None, stamp: Time) -> None:
        if pair is None:
            return
        confidence, message = pair
        self._look()
        try:
            base_T_camera = self._rest.pose_at(messages.seconds(stamp))
            transform = se3.inverse(messages.pose_from_message(message.pose))
        except VisualServoingError as error:
            self._problem = str(error)
            return
        offset = Offset(transform, confidence, base_T_camera @ transform)
        self._publish(base_T_camera @ transform, stamp)
        for request in [item for item in self._asked if item[0] < messages.seconds(stamp)]:
            self._asked.remove(request)
            request[2].set_result(offset)

    def _publish(self, base_T_desired: np.ndarray, stamp: Time) -> None:
        pose = PoseStamped(pose=messages.pose_to_message(base_T_desired))
        pose.header.frame_id, pose.header.stamp = self._fixed_frame, stamp
        self._poses.publish(pose)
        transform = TransformStamped(header=pose.header, child_frame_id=self._part_frame)
        transform.transform = messages.pose_to_transform(pose.pose)
        self._send_transform(transform)

    # Services

    async def _on_offset(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        return await self._answer(response, self._with_taught)

    async def _on_teach(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        return await self._answer(response, self._teach)

    async def _answer(self, response: Trigger.Response, complete: Callable[[Offset], Offset]) -> Trigger.Response:
        """Answer with the offset of the first image taken from now on, by an arm at rest."""
        self._problem = 'no estimate has come'
        found: Future = Future()
        self._asked.append((seconds_now(self), time.monotonic() + ESTIMATE_TIMEOUT, found))
        offset = await found
        try:
            if offset is None:
                response.message = f'no offset within {ESTIMATE_TIMEOUT:g} s: {self._problem}'
            else:
                response.message = json.dumps(complete(offset).as_values())
                response.success = True
        except (VisualServoingError, OSError) as error:
            response.message = str(error)
        return response

    def _with_taught(self, offset: Offset) -> Offset:
        taught = Reference.load(self._reference.folder).taught
        return offset if taught is None else replace(offset, taught=se3.from_pose_vector(taught))

    def _teach(self, offset: Offset) -> Offset:
        """Write where the desired camera is into its reference."""
        assert offset.base_T_desired is not None
        folder, vector = self._reference.folder, se3.pose_vector(offset.base_T_desired)
        replace(Reference.load(folder), taught=tuple(map(float, vector))).save(folder)
        return self._with_taught(offset)


def main(args: Sequence[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM."""
    return run_node(PartFinderNode, args)
