"""What all runs of the benchmark have in common, in the simulator and in `training` (paper, section V-A)."""

from __future__ import annotations

import numpy as np

from cnn_vs_ros.geometry import PinholeCamera

CAMERA = PinholeCamera(640, 480, 600.0, 600.0, 319.5, 239.5)
DEPTH = 0.25
"""Distance of the reference camera to the scene, metres, where a scene names no other."""

BATCHES = 10
HARDEST = np.array([0.04, 0.04, 0.02, *np.deg2rad([20.0, 20.0, 50.0])])
"""Standard deviations [t; theta u] of the starts of the last batch at DEPTH, metres and radians."""
LOWEST = 0.05
"""Least distance of a start to the scene, metres."""

TRANSLATION_TOLERANCE = 1e-3
ROTATION_TOLERANCE = float(np.deg2rad(0.2))
"""A run has converged when the final error is under both: metres and radians."""
