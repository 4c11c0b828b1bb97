"""From a reference and an image to the relative pose of the camera."""

from cnn_vs_ros.estimation.estimator import PoseEstimator
from cnn_vs_ros.estimation.model_file import load_model, shipped_models
from cnn_vs_ros.estimation.reference import Reference

__all__ = ['PoseEstimator', 'Reference', 'load_model', 'shipped_models']
