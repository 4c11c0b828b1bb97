"""Reading a bag, MCAP or SQLite, as rosbag2 or BagWriter wrote it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from rosbags.rosbag2 import Reader, ReaderError

from cnn_vs_ros.errors import BagError


class BagReader:
    """A bag folder, open between `with` and its end. Raises BagError when it is none."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        try:
            self._reader = Reader(self.folder)
            self._reader.open()
        except (ReaderError, OSError) as error:
            raise BagError(
                f'bag should be a folder with metadata.yaml and its files but {folder}: {error}'
            ) from error

    def __enter__(self) -> BagReader:
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()

    def topic(self, name: str, kind: str) -> str:
        """Full name of the topic that ends with `name` and has the type ``package/msg/Name``.

        Raises BagError when there is none, or when there are several.
        """
        whole = f'/{name.lstrip("/")}'
        found = [item.topic for item in self._reader.connections if item.msgtype == kind]
        matching = [topic for topic in found if topic == whole] or [
            topic for topic in found if topic.endswith(whole)
        ]
        if len(set(matching)) != 1:
            there = ', '.join(sorted(set(found))) or 'none'
            raise BagError(f'bag should have one topic {name} of type {kind} but has {there}')
        return matching[0]

    def messages(self, *topics: str) -> Iterator[tuple[str, int, bytes]]:
        """Topic, time in nanoseconds and serialised (CDR) data of the messages of `topics`, in their order."""
        connections = [item for item in self._reader.connections if item.topic in topics]
        if connections:
            for connection, time, data in self._reader.messages(connections):
                yield connection.topic, time, bytes(data)
