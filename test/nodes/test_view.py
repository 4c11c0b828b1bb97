"""The page in a real browser, over what a graph says."""

from __future__ import annotations

import re
import socket

import cv2
import numpy as np
import pytest
from geometry_msgs.msg import PoseWithCovarianceStamped
from sensor_msgs.msg import CameraInfo, Image, JointState
from std_msgs.msg import String

from cnn_vs_ros.control import DifferentialIk
from cnn_vs_ros.geometry import RelativePose, se3
from cnn_vs_ros.nodes import messages
from cnn_vs_ros.simulation.description import load_robot_description
from test.ros_graph import LATCHED, NEWEST, Graph
from test.scenes import CAMERA

pytest.importorskip('viser', reason='viser is not installed')
import viser

from cnn_vs_ros.view import ViewPage
from test.view.browser import PROGRAM, Browser

URDF = load_robot_description()
JOINTS = DifferentialIk(URDF).joint_names
POSTURE = [-0.24, -1.33, 1.83, -2.07, -1.57, 1.33]
AWAY = se3.from_pose_vector([0.03, 0.04, 0, 0, 0, np.radians(40)])
ORANGE, GREEN = (20, 90, 214), (60, 130, 25)  # the frusta, BGR


class Robot:
    """What a graph would publish."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        make = graph.node.create_publisher
        self.description = make(String, 'robot_description', LATCHED)
        self.status = make(String, 'servo_status', LATCHED)
        self.states = make(JointState, 'joint_states', 1)
        self.infos = make(CameraInfo, 'camera_info', NEWEST)
        self.images = make(Image, 'pose_estimator/debug_image', NEWEST)
        self.poses = make(PoseWithCovarianceStamped, 'relative_pose', 10)
        self.description.publish(String(data=URDF))
        self.status.publish(String(data='servoing'))
        self.posture = list(POSTURE)
        self.picture = np.full((120, 480, 3), 90, np.uint8)

    def live(self) -> None:
        stamp = self.graph.now()
        self.states.publish(JointState(name=JOINTS, position=self.posture))
        self.infos.publish(messages.camera_to_message(CAMERA, stamp, 'camera'))
        self.images.publish(messages.image_to_message(self.picture, stamp, 'camera'))
        pose = PoseWithCovarianceStamped(pose=messages.relative_pose_to_message(RelativePose(AWAY)))
        pose.header.stamp = stamp
        self.poses.publish(pose)


def near(image: np.ndarray, colour: tuple[int, int, int]) -> int:
    """Number of pixels of about that colour."""
    return int((np.abs(image.astype(int) - colour).max(axis=2) < 40).sum())


@pytest.fixture
def graph(tmp_path):
    graph = Graph(tmp_path)
    yield graph
    graph.close()


@pytest.mark.skipif(not PROGRAM, reason='there is no Chromium on this machine')
def test_shows_arm_frusta_images_and_errors(graph, tmp_path, monkeypatch):
    monkeypatch.setattr('test.ros_graph.PATIENCE', 90.0)  # the browser draws by software
    robot = Robot(graph)
    node = graph.start('view', port=0)
    graph.spin_until(lambda: 'view: http' in node.output, 'the address', robot.live)
    address = re.search(r'view: (http://127\.0\.0\.1:\d+)', node.output).group(1)
    profile = tmp_path / 'browser'
    profile.mkdir()
    browser = Browser(profile, 900, 600)
    try:
        browser.open(address)

        def shown(script: str):
            return lambda: browser.evaluate(script)

        def shot(name: str) -> np.ndarray:
            browser.screenshot(tmp_path / name)
            return cv2.imread(str(tmp_path / name))[:, :500]

        def drawn() -> bool:
            image = shot('view.png')
            # The arm has blue joints; beside the grid there is hardly anything else.
            return near(image, ORANGE) > 50 and near(image, GREEN) > 50 and near(image, (180, 130, 70)) > 200

        text = 'document.body.innerText'
        graph.spin_until(shown(f"{text}.includes('50.00 mm, 40.000 degrees to go')"), 'the error', robot.live)
        assert browser.evaluate(f"{text}.includes('servoing')")
        images = "[...document.querySelectorAll('img')].some(item => item.naturalWidth === 720)"
        graph.spin_until(shown(images), 'the images', robot.live)
        curves = "[...document.querySelectorAll('.uplot canvas')].filter(item => item.width > 100).length === 2"
        graph.spin_until(shown(curves), 'the curves', robot.live)
        graph.spin_until(drawn, 'arm and frusta', robot.live)

        before = shot('before.png')
        robot.posture[0] += 0.8
        moved = lambda: (cv2.absdiff(shot('after.png'), before).max(axis=2) > 60).mean() > 0.005  # noqa: E731
        graph.spin_until(moved, 'the motion of the arm', robot.live)
    finally:
        browser.close()
    assert node.end() == 0
    assert 'Traceback' not in node.output


def test_only_pages_of_this_computer_may_open_a_websocket():
    page = ViewPage(0)
    try:
        answers = {origin: handshake(page.address, origin) for origin in (*HERE, *ELSEWHERE)}
    finally:
        page.close()
    assert {origin: answers[origin] for origin in HERE} == dict.fromkeys(HERE, 101)
    assert {origin: answers[origin] for origin in ELSEWHERE} == dict.fromkeys(ELSEWHERE, 403)


HERE = (None, 'http://localhost:8080', 'http://127.0.0.1:9000')
ELSEWHERE = ('http://example.org', 'http://localhost.example.org', 'http://127.0.0.1.example.org:80', 'null')


def handshake(address: str, origin: str | None) -> int:
    """Status of the answer to a request for a WebSocket: 101 is yes."""
    host = address.removeprefix('http://')
    with socket.create_connection(host.split(':'), 10.0) as connection:
        lines = [
            'GET / HTTP/1.1', f'Host: {host}', 'Upgrade: websocket', 'Connection: Upgrade',
            'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
            f'Sec-WebSocket-Protocol: viser-v{viser.__version__}',
        ]  # fmt: skip
        lines += [] if origin is None else [f'Origin: {origin}']
        connection.sendall('\r\n'.join([*lines, '', '']).encode())
        return int(connection.recv(4096).split()[1])


def test_a_port_that_is_taken_ends_the_start_with_a_sentence(graph):
    first = graph.start('view', port=0)
    graph.spin_until(lambda: 'view: http' in first.output, 'the address')
    port = int(re.search(r'127\.0\.0\.1:(\d+)', first.output).group(1))
    second = graph.start('view', port=port)
    assert second.wait() == 1
    assert f'port {port} should be free' in second.output
    assert 'Traceback' not in second.output
    assert first.end() == 0
