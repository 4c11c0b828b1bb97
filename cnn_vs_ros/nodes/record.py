"""Node: records a servo run to a bag in MCAP. Its contract is in docs/tools.md."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from importlib import import_module

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from cnn_vs_ros.bags import BagWriter
from cnn_vs_ros.control.command_interface import CommandInterface
from cnn_vs_ros.environment import user_path
from cnn_vs_ros.errors import BagError, VisualServoingError
from cnn_vs_ros.estimation import Reference
from cnn_vs_ros.nodes.common import steady_clock
from cnn_vs_ros.nodes.messages import COMPRESSED
from cnn_vs_ros.nodes.parameters import declare
from cnn_vs_ros.nodes.reference_listener import ReferenceListener
from cnn_vs_ros.nodes.running import run_node
from cnn_vs_ros.nodes.speed_scaling import TOPIC as SPEED_SCALING

TOPICS = (
    'image_raw',
    f'image_raw{COMPRESSED}',
    'camera_info',
    'relative_pose',
    'pose_status',
    'twist',
    'servo_status',
    'servo_status_reason',
    'joint_states',
    'robot_description',
    *(interface.topic for interface in CommandInterface),
    SPEED_SCALING,
    'ground_truth',
)
"""What is recorded where it is there: enough to estimate anew, and to see what was done with the estimates."""

_LOOK_PERIOD = 0.25
_DEPTH = 30


class RecordNode(Node):
    """Subscribes to each topic when it appears, and writes what comes as it comes, without decoding it."""

    def __init__(self) -> None:
        super().__init__('record')
        output, topics = self._declare_parameters()
        self._reference = ReferenceListener(self)
        self._writer = BagWriter(user_path(output or time.strftime('bag_%Y-%m-%d_%H-%M-%S')))
        self._topics = frozenset(self.resolve_topic_name(topic) for topic in topics)
        self._wanted = set(self._topics)
        self.get_logger().info(f'recording to {self._writer.folder}')
        self._look()
        self.create_timer(_LOOK_PERIOD, self._look, clock=steady_clock())

    def _declare_parameters(self) -> tuple[str, list[str]]:
        output = declare(
            self, 'output', '', 'Folder of the bag, a new one; empty: named by the time.', read_only=True
        )
        topics = declare(self, 'topics', list(TOPICS), 'Topics to record, relative or not.', read_only=True)
        return output, topics

    def shut_down(self) -> None:
        """Complete the bag, with the reference that the estimator used last."""
        try:
            self._writer.close()
        except BagError as error:
            self.get_logger().error(str(error))
        try:
            Reference.load(self._reference.folder).save(self._writer.folder / 'reference')
        except (VisualServoingError, OSError) as error:
            self.get_logger().warning(f'the bag is without a reference: {error}')
        counts = ', '.join(f'{count} {topic}' for topic, count in self._writer.counts.items())
        self.get_logger().info(f'recorded to {self._writer.folder}: {counts or "nothing"}')

    def _look(self) -> None:
        for topic, kinds in self.get_topic_names_and_types():
            # A topic that only has readers yet does not tell its QoS.
            if topic in self._wanted and self.count_publishers(topic) and not self._is_spare(topic):
                self._wanted.remove(topic)
                try:
                    self._subscribe(topic, kinds[0])
                except BagError as error:
                    self.get_logger().warning(f'not recorded: {error}')

    def _is_spare(self, topic: str) -> bool:
        """Whether a topic has the images of another, compressed for nobody yet: to listen would cost that."""
        raw = topic.removesuffix(COMPRESSED)
        there = raw != topic and raw in self._topics and self.count_publishers(raw) > 0
        return there and self.count_subscribers(topic) == 0

    def _subscribe(self, topic: str, kind: str) -> None:
        publishers = [info.qos_profile for info in self.get_publishers_info_by_topic(topic)]
        reliable = all(qos.reliability == ReliabilityPolicy.RELIABLE for qos in publishers)
        latched = all(qos.durability == DurabilityPolicy.TRANSIENT_LOCAL for qos in publishers)
        package, _, name = kind.split('/')
        try:
            message = getattr(import_module(f'{package}.msg'), name)
        except (ModuleNotFoundError, AttributeError) as error:
            raise BagError(f'type of {topic} should be installed but {kind} is not: {error}') from error
        self._writer.add_topic(topic, kind, reliable=reliable, latched=latched)
        qos = QoSProfile(
            depth=_DEPTH,
            reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
            durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
        )
        self.create_subscription(message, topic, partial(self._write, topic), qos, raw=True)

    def _write(self, topic: str, data: bytes) -> None:
        self._writer.write(topic, int(self.get_clock().now().nanoseconds), data)


def main(args: Sequence[str] | None = None) -> int:
    """Record until SIGINT or SIGTERM."""
    return run_node(RecordNode, args)
