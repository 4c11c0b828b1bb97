"""Calibration of a camera on an arm without a board: mount, depth, plane, delay, lens. No ROS."""
