from __future__ import annotations

import os
import time

import cv2
import numpy as np
import pytest
import yaml
from sensor_msgs.msg import CameraInfo, Image

from cnn_vs_ros.geometry.calibration_file import load_calibration
from cnn_vs_ros.nodes import messages
from test.geometry.test_calibration_file import VALUES
from test.ros_graph import NEWEST, Graph

SIZE = (160, 120)


@pytest.fixture(scope='module')
def picture():
    rng = np.random.default_rng(0)
    return cv2.resize(rng.integers(0, 255, (12, 16, 3), dtype=np.uint8), SIZE, interpolation=cv2.INTER_CUBIC)


@pytest.fixture
def folder(tmp_path, picture):
    path = tmp_path / 'images'
    path.mkdir()
    cv2.imwrite(str(path / 'one.png'), picture)
    return path


@pytest.fixture
def calibration(tmp_path):
    matrix = {'data': [150.0, 0.0, 79.5, 0.0, 150.0, 59.5, 0.0, 0.0, 1.0]}
    path = tmp_path / 'wrist.yaml'
    path.write_text(yaml.safe_dump(VALUES | {'image_width': 160, 'image_height': 120, 'camera_matrix': matrix}))
    return path


@pytest.fixture
def graph(tmp_path):
    graph = Graph(tmp_path)
    yield graph
    graph.close()


class Camera:
    def __init__(self, graph, source, **parameters) -> None:
        self.graph = graph
        self.images, self.infos = (
            graph.listen(Image, 'image_raw', NEWEST),
            graph.listen(CameraInfo, 'camera_info', NEWEST),
        )
        self.process = graph.start('camera', source=str(source), **parameters)

    def wait(self, count=3) -> None:
        wanted = len(self.images) + count
        self.graph.spin_until(lambda: len(self.images) >= wanted and self.infos, 'images')


def test_publishes_images_with_their_calibration_and_takes_up_a_source_that_was_away(
    graph, folder, calibration, picture
):
    camera = Camera(graph, folder, calibration=str(calibration), frame_id='eye', reconnect_period=0.1)
    camera.wait()
    np.testing.assert_array_equal(messages.image_from_message(camera.images[-1]), picture)
    info, expected = camera.infos[-1], load_calibration(calibration)
    assert messages.camera_from_message(info) == expected
    assert info.header.frame_id == camera.images[-1].header.frame_id == 'eye'
    stamps = [
        [messages.seconds(message.header.stamp) for message in topic] for topic in (camera.images, camera.infos)
    ]
    assert set(stamps[0]) & set(stamps[1])
    assert 0 <= time.time() - stamps[0][-1] < 60

    os.rename(folder, folder.with_name('away'))
    graph.spin_until(lambda: 'trying again every 0.1 s' in camera.process.output, 'the warning')
    os.rename(folder.with_name('away'), folder)
    graph.spin_until(lambda: 'the source is back' in camera.process.output, 'the return')
    camera.wait()
    assert camera.process.end() == 0
    assert 'Traceback' not in camera.process.output


def test_undistorts_with_a_camera_info_of_the_undistorted_camera(graph, folder, calibration, picture):
    camera = Camera(graph, folder, calibration=str(calibration), undistort=True)
    camera.wait()
    distorted = load_calibration(calibration)
    assert messages.camera_from_message(camera.infos[-1]) == distorted.undistorted
    shown = messages.image_from_message(camera.images[-1])
    np.testing.assert_array_equal(shown, distorted.undistort(picture))
    assert np.abs(shown.astype(int) - picture).max() > 20


def test_without_a_calibration_camera_info_says_so(graph, folder):
    camera = Camera(graph, folder)
    camera.wait(1)
    assert (camera.infos[-1].width, camera.infos[-1].k[0]) == (160, 0.0)
    assert camera.process.end() == 0


def test_without_loop_it_ends_after_the_last_image(graph, folder):
    node = graph.start('camera', source=str(folder), loop=False)
    assert node.wait() == 0
    assert 'Traceback' not in node.output


def test_what_cannot_be_used_ends_the_start_with_a_sentence(graph, folder, calibration, tmp_path):
    wrong = tmp_path / 'wrong.yaml'
    wrong.write_text(yaml.safe_dump(VALUES))
    cases = [
        ({'source': ''}, 'source should be a device, a video or a folder'),
        ({'source': str(tmp_path / 'none')}, 'there is no'),
        ({'source': str(folder), 'undistort': True}, 'should come with a calibration'),
        ({'source': str(folder), 'calibration': str(wrong)}, 'image should be 640x480 as its calibration says'),
    ]
    nodes = [graph.start('camera', **parameters) for parameters, _ in cases]
    for node, (_, sentence) in zip(nodes, cases, strict=True):
        assert node.wait() == 1
        assert sentence in node.output
        assert 'Traceback' not in node.output
