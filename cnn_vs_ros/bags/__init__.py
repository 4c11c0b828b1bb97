"""Bags: recordings of topics in MCAP, as rosbag2 writes and plays them. Knows no ROS; needs rosbags."""

from importlib.util import find_spec

if find_spec('rosbags') is None:
    raise ModuleNotFoundError('bags need the package rosbags: pip install rosbags')

from cnn_vs_ros.bags.reader import BagReader
from cnn_vs_ros.bags.writer import BagWriter

__all__ = ['BagReader', 'BagWriter']
