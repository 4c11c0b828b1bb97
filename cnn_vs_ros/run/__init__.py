"""Servo runs: the series of them, what is recorded of one and how it ended. Knows no ROS."""

from cnn_vs_ros.run.outcome import Outcome, series_summary
from cnn_vs_ros.run.recorder import Recorder
from cnn_vs_ros.run.series import Graph, Plan, RunError, Series
from cnn_vs_ros.run.trajectory import Trajectory

__all__ = [
    'Graph',
    'Outcome',
    'Plan',
    'Recorder',
    'RunError',
    'Series',
    'Trajectory',
    'series_summary',
]
