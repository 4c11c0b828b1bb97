"""Reading a bag, MCAP or SQLite, as rosbag2 or BagWriter wrote it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rosbags.rosbag2 import Reader

from cnn_vs_ros.errors import BagError
from cnn_vs_ros.foreign.entries import shortened
from cnn_vs_ros.foreign.yaml_text import read_yaml


class BagReader:
    """A bag folder, open between `with` and its end. Raises BagError when it is none."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        try:
            read_yaml(self.folder / 'metadata.yaml', BagError)
            self._reader = Reader(self.folder)
            self._reader.open()
        except Exception as error:  # of rosbags and of the codecs below it: they share no public base class
            raise BagError(
                f'bag should be a folder with metadata.yaml and its files but {folder}: {shortened(error)}'
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
            messages = self._reader.messages(connections)
            while (item := self._next(messages)) is not None:
                yield item

    def _next(self, messages: Iterator[Any]) -> tuple[str, int, bytes] | None:
        try:
            connection, time, data = next(messages)
        except StopIteration:
            return None
        except Exception as error:
            raise BagError(f'bag {self.folder} should hold whole messages but: {shortened(error)}') from error
        return connection.topic, time, bytes(data)
