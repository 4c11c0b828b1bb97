"""Images from devices, video files and folders. Knows no ROS."""

from cnn_vs_ros.capture.sources import Source, SourceError, open_source
from cnn_vs_ros.capture.stream import ImageStream

__all__ = ['ImageStream', 'Source', 'SourceError', 'open_source']
