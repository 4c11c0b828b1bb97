"""Requests to services that are repeated while there is no answer. Another thread must spin the node."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from rclpy.task import Future

from cnn_vs_ros.errors import NoAnswerError

REQUEST_PERIOD = 10.0
"""Seconds of wall time after which a request without an answer is sent again; all our services may be repeated."""

MATCHING_TIME = 0.5
"""Seconds from the discovery of a service to the first request: the service has to discover its client as well."""

_POLL_PERIOD = 0.2


def answer_of(
    request: Callable[[], Future],
    what: str,
    timeout: float,
    check: Callable[[], None] = lambda: None,
    period: float = REQUEST_PERIOD,
) -> Any:
    """Answer of the service `what`, which `request` asks; `check` is called meanwhile and may raise.

    It is asked again every `period` seconds of wall time. Raises NoAnswerError when there is no answer after
    `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        future = request()
        answered = threading.Event()
        future.add_done_callback(lambda _, answered=answered: answered.set())
        again = time.monotonic() + min(timeout, period)
        while time.monotonic() < again:
            check()
            if answered.wait(_POLL_PERIOD):
                return future.result()
    raise NoAnswerError(f'{what} has not answered for {timeout:g} s')
