"""Running a node as a process that ends properly: on a signal to stop, and when it cannot start."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol, runtime_checkable

import rclpy
from rclpy.duration import Duration
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future

from cnn_vs_ros.environment import remark
from cnn_vs_ros.errors import DeafNodeError, ParameterError, VisualServoingError
from cnn_vs_ros.nodes.common import steady_clock
from cnn_vs_ros.nodes.overrides import check_overrides
from cnn_vs_ros.nodes.shared_memory import lost_ports
from cnn_vs_ros.nodes.signals import STOP_SIGNALS, is_heeded

_BEGINNINGS = 5
"""How often a process begins at most until others can reach it."""

_LOOK_PERIOD = 1.0
"""Seconds of wall time between two looks whether they still can, which take a millisecond each."""

_DEAF = (
    'others should reach this node by shared memory but a process that was killed left it unusable: start the '
    'node again; if that does not help, end all nodes and run: rm /dev/shm/fast* /dev/shm/sem.fast*'
)


@runtime_checkable
class ShutsDown(Protocol):
    """A node with something left to send before its process ends."""

    def shut_down(self) -> None:
        """Leave the robot standing still; the node can still publish."""


_stop_requested = threading.Event()


def stop_requested() -> bool:
    """Whether a signal has told this process's node to end: what waits in a callback should wait no more."""
    return _stop_requested.is_set()


@contextmanager
def stop_signals(on_stop: Callable[[], None]) -> Iterator[None]:
    """Call `on_stop` once, from another thread, at the first of STOP_SIGNALS. Main thread only.

    A SIGHUP that this process was started to ignore, by nohup, stays ignored.

    rclpy's own handlers shut the context down at once, and then nothing can be published any more; a plain
    Python handler has to wait until the executor's wait in C returns. The wakeup descriptor does neither.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    previous = {number: signal.signal(number, lambda *_: None) for number in STOP_SIGNALS if is_heeded(number)}
    previous_descriptor = signal.set_wakeup_fd(writer)

    def watch() -> None:
        while True:
            received = os.read(reader, 1)
            if not received or received[0] == 0:
                return
            if received[0] in previous:
                on_stop()
                return

    thread = threading.Thread(target=watch, name='stop_signals', daemon=True)
    thread.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(previous_descriptor)
        os.write(writer, b'\0')
        thread.join()
        for number, handler in previous.items():
            signal.signal(number, handler)
        os.close(reader)
        os.close(writer)


def run_node(make_node: Callable[[], Node], args: Sequence[str] | None = None) -> int:
    """Run the node that `make_node` returns until a signal to stop or its own end, and return the exit status.

    A node ends by itself by having a Future `done`, whose result is the exit status. Its `shut_down`, if it has
    one, is called at the end in every case, while it can still publish. A VisualServoingError at the start or
    in a callback ends the process with its sentence and status 1; so does a parameter that the node does not have.
    A participant that cannot be reached is made again; a node that becomes deaf ends.
    """
    signalled: Future = Future()
    node, executor = None, None

    def on_stop() -> None:
        _stop_requested.set()
        signalled.set_result(0)

    with stop_signals(on_stop):
        try:
            with _reachable(args):
                executor = SingleThreadedExecutor()
                node = make_node()
            check_overrides(node, args)
            if remark():
                node.get_logger().warning(remark())
            _watch_hearing(node)
            done: Future = getattr(node, 'done', None) or Future()
            signalled.add_done_callback(lambda future: done.done() or done.set_result(future.result()))
            executor.add_node(node)
            _spin_until(done, executor)
            return int(done.result()) if done.done() else 0
        except VisualServoingError as error:
            logger = node.get_logger() if node is not None else rclpy.logging.get_logger('cnn_vs_ros')
            logger.fatal(str(error))
            return 1
        except ExternalShutdownException:
            return 0
        finally:
            _end(node, executor)


def initialise(args: Sequence[str] | None) -> None:
    """Initialise rclpy. Raises ParameterError for what it does not take: arguments, a params file, variables."""
    try:
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    except (rclpy_implementation.RCLError, rclpy_implementation.UnknownROSArgsError) as error:
        reason = ' '.join(str(error).split(', at ')[0].split())
        raise ParameterError(
            f'ROS 2 should start with these arguments and this environment but: {reason}'
        ) from error


@contextmanager
def _reachable(args: Sequence[str] | None) -> Iterator[None]:
    """Initialise rclpy with a participant that others can reach; it lasts if a node is made within."""
    for _ in range(_BEGINNINGS):
        initialise(args)
        first = Node('_first', use_global_arguments=False, enable_rosout=False, start_parameter_services=False)
        if not lost_ports():
            yield
            first.destroy_node()
            return
        first.destroy_node()
        rclpy.shutdown()
    raise DeafNodeError(_DEAF)


def _watch_hearing(node: Node) -> None:
    """Have the node end if it becomes deaf."""

    def look() -> None:
        if lost_ports():
            raise DeafNodeError(_DEAF)

    node.create_timer(_LOOK_PERIOD, look, clock=steady_clock())


def _spin_until(done: Future, executor: SingleThreadedExecutor) -> None:
    # rclpy's spin_until_future_complete adds a callback to the future at every turn, and so grows without end.
    done.add_done_callback(lambda _: executor.create_task(lambda: None))  # something to do ends the wait
    while rclpy.ok() and not done.done():
        executor.spin_once()


def _end(node: Node | None, executor: SingleThreadedExecutor | None) -> None:
    try:
        if isinstance(node, ShutsDown) and rclpy.ok():
            node.shut_down()
    finally:
        if executor is not None:
            executor.shutdown()
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()


def wait_until_delivered(publisher: Publisher, timeout: float = 0.5) -> bool:
    """Wait until all present subscribers have what was published, at most `timeout` seconds; say whether."""
    return publisher.wait_for_all_acked(Duration(seconds=timeout))
