"""What links of a robot description, and frames, are called where nobody says otherwise."""

from __future__ import annotations

CAMERA = 'camera_optical_frame'
"""Link of the camera: z forward, x right, y down (REP 103)."""

DESIRED_CAMERA = f'desired_{CAMERA}'
"""Frame of the camera that took the reference."""

FLANGE = 'tool0'
"""Link that the camera is fixed to, as ROS-Industrial names it."""

ROOT = 'world'
"""Root link of the description."""
