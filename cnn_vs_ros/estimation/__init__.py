"""From a reference and an image to the relative pose of the camera."""

from cnn_vs_ros.estimation.estimator import Estimator, PoseEstimator
from cnn_vs_ros.estimation.model_file import load_model, shipped_models
from cnn_vs_ros.estimation.plane import ScenePlane
from cnn_vs_ros.estimation.reference import Reference
from cnn_vs_ros.estimation.registry import load_estimator

__all__ = [
    'Estimator',
    'PoseEstimator',
    'Reference',
    'ScenePlane',
    'load_estimator',
    'load_model',
    'shipped_models',
]
