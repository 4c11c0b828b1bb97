"""A source of images read in a thread of its own, opened again whenever it has gone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np

from cnn_vs_ros.capture.sources import Source, SourceError
from cnn_vs_ros.errors import ImageError


class ImageStream:
    """Reads images until it is stopped, at the source's rate.

    Args:
        make: opens the source, anew after it has gone; raises SourceError while it is not there.
        on_image: called in the thread with each image.
        on_event: called in the thread with a sentence when the source has gone, and when it is back.
        loop: begin again at the end of a video or folder; otherwise the stream ends there.
        reconnect_period: seconds between attempts to open the source.

    The first source is opened at once. Raises SourceError when that fails.
    """

    def __init__(
        self,
        make: Callable[[], Source],
        on_image: Callable[[np.ndarray], None],
        on_event: Callable[[str], None] = lambda sentence: None,
        *,
        loop: bool = True,
        reconnect_period: float = 1.0,
    ) -> None:
        self._make, self._on_image, self._on_event = make, on_image, on_event
        self._loop, self._period = loop, reconnect_period
        self._source: Source | None = make()
        self.first = self._first_image()
        self._delivered = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name='camera', daemon=True)
        self._on_end: Callable[[Exception | None], None] = lambda error: None

    def start(self, on_end: Callable[[Exception | None], None] = lambda error: None) -> None:
        """Start the thread. At its end it calls `on_end`, with the exception of a callback if that ended it."""
        self._on_end = on_end
        self._thread.start()

    def stop(self, timeout: float = 2.0) -> None:
        """End the thread. A device that hangs is left to itself after `timeout` seconds."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(timeout)
        if not self._thread.is_alive():
            self._close()

    def _first_image(self) -> np.ndarray:
        assert self._source is not None
        image = self._source.read()
        if image is None:
            raise SourceError('source should hold an image but has none')
        return image

    def _run(self) -> None:
        error: Exception | None = None
        try:
            self._deliver(self.first)
            while not self._stopping.is_set() and self._step():
                pass
        except Exception as raised:  # handed on: this thread has nobody to raise to
            error = raised
        self._on_end(error)

    def _step(self) -> bool:
        """Read one image, or try once to get the source back; False at the end."""
        if self._source is None:
            self._reconnect()
            return True
        try:
            image = self._source.read()
            if image is None:
                return self._begin_again()
        except ImageError as error:
            self._on_event(str(error))
            return True
        except SourceError as error:
            self._on_event(f'{error}; trying again every {self._period:g} s')
            self._close()
            self._stopping.wait(self._period)
            return True
        self._deliver(image)
        return True

    def _begin_again(self) -> bool:
        if not self._loop:
            return False
        if self._delivered == 0:
            raise SourceError('source should hold images but has none any more')
        self._close()
        self._delivered = 0
        self._source = self._make()
        return True

    def _reconnect(self) -> None:
        try:
            self._delivered = 0
            self._source = self._make()
            self._on_event('the source is back')
        except SourceError:
            self._stopping.wait(self._period)

    def _deliver(self, image: np.ndarray) -> None:
        began = time.monotonic()
        self._delivered += 1
        self._on_image(image)
        rate = self._source.rate if self._source is not None else 0.0
        if rate > 0:
            self._stopping.wait(max(0.0, 1.0 / rate - (time.monotonic() - began)))

    def _close(self) -> None:
        if self._source is not None:
            self._source.close()
            self._source = None
