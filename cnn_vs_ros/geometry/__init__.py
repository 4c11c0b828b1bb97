"""Poses, cameras and planes. Imports nothing of ours but what reads and checks foreign data."""

from cnn_vs_ros.geometry import se3
from cnn_vs_ros.geometry.camera import PinholeCamera
from cnn_vs_ros.geometry.homography import (
    camera_sees_plane,
    decompose_homography,
    image_shift,
    map_pixels,
    plane_homography,
    pose_from_homography,
    warp_plane,
)
from cnn_vs_ros.geometry.relative_pose import PoseStatus, RelativePose

__all__ = [
    'PinholeCamera',
    'PoseStatus',
    'RelativePose',
    'camera_sees_plane',
    'decompose_homography',
    'image_shift',
    'map_pixels',
    'plane_homography',
    'pose_from_homography',
    'se3',
    'warp_plane',
]
