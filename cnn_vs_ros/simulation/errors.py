"""Exceptions of the simulation."""

from __future__ import annotations

from cnn_vs_ros.errors import VisualServoingError


class SimulationError(VisualServoingError):
    """A simulation that cannot be built or rendered on this machine, or a state that it cannot be put in."""
