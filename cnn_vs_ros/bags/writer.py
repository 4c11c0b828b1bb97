"""Writing a bag in MCAP with the metadata.yaml of rosbag2 (version 9, Jazzy's)."""

from __future__ import annotations

import os
from pathlib import Path

from rosbags.interfaces import (
    Connection,
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import StoragePlugin, Writer, WriterError
from rosbags.typesys import Stores, get_typestore

from cnn_vs_ros.errors import BagError

_FOREVER = QosTime(9223372036, 854775807)


class BagWriter:
    """A bag folder that does not exist yet. `close` writes its index: without it the bag is not readable.

    Raises BagError when the folder exists or cannot be written.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self.counts: dict[str, int] = {}
        self._types = get_typestore(Stores.ROS2_JAZZY)
        self._topics: dict[str, Connection] = {}
        try:
            self._writer = Writer(self.folder, version=9, storage_plugin=StoragePlugin.MCAP)
            self._writer.open()
        except (WriterError, OSError) as error:
            raise BagError(f'bag should be a new folder that can be written but {self.folder}: {error}') from error

    def add_topic(self, name: str, kind: str, *, reliable: bool, latched: bool) -> None:
        """Announce a topic by name and type (``sensor_msgs/msg/Image``), with the QoS it was offered with.

        Raises BagError for a type that is none of ROS 2 Jazzy's.
        """
        if kind not in self._types.fielddefs:
            raise BagError(f'type of {name} should be one of ROS 2 Jazzy but is {kind}')
        qos = Qos(
            QosHistory.KEEP_LAST,
            10,
            QosReliability.RELIABLE if reliable else QosReliability.BEST_EFFORT,
            QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE,
            _FOREVER,
            _FOREVER,
            QosLiveliness.AUTOMATIC,
            _FOREVER,
            avoid_ros_namespace_conventions=False,
        )
        connection = self._writer.add_connection(name, kind, typestore=self._types, offered_qos_profiles=[qos])
        self._topics[name], self.counts[name] = connection, 0

    def write(self, topic: str, time: int, data: bytes) -> None:
        """Write a serialised (CDR) message of an announced topic, received at `time` in nanoseconds."""
        try:
            self._writer.write(self._topics[topic], time, data)
        except OSError as error:
            raise BagError(f'{self.folder} should take a message but: {error}') from error
        self.counts[topic] += 1

    def close(self) -> None:
        """Write the index and metadata.yaml."""
        try:
            self._writer.close()
        except OSError as error:
            raise BagError(f'{self.folder} cannot be completed: {error}') from error
