"""Which reference pose_estimator has in use, for the nodes beside it."""

from __future__ import annotations

from pathlib import Path

from rclpy.node import Node
from std_msgs.msg import String

from cnn_vs_ros.errors import ReferenceFolderError
from cnn_vs_ros.nodes.common import LATCHED


class ReferenceListener:
    """Hears the folder of the reference in use, wherever that is; `prefix` is of the estimator's topics."""

    def __init__(self, node: Node, prefix: str = '') -> None:
        self._folder = ''
        topic = f'{prefix}pose_estimator/reference_folder'
        self.subscription = node.create_subscription(String, topic, self._on_folder, LATCHED)

    @property
    def has_heard(self) -> bool:
        """Whether pose_estimator has told of a reference."""
        return bool(self._folder)

    @property
    def folder(self) -> Path:
        """The folder. Raises ReferenceFolderError while none has been told."""
        if not self._folder:
            raise ReferenceFolderError(
                'pose_estimator should be running with a reference but has told of none: capture one'
            )
        return Path(self._folder)

    def _on_folder(self, message: String) -> None:
        self._folder = message.data
