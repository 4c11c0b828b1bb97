"""A servo experiment: the job, what is recorded of it and how it ended. Knows no ROS."""

from cnn_vs_ros.experiment.job import Experiment, ExperimentError, Graph, Plan
from cnn_vs_ros.experiment.outcome import Outcome, series_summary
from cnn_vs_ros.experiment.recorder import Recorder
from cnn_vs_ros.experiment.trajectory import Trajectory

__all__ = [
    'Experiment',
    'ExperimentError',
    'Graph',
    'Outcome',
    'Plan',
    'Recorder',
    'Trajectory',
    'series_summary',
]
