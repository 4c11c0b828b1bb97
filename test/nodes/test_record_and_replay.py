from __future__ import annotations

import csv
import json
import signal

import cv2
import numpy as np
import pytest
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import PoseWithCovarianceStamped, TwistStamped
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import String

from cnn_vs_ros.bags import BagReader, BagWriter
from cnn_vs_ros.errors import BagError
from cnn_vs_ros.estimation import PoseEstimator, Reference
from cnn_vs_ros.geometry import se3
from cnn_vs_ros.nodes import messages
from cnn_vs_ros.nodes.image_estimation import ImageEstimation
from cnn_vs_ros.nodes.replay import replay, run
from test.ros_graph import LATCHED, NEWEST, Graph
from test.scenes import CAMERA, DEPTH, drawn_texture, view

COMPRESSED = '/compressed'
TEXTURE = drawn_texture(0)
PATH = [
    se3.from_pose_vector(factor * np.array([0.01, -0.006, 0.008, 0.02, 0.03, 0.1]))
    for factor in (1, 0.8, 0.6, 0.5)
]
NAMES = {
    Image: ('/image_raw', 'sensor_msgs/msg/Image'),
    CameraInfo: ('/camera_info', 'sensor_msgs/msg/CameraInfo'),
    DiagnosticArray: ('/pose_status', 'diagnostic_msgs/msg/DiagnosticArray'),
    TwistStamped: ('/twist', 'geometry_msgs/msg/TwistStamped'),
    PoseWithCovarianceStamped: ('/relative_pose', 'geometry_msgs/msg/PoseWithCovarianceStamped'),
}


def picture(desired_T_current, seed=None):
    return cv2.cvtColor(view(TEXTURE, desired_T_current, seed=seed), cv2.COLOR_GRAY2BGR)


@pytest.fixture(scope='module')
def recording(tmp_path_factory):
    """A bag of a run whose estimator knew no reference at first and then skipped the third of four images."""
    folder = tmp_path_factory.mktemp('recording') / 'bag'
    reference = Reference(picture(np.eye(4)), CAMERA, DEPTH)
    estimation = ImageEstimation(PoseEstimator.load())
    estimation.take_camera_info(messages.camera_to_message(CAMERA, Time(), 'camera'))
    writer = BagWriter(folder)
    for name, kind in NAMES.values():
        writer.add_topic(name, kind, reliable=True, latched=False)

    def write(message, second):
        message.header.stamp = Time(sec=second)
        writer.write(NAMES[type(message)][0], second * 10**9, serialize_message(message))
        return message

    for second, pose in enumerate([np.eye(4), *PATH]):
        image = picture(pose, seed=second)
        write(messages.camera_to_message(CAMERA, Time(), 'camera'), second)
        twist = write(TwistStamped(twist=messages.twist_to_message(1e-3 * np.arange(6))), second)
        estimation.take_twist(twist)
        message = write(messages.image_to_message(image, Time(), 'camera'), second)
        if second == 3:
            continue
        if second == 1:
            estimation.estimator.set_reference(reference)
        outcome = estimation.estimate(message)
        if outcome.found:
            write(PoseWithCovarianceStamped(pose=messages.relative_pose_to_message(outcome.pose)), second)
        write(DiagnosticArray(status=[DiagnosticStatus(message=outcome.word)]), second)
    writer.close()
    reference.save(folder / 'reference')
    return folder


def test_the_replay_agrees_with_the_recorded_run_image_by_image(recording, tmp_path):
    sentence = run(recording, None, 'scene_agnostic', tmp_path, 'image_raw', False)
    assert 'found in 3 of 3 images, differs from the recorded estimates by' in sentence
    rows = list(csv.DictReader((tmp_path / 'replay.csv').open()))
    assert [(row['stamp'], row['status']) for row in rows] == [
        (f'{second}000000000', row['recorded_status']) for second, row in zip((1, 2, 4), rows, strict=True)
    ]
    assert max(float(row['difference_m']) for row in rows) < 1e-12  # also with the commanded motion
    expected = se3.pose_vector(PATH[0])
    np.testing.assert_allclose([float(rows[0][axis]) for axis in ('x', 'y', 'z')], expected[:3], atol=5e-4)
    figures = json.loads((tmp_path / 'replay.json').read_text())
    assert (figures['images'], figures['found'], figures['compared']) == (3, 3, 3)


def test_every_image_can_be_estimated(recording):
    estimator = PoseEstimator.load()
    estimator.set_reference(Reference.load(recording / 'reference'))
    with BagReader(recording) as bag:
        steps = list(replay(bag, estimator, every=True))
    assert [step.stamp for step in steps] == [second * 10**9 for second in range(5)]
    assert [step.recorded_pose is not None for step in steps] == [False, True, True, False, True]


@pytest.mark.parametrize('image', ['image_raw', 'image_raw/compressed'])
def test_compressed_images_are_replayed(tmp_path, image):
    Reference(picture(np.eye(4)), CAMERA, DEPTH).save(tmp_path / 'reference')
    names = {
        CompressedImage: ('/image_raw/compressed', 'sensor_msgs/msg/CompressedImage'),
        CameraInfo: NAMES[CameraInfo],
    }
    writer = BagWriter(tmp_path / 'bag')
    for name, kind in names.values():
        writer.add_topic(name, kind, reliable=True, latched=False)
    _, data = cv2.imencode('.jpg', picture(PATH[0], seed=0))
    sent = (
        messages.camera_to_message(CAMERA, Time(), 'camera'),
        CompressedImage(format='jpeg', data=data.tobytes()),
    )
    for message in sent:
        message.header.stamp = Time(sec=1)
        writer.write(names[type(message)][0], 10**9, serialize_message(message))
    writer.close()
    sentence = run(tmp_path / 'bag', tmp_path / 'reference', 'scene_agnostic', tmp_path, image, True)
    assert 'found in 1 of 1 images' in sentence


def test_another_reference_is_said_when_there_is_none(recording, tmp_path):
    with pytest.raises(
        BagError, match='should have one topic nothing of type sensor_msgs/msg/Image but has /image_raw'
    ):
        run(recording, None, 'scene_agnostic', tmp_path, 'nothing', False)


def test_records_what_comes_with_the_reference_and_completes_the_bag_on_sigterm(tmp_path):
    Reference(picture(np.eye(4)), CAMERA, DEPTH).save(tmp_path / 'reference')
    graph = Graph(tmp_path)
    try:
        images = graph.node.create_publisher(Image, 'image_raw', NEWEST)
        status = graph.node.create_publisher(String, 'servo_status', LATCHED)
        graph.node.create_publisher(String, 'gossip', 10).publish(String(data='not to be recorded'))
        status.publish(String(data='said before the recording'))
        bag = tmp_path / 'bag'
        folder = graph.node.create_publisher(String, 'pose_estimator/reference_folder', LATCHED)
        folder.publish(String(data=str(tmp_path / 'reference')))
        node = graph.start('record', output=str(bag))
        graph.spin_until(images.get_subscription_count, 'the subscription to image_raw')
        graph.spin_until(status.get_subscription_count, 'the subscription to servo_status')
        image = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
        for _ in range(10):
            images.publish(messages.image_to_message(image, graph.now(), 'camera'))
            graph.spin(0.05)
        assert node.end(signal.SIGTERM) == 0
        assert 'Traceback' not in node.output
        again = graph.start('record', output=str(bag))
        assert again.wait() == 1
        assert 'should be a new folder' in again.output
    finally:
        graph.close()
    with BagReader(bag) as reader:
        topics = [reader.topic('image_raw', NAMES[Image][1]), reader.topic('servo_status', 'std_msgs/msg/String')]
        recorded = [(topic, data) for topic, _, data in reader.messages(*topics)]
        with pytest.raises(BagError):
            reader.topic('gossip', 'std_msgs/msg/String')
    frames = [deserialize_message(data, Image) for topic, data in recorded if topic == topics[0]]
    assert len(frames) >= 5
    np.testing.assert_array_equal(messages.image_from_message(frames[-1]), image)
    said = [deserialize_message(data, String).data for topic, data in recorded if topic == topics[1]]
    assert said == ['said before the recording']
    assert Reference.load(bag / 'reference').depth == DEPTH


def test_compressed_images_are_recorded_where_they_are_the_only_ones_or_listened_to(tmp_path):
    topic = f'/image_raw{COMPRESSED}'
    graph = Graph(tmp_path)
    try:
        compressed = graph.node.create_publisher(CompressedImage, topic.lstrip('/'), NEWEST)
        first = graph.start('record', output=str(tmp_path / 'alone'))
        graph.spin_until(compressed.get_subscription_count, 'the subscription')
        assert first.end() == 0
        graph.spin_until(lambda: not compressed.get_subscription_count(), 'its end')
        images = graph.node.create_publisher(Image, 'image_raw', NEWEST)
        second = graph.start('record', output=str(tmp_path / 'beside'))
        graph.spin_until(images.get_subscription_count, 'the subscription to image_raw')
        graph.spin(0.5)  # two looks more
        assert compressed.get_subscription_count() == 0
        graph.listen(CompressedImage, topic.lstrip('/'), NEWEST)
        graph.spin_until(lambda: compressed.get_subscription_count() == 2, 'the subscription beside ours')
        assert second.end() == 0
        assert 'Traceback' not in first.output + second.output
    finally:
        graph.close()
