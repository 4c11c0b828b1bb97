"""Bags are what rosbag2 reads: MCAP with metadata.yaml."""

import pytest
import yaml
from rclpy.serialization import deserialize_message, serialize_message
from std_msgs.msg import String

from cnn_vs_ros.bags import BagReader, BagWriter
from cnn_vs_ros.errors import BagError

STRING = 'std_msgs/msg/String'


@pytest.fixture
def bag(tmp_path):
    writer = BagWriter(tmp_path / 'bag')
    writer.add_topic('/arm/said', STRING, reliable=True, latched=True)
    writer.add_topic('/arm/heard', STRING, reliable=False, latched=False)
    for index in range(3):
        writer.write('/arm/said', 10 * index, serialize_message(String(data=f'said {index}')))
        writer.write('/arm/heard', 10 * index + 5, serialize_message(String(data=f'heard {index}')))
    writer.close()
    return tmp_path / 'bag'


def test_what_is_written_is_read_in_its_order(bag):
    with BagReader(bag) as reader:
        read = [
            (time, deserialize_message(data, String).data)
            for _, time, data in reader.messages('/arm/said', '/arm/heard')
        ]
        assert [topic for topic, _, _ in reader.messages('/arm/heard')] == ['/arm/heard'] * 3
    assert read == [
        (0, 'said 0'),
        (5, 'heard 0'),
        (10, 'said 1'),
        (15, 'heard 1'),
        (20, 'said 2'),
        (25, 'heard 2'),
    ]


def test_metadata_is_that_of_rosbag2(bag):
    information = yaml.safe_load((bag / 'metadata.yaml').read_text())['rosbag2_bagfile_information']
    assert (information['version'], information['storage_identifier']) == (9, 'mcap')
    assert [(bag / path).is_file() for path in information['relative_file_paths']] == [True]
    assert information['message_count'] == 6
    assert information['duration'] == {'nanoseconds': 25}
    topics = {
        item['topic_metadata']['name']: item['topic_metadata'] for item in information['topics_with_message_count']
    }
    assert {topic['type'] for topic in topics.values()} == {STRING}
    assert {topic['serialization_format'] for topic in topics.values()} == {'cdr'}
    # As `ros2 interface` computes it for std_msgs/msg/String.
    assert topics['/arm/said']['type_description_hash'] == (
        'RIHS01_df668c740482bbd48fb39d76a70dfd4bd59db1288021743503259e948f6b1a18'
    )
    qos = topics['/arm/said']['offered_qos_profiles'][0]
    assert (qos['reliability'], qos['durability'], qos['history']) == ('reliable', 'transient_local', 'keep_last')
    assert topics['/arm/heard']['offered_qos_profiles'][0]['reliability'] == 'best_effort'


def test_a_topic_is_found_by_the_end_of_its_name(bag):
    with BagReader(bag) as reader:
        assert reader.topic('said', STRING) == reader.topic('/arm/said', STRING) == '/arm/said'
        with pytest.raises(
            BagError, match='one topic aid of type std_msgs/msg/String but has /arm/heard, /arm/said'
        ):
            reader.topic('aid', STRING)
        with pytest.raises(BagError, match='but has none'):
            reader.topic('said', 'sensor_msgs/msg/Image')


def test_a_folder_that_exists_is_not_overwritten(tmp_path):
    with pytest.raises(BagError, match='should be a new folder'):
        BagWriter(tmp_path)


def test_a_type_that_is_unknown_is_refused(tmp_path):
    writer = BagWriter(tmp_path / 'bag')
    with pytest.raises(BagError, match='should be one of ROS 2 Jazzy but is my_msgs/msg/Thing'):
        writer.add_topic('/thing', 'my_msgs/msg/Thing', reliable=True, latched=False)
    writer.close()


def test_a_folder_that_is_no_bag_is_refused(tmp_path):
    with pytest.raises(BagError, match=r'should be a folder with metadata\.yaml'):
        BagReader(tmp_path)
