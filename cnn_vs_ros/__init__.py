"""Visual servoing of a camera on a robot arm by a convolutional neural network. The core knows no ROS."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cnn_vs_ros.control import AdaptiveGain, DifferentialIk, PbvsLaw, TwistLimiter
    from cnn_vs_ros.errors import VisualServoingError
    from cnn_vs_ros.estimation import Estimator, PoseEstimator, Reference, ScenePlane, load_estimator
    from cnn_vs_ros.geometry import PinholeCamera, PoseStatus, RelativePose

__version__ = '0.1.0'

__all__ = [
    'AdaptiveGain',
    'DifferentialIk',
    'Estimator',
    'PbvsLaw',
    'PinholeCamera',
    'PoseEstimator',
    'PoseStatus',
    'Reference',
    'RelativePose',
    'ScenePlane',
    'TwistLimiter',
    'VisualServoingError',
    'load_estimator',
]

_HOME = {
    'AdaptiveGain': 'control',
    'DifferentialIk': 'control',
    'Estimator': 'estimation',
    'PbvsLaw': 'control',
    'PinholeCamera': 'geometry',
    'PoseEstimator': 'estimation',
    'PoseStatus': 'geometry',
    'Reference': 'estimation',
    'RelativePose': 'geometry',
    'ScenePlane': 'estimation',
    'TwistLimiter': 'control',
    'VisualServoingError': 'errors',
    'load_estimator': 'estimation',
}


def __getattr__(name: str) -> Any:
    # Imported when first used: a controller process needs no onnxruntime.
    if name in _HOME:
        return getattr(import_module(f'{__name__}.{_HOME[name]}'), name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
