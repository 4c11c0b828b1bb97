"""Nodes as processes in a ROS domain and namespace of their own, watched by one node in the test's process."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import rclpy
import yaml
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from cnn_vs_ros.environment import profile_variable
from cnn_vs_ros.graph.private_domain import private_domain, release_domain
from test import ROOT

LATCHED = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
NEWEST = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
PATIENCE = 20.0
LONGEST_END = 5.0

# Before anything in this process creates a DDS participant: see config/fastdds.xml.
os.environ.setdefault(profile_variable(), str(ROOT / 'config' / 'fastdds.xml'))
os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
os.environ.setdefault('AMENT_PREFIX_PATH', sys.prefix)
os.environ['ROS_LOG_DIR'] = tempfile.mkdtemp(prefix='cnn_vs_ros-logs-')
atexit.register(shutil.rmtree, os.environ['ROS_LOG_DIR'], ignore_errors=True)

if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    # Under nohup the nodes would ignore it as well, as they should: a handler is not inherited.
    signal.signal(signal.SIGHUP, lambda *_: None)


@contextmanager
def own_domain() -> Iterator[int]:
    """A ROS domain that nobody else of this computer has meanwhile."""
    domain = private_domain(os.environ.get('ROS_DOMAIN_ID', ''))
    try:
        yield domain
    finally:
        release_domain(domain)


@contextmanager
def in_own_domain(*arguments: str) -> Iterator[None]:
    """Have rclpy initialised in a domain of its own, with ROS arguments."""
    with own_domain() as domain:
        rclpy.init(args=['--ros-args', *arguments], domain_id=domain)
        try:
            yield
        finally:
            rclpy.shutdown()


class NodeProcess:
    """One node, started as `python -m cnn_vs_ros.nodes <name>`; a name with dots is that of a module."""

    def __init__(self, graph: Graph, name: str, parameters: dict, folder: Path, remap: Mapping[str, str]) -> None:
        program = [name] if '.' in name else ['cnn_vs_ros.nodes', name]
        file = folder / f'{name}.yaml'
        file.write_text(yaml.safe_dump({'/**': {'ros__parameters': parameters}}))
        self.expected_to_run = True
        self.log = folder / f'{name}.log'
        arguments = ['--ros-args', '--params-file', str(file), '-r', f'__ns:=/{graph.namespace}']
        arguments += [word for pair in remap.items() for word in ('-r', ':='.join(pair))]
        with self.log.open('wb') as log:
            self.process = subprocess.Popen(
                [sys.executable, '-m', *program, *arguments],
                cwd=ROOT,
                env=graph.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def output(self) -> str:
        return self.log.read_text()

    def end(self, number: signal.Signals = signal.SIGINT) -> int:
        """Send a signal and return the exit status."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """Exit status of a process that ends by itself."""
        self.expected_to_run = False
        return self.process.wait(PATIENCE)

    @property
    def has_failed(self) -> bool:
        return self.expected_to_run and self.process.poll() is not None


class Graph:
    """A graph that a test starts nodes in, listens to and speaks to, in a domain of its own."""

    def __init__(self, folder: Path) -> None:
        self.domain = private_domain(os.environ.get('ROS_DOMAIN_ID', ''))
        self.namespace = f'test_{os.getpid()}'
        self.environment = os.environ | {
            'ROS_DOMAIN_ID': str(self.domain),
            'ROS_HOME': str(folder / 'ros_home'),
            'PYTHONUNBUFFERED': '1',
        }
        self._folder = folder
        self._processes: list[NodeProcess] = []
        self._clients: dict = {}
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=self.domain)
        self.node = rclpy.create_node('observer', namespace=self.namespace, context=self.context)
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)

    def start(self, name: str, remap: Mapping[str, str] | None = None, **parameters: object) -> NodeProcess:
        folder = self._folder / f'{len(self._processes)}'
        folder.mkdir()
        self._processes.append(NodeProcess(self, name, parameters, folder, remap or {}))
        return self._processes[-1]

    def close(self) -> None:
        self._end_processes()
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self.context)
        release_domain(self.domain)

    def _end_processes(self) -> None:
        """Ask before killing: a process that is killed leaves its shared memory behind."""
        running = [node.process for node in self._processes if node.process.poll() is None]
        for process in running:
            process.send_signal(signal.SIGINT)
        end = time.monotonic() + LONGEST_END
        for process in running:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, end - time.monotonic()))
        for process in running:
            process.kill()  # it does nothing to one that has ended
            process.wait()

    def listen(self, message_type: type, topic: str, qos: QoSProfile | int = 10) -> list:
        """List that grows with the messages of a topic."""
        received: list = []
        self.node.create_subscription(message_type, topic, received.append, qos)
        return received

    def spin(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._executor.spin_once(timeout_sec=max(0.0, end - time.monotonic()))

    def spin_until(
        self,
        condition: Callable[[], object],
        what: str,
        each: Callable[[], None] | None = None,
        patience: float | None = None,
    ) -> None:
        """Spin until `condition` holds, calling `each` about 30 times a second; fail saying `what` was awaited."""
        end = time.monotonic() + (PATIENCE if patience is None else patience)
        while not condition():
            if time.monotonic() > end or any(node.has_failed for node in self._processes):
                outputs = '\n'.join(node.output for node in self._processes)
                raise AssertionError(f'{what} did not come about; the nodes said:\n{outputs}')
            if each is not None:
                each()
            self.spin(1 / 30)

    def call(
        self,
        service_type: type,
        name: str,
        request: object | None = None,
        each: Callable | None = None,
        patience: float | None = None,
    ):
        """Response of a service."""
        if name not in self._clients:
            self._clients[name] = self.node.create_client(service_type, name)
            self.spin_until(self._clients[name].service_is_ready, f'the service {name}', each)
            # Ready says that the service is known here; that it knows this client, which it must to answer, takes
            # a moment more and cannot be asked for.
            self.spin(0.3)
        future = self._clients[name].call_async(request or service_type.Request())
        self.spin_until(future.done, f'the answer of {name}', each, patience)
        return future.result()

    def now(self):
        return self.node.get_clock().now().to_msg()
