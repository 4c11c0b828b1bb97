"""Requests to services: their times, and how they are repeated while there is no answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.task import Future

from cnn_vs_ros.errors import NoAnswerError

REQUEST_PERIOD = 10.0
"""Seconds of wall time after which a request without an answer is sent again; all our services may be repeated."""

CALL_TIMEOUT = 30.0
"""Seconds of wall time that a service may take to answer."""

FAREWELL_TIME = 0.3
"""Seconds that a last request is given to leave its process."""

MATCHING_TIME = 0.5
"""Seconds from the discovery of a service to the first request: the service has to discover its client as well."""

_POLL_PERIOD = 0.2


def change_of_state(transition: int) -> ChangeState.Request:
    """Request for a transition of a lifecycle node."""
    return ChangeState.Request(transition=Transition(id=transition))


def answer_of(
    request: Callable[[], Future],
    what: str,
    timeout: float,
    check: Callable[[], None] = lambda: None,
    period: float = REQUEST_PERIOD,
) -> Any:
    """Answer of the service `what`, which `request` asks; `check` is called meanwhile and may raise.

    It is asked again every `period` seconds of wall time; another thread must spin the node. Raises NoAnswerError
    when there is no answer after `timeout` seconds.
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
